"""Where the nodes of an activity graph are drawn: layers from left to right, along the calls.

The requested nodes form a band through the middle. The other nodes of each layer are above and
below it in a grid, so that names do not overlap and the drawing has the shape of a screen. The same
graph gets the same positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from detections.investigation.nodes import Node
from detections.investigation.surroundings import Pair, Surroundings

WIDTH: Final = 220
"""The distance between columns, which is more than the width of a name."""
HEIGHT: Final = 80
_GAP: Final = 110
"""The distance between two layers, for the lines."""
_SHAPE: Final = 1.5
"""The intended ratio of width to height."""
_MOST_ROWS: Final = 60

Places = dict[Node, tuple[int, int]]


def places(made: Surroundings) -> Places:
    """The middle of each node, in pixels."""
    layers: dict[int, list[Node]] = {}
    for node, layer in made.layers.items():
        layers.setdefault(layer, []).append(node)
    rows = _rows(made, layers)
    found: Places = {}
    left = 0
    # From the first layer outwards, so that each node has a neighbour that is placed already.
    order = _near(made.edges)
    for number in sorted(layers):
        spine = sorted(each for each in layers[number] if each in made.spine)
        others = [each for each in layers[number] if each not in made.spine]
        columns = max(1, -(-len(others) // rows))
        middle = left + (columns - 1) * WIDTH // 2
        _put_spine(found, _ordered(spine, order, found), middle)
        placed = _ordered(others, order, found)
        upper = len(placed) // 2
        # Leave room beside the middle for the curved lines of paths.
        beyond = (len(spine) + 1 + bool(spine)) * HEIGHT // 2
        _put_grid(found, placed[:upper], left, columns, (-beyond, -HEIGHT))
        _put_grid(found, placed[upper:], left, columns, (beyond, HEIGHT))
        left += columns * WIDTH + _GAP
    return found


def _rows(made: Surroundings, layers: Mapping[int, Sequence[Node]]) -> int:
    """The number of rows in a layer by which the drawing has about the shape of a screen."""
    others = [sum(each not in made.spine for each in layer) for layer in layers.values()]
    deepest = max(
        (sum(each in made.spine for each in layer) for layer in layers.values()), default=1
    )

    def shape(rows: int) -> float:
        columns = sum(max(1, -(-count // rows)) for count in others)
        height = (min(rows, max([*others, 1])) + deepest) * HEIGHT
        return (columns * WIDTH + len(others) * _GAP) / height

    return min(range(2, _MOST_ROWS), key=lambda rows: (abs(shape(rows) - _SHAPE), rows))


def _near(edges: Sequence[Pair]) -> dict[Node, list[Node]]:
    made: dict[Node, list[Node]] = {}
    for one, other in edges:
        made.setdefault(one, []).append(other)
        made.setdefault(other, []).append(one)
    return made


def _ordered(
    nodes: Sequence[Node],
    near: Mapping[Node, Sequence[Node]],
    found: Mapping[Node, tuple[int, int]],
) -> list[Node]:
    """The nodes in the order of their neighbours' positions, so that few lines cross, then by
    kind."""

    def height(node: Node) -> float:
        beside = [found[each][1] for each in near.get(node, ()) if each in found]
        return sum(beside) / len(beside) if beside else 0.0

    return sorted(nodes, key=lambda node: (height(node), node.kind, node.name, node.account))


def _put_spine(found: Places, nodes: Sequence[Node], middle: int) -> None:
    top = -(len(nodes) - 1) * HEIGHT // 2
    for number, node in enumerate(nodes):
        found[node] = (middle, top + number * HEIGHT)


def _put_grid(
    found: Places, nodes: Sequence[Node], left: int, columns: int, rows: tuple[int, int]
) -> None:
    """Place nodes row by row, away from the middle, every other row shifted for the lines between.
    `rows`: the position of the first row, and the distance between rows."""
    first, step = rows
    for number, node in enumerate(nodes):
        row, column = divmod(number, columns)
        aside = WIDTH // 4 if row % 2 and columns > 1 else 0
        found[node] = (left + column * WIDTH + aside, first + row * step)
