"""The layout of the attack graph: three lanes, few crossings, curves as wide as their events."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from trailhound.report.render.words import count, name
from trailhound.report.value import Edge, Graph, Node

WIDTH = 960
LANES = (0, 360, 640)
BOXES = (250, 200, 320)
"""The left edge of each lane, and the width of its boxes."""
HEIGHT, GAP, TOP = 34, 12, 30
_LETTERS = (28, 22, 37)
"""Characters that fit in a box of each lane, wide ones such as `@`, `m` and capitals among
them."""
_SWEEPS = 6
_APART = 4.0
"""The distance of each of an edge's two lines from its middle."""


@dataclass(frozen=True, slots=True)
class Box:
    """A placed node. `short` is its label cut to fit, `note` the line below it. `refused`: all of
    its events failed.
    """

    node: Node
    x: float
    y: float
    width: float
    short: str
    note: str
    refused: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve for the failed events of an edge (`refused`) or for its others, as the `d` of a
    path."""

    edge: Edge
    path: str
    width: float
    refused: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The picture, `WIDTH` by `height`, and its description in words."""

    height: float
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    words: tuple[tuple[Node, Node, Edge], ...]


def layout(graph: Graph) -> Layout:
    """Lay out a graph: order each lane by the positions of its neighbours, until little changes."""
    lanes: list[list[Node]] = [
        [node for node in graph.nodes if node.lane == lane] for lane in range(len(LANES))
    ]
    for sweep in range(_SWEEPS):
        order = (1, 2) if sweep % 2 == 0 else (1, 0)
        for lane in order:
            place = {
                node.id: index / max(1, len(nodes) - 1)
                for nodes in lanes
                for index, node in enumerate(nodes)
            }
            lanes[lane].sort(key=lambda node: _middle(node, graph.edges, place))
    tallest = max((len(nodes) for nodes in lanes), default=0)
    height = TOP + tallest * (HEIGHT + GAP)
    boxes: dict[str, Box] = {}
    for lane, nodes in enumerate(lanes):
        free = height - TOP - len(nodes) * (HEIGHT + GAP)
        for index, node in enumerate(nodes):
            y = TOP + free / 2 + index * (HEIGHT + GAP)
            short = _cut(label(node), _LETTERS[lane])
            refused = 0 < node.failed == node.events
            boxes[node.id] = Box(node, LANES[lane], y, BOXES[lane], short, _note(node), refused)
    curves = tuple(curve for edge in graph.edges for curve in _curves(edge, boxes))
    words = tuple((boxes[edge.source].node, boxes[edge.target].node, edge) for edge in graph.edges)
    return Layout(height, tuple(boxes.values()), curves, words)


def _middle(node: Node, edges: tuple[Edge, ...], place: dict[str, float]) -> float:
    """The mean position of a node's neighbours; its own position if it has none."""
    near = [place[edge.source] for edge in edges if edge.target == node.id]
    near += [place[edge.target] for edge in edges if edge.source == node.id]
    return sum(near) / len(near) if near else place[node.id]


def label(node: Node) -> str:
    """The label of a node."""
    return f"{node.folded:,} {node.label}" if node.folded else name(node.label)


def _note(node: Node) -> str:
    """The kind of a node, its number of events, and how many of them failed.

    >>> _note(Node("n", 1, "iam", "CreateUser", 3, failed=1))
    'iam · 3 events, 1 failed'
    >>> _note(Node("n", 0, "principal", "ada", 1, account="1234"))
    'account 1234 · 1 event'
    """
    kind = f"account {node.account}" if node.account else node.kind.replace("_", " ")
    before = "" if node.folded else f"{_cut(kind, 20)} · "
    if not node.failed:
        return before + count(node.events, "event")
    if node.failed == node.events:
        return f"{before}{count(node.events, 'event')}, failed"
    return f"{before}{count(node.events, 'event')}, {node.failed:,} failed"


def _curves(edge: Edge, boxes: dict[str, Box]) -> list[Curve]:
    """The curves of an edge: one for events that succeeded and one for failed ones, side by
    side."""
    succeeded = edge.events - edge.failed
    if not edge.failed or not succeeded:
        return [_curve(edge, boxes, edge.events, 0.0, refused=edge.failed > 0)]
    return [
        _curve(edge, boxes, succeeded, -_APART, refused=False),
        _curve(edge, boxes, edge.failed, _APART, refused=True),
    ]


def _curve(edge: Edge, boxes: dict[str, Box], events: int, aside: float, *, refused: bool) -> Curve:
    a, b = boxes[edge.source], boxes[edge.target]
    x1, y1, x2, y2 = a.x + a.width, a.y + HEIGHT / 2 + aside, b.x, b.y + HEIGHT / 2 + aside
    bend = (x2 - x1) / 2
    path = f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    width = round(1.2 + min(6.0, log2(events)), 1)
    return Curve(edge, path, width, refused, a.node.bad)


def _cut(text: str, letters: int) -> str:
    """The text; if it is too long without its middle, since both ends of a name are informative.

    >>> _cut("a-very-long-name-of-a-role", 12)
    'a-ver…a-role'
    """
    if len(text) <= letters:
        return text
    tail = letters // 2
    return f"{text[: letters - tail - 1]}…{text[-tail:]}"
