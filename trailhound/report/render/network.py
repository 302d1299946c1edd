"""The attack graph laid out: three lanes, few crossings, curves as wide as they carry events."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from trailhound.report.value import Edge, Graph, Node

WIDTH = 960
LANES = (0, 360, 640)
BOXES = (250, 200, 320)
"""Where each lane begins, and how wide its boxes are."""
HEIGHT, GAP, TOP = 34, 12, 30
_LETTERS = (31, 24, 42)
"""Characters that fit in a box of each lane."""
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A node in its place; `short` is the label cut to fit."""

    node: Node
    x: float
    y: float
    width: float
    short: str


@dataclass(frozen=True, slots=True)
class Curve:
    """An edge as the `d` of a path. `refused`: every event of it failed."""

    edge: Edge
    path: str
    width: float
    refused: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture of `WIDTH` by `height`, and the same in words."""

    height: float
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    words: tuple[tuple[Node, Node, Edge], ...]


def layout(graph: Graph) -> Layout:
    """Each lane ordered by the places of its neighbours, until little changes."""
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
            short = _cut(node.label, _LETTERS[lane])
            boxes[node.id] = Box(node, LANES[lane], y, BOXES[lane], short)
    curves = tuple(_curve(edge, boxes) for edge in graph.edges)
    words = tuple((boxes[edge.source].node, boxes[edge.target].node, edge) for edge in graph.edges)
    return Layout(height, tuple(boxes.values()), curves, words)


def _middle(node: Node, edges: tuple[Edge, ...], place: dict[str, float]) -> float:
    """The mean place of a node's neighbours; its own place for a node without any."""
    near = [place[edge.source] for edge in edges if edge.target == node.id]
    near += [place[edge.target] for edge in edges if edge.source == node.id]
    return sum(near) / len(near) if near else place[node.id]


def _curve(edge: Edge, boxes: dict[str, Box]) -> Curve:
    a, b = boxes[edge.source], boxes[edge.target]
    x1, y1, x2, y2 = a.x + a.width, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2
    bend = (x2 - x1) / 2
    path = f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    width = round(1.2 + min(6.0, log2(edge.events)), 1)
    return Curve(edge, path, width, edge.failed == edge.events, a.node.bad)


def _cut(label: str, letters: int) -> str:
    """The label, its middle left out where it is too long: both ends of a name are informative.

    >>> _cut("a-very-long-name-of-a-role", 12)
    'a-ver…a-role'
    """
    if len(label) <= letters:
        return label
    tail = letters // 2
    return f"{label[: letters - tail - 1]}…{label[-tail:]}"
