"""The shown part of an activity graph: what is near some nodes, with a limited number of edges.

A page can't show a graph of 20,000 nodes, and it would not be readable. So the edges are ranked,
and those left out are counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from detections.investigation.graph import ActivityGraph
from detections.investigation.nodes import Node

MOST_EDGES: Final = 2_000
"""The most edges on a page, so that it still draws fluidly."""
UNFOLLOWED: Final = frozenset({"resource", "service"})
"""Kinds of nodes whose other edges are not followed: a call that any principal makes is no link."""
_COLUMNS: Final = {
    **dict.fromkeys(("ip", "key"), 0),
    **dict.fromkeys(("user", "federated", "account", "service"), 1),
    "role": 2,
}
"""Columns of kinds from left to right, for a graph without a centre; targets are last."""

Pair = tuple[Node, Node]
Route = tuple[Node, ...]


@dataclass(slots=True)
class Surroundings:
    """The shown part. `edges`: those of the routes, then the nearest. `layers`: the distance of
    each node from the centre in calls, negative for nodes before it. `spine`: the nodes of routes,
    or the centre. `edges_left_out` and `nodes_left_out`: numbers of those within reach but beyond
    the limit."""

    edges: list[Pair] = field(default_factory=list)
    layers: dict[Node, int] = field(default_factory=dict)
    spine: set[Node] = field(default_factory=set)
    hops: int = 0
    edges_left_out: int = 0
    nodes_left_out: int = 0


def surroundings(
    graph: ActivityGraph,
    centre: Iterable[Node] = (),
    routes: Sequence[Route] = (),
    *,
    ends: Iterable[Node] = (),
    hops: int = 1,
    most: int = MOST_EDGES,
) -> Surroundings:
    """The edges of `routes`, and those within `hops` of them, of the `centre` and of the `ends`, in
    either direction; without any of these, all edges. Nearer edges come first, then those with the
    highest risk score, then those with the most events. All edges of the routes are included, even
    if there are more than `most`."""
    centre, ends = list(centre), list(ends)
    spine = {*centre, *ends, *(node for route in routes for node in route)}
    made = Surroundings(spine=set(spine), hops=hops)
    kept = dict.fromkeys(pair for route in routes for pair in pairwise(route))
    near = _distances(graph, spine, hops) if spine else dict.fromkeys(graph.graph.nodes, 0)
    ranked = sorted(
        (
            (min(near.get(one, hops), near.get(other, hops)), -edge.risk, -edge.count, one, other)
            for one, other, edge in graph.graph.edges(data="edge")
            if (one, other) not in kept and _within(near, one, other, hops)
        ),
    )
    room = max(0, most - len(kept))
    made.edges = [*kept, *((one, other) for *_, one, other in ranked[:room])]
    shown = {node for pair in made.edges for node in pair} | spine
    beyond = [(one, other) for *_, one, other in ranked[room:]]
    made.edges_left_out = len(beyond)
    made.nodes_left_out = len({node for pair in beyond for node in pair} - shown)
    made.layers = _layers(made.edges, shown, centre, routes, ends)
    return made


def _within(near: dict[Node, int], one: Node, other: Node, hops: int) -> bool:
    """Whether an edge is within reach: at a node that is followed, before the last hop."""
    return any(
        node in near and (near[node] == 0 or (near[node] < hops and node.kind not in UNFOLLOWED))
        for node in (one, other)
    )


def _distances(graph: ActivityGraph, centre: Iterable[Node], hops: int) -> dict[Node, int]:
    """The distance in hops of each node within reach."""
    known = {node: 0 for node in centre if node in graph.graph}
    waiting = deque(sorted(known))
    while waiting:
        node = waiting.popleft()
        if known[node] == hops or (known[node] and node.kind in UNFOLLOWED):
            continue
        beside = {*graph.graph.successors(node), *graph.graph.predecessors(node)}
        for following in sorted(beside - known.keys()):
            known[following] = known[node] + 1
            waiting.append(following)
    return known


def _layers(
    edges: Sequence[Pair],
    nodes: set[Node],
    centre: Sequence[Node],
    routes: Sequence[Route],
    ends: Sequence[Node],
) -> dict[Node, int]:
    """The layers, from left to right along calls: a node of routes is placed by the longest route
    to it, an end is last, and any other node is next to the nearest placed one."""
    made: dict[Node, int] = {}
    for route in routes:
        for place, node in enumerate(route):
            made[node] = max(made.get(node, 0), place)
    for node in centre:
        made.setdefault(node, 0)
    last = max([*made.values(), 2])
    for node in ends:
        made.setdefault(node, last)
    if not made:
        return {node: _COLUMNS.get(node.kind, 3) for node in nodes}
    after: dict[Node, list[Node]] = {}
    before: dict[Node, list[Node]] = {}
    for one, other in edges:
        after.setdefault(one, []).append(other)
        before.setdefault(other, []).append(one)
    waiting = deque(sorted(made, key=lambda node: (made[node], node)))
    while waiting:
        node = waiting.popleft()
        for following, place in (
            *((each, made[node] + 1) for each in sorted(after.get(node, ()))),
            *((each, made[node] - 1) for each in sorted(before.get(node, ()))),
        ):
            if following not in made:
                made[following] = place
                waiting.append(following)
    return made
