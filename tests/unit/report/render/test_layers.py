"""Where nodes are drawn: no two in one place, routes through the middle, calls to the right."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from detections.investigation.graph import ActivityGraph, Edge
from detections.investigation.nodes import Node
from detections.investigation.surroundings import surroundings
from trailhound.report.render.layers import HEIGHT, WIDTH, places

NODES = st.integers(0, 30).map(lambda number: Node("user", f"u{number}", "1"))


@given(
    edges=st.sets(st.tuples(NODES, NODES), min_size=1, max_size=80),
    begin=st.integers(0, 3),
)
def test_no_two_nodes_cover_each_other(edges: set[tuple[Node, Node]], begin: int) -> None:
    made = ActivityGraph()
    for one, other in edges:
        made.graph.add_edge(one, other, edge=Edge(count=1))
    centre = sorted(made.graph.nodes)[:begin]
    shown = surroundings(made, centre, hops=5)
    found = places(shown)
    assert set(found) == set(shown.layers)
    ordered = sorted(found.values())
    for place, (x, y) in enumerate(ordered):
        for far, high in ordered[place + 1 :]:
            assert abs(far - x) >= WIDTH or abs(high - y) >= HEIGHT
    assert places(surroundings(made, centre, hops=5)) == found


def test_a_route_runs_through_the_middle_from_left_to_right() -> None:
    route: tuple[Node, ...] = tuple(Node("role", f"r{number}", "1") for number in range(5))
    made = ActivityGraph()
    for one, other in pairwise(route):
        made.graph.add_edge(one, other, edge=Edge(count=1))
        for number in range(20):
            beside = Node("s3", f"{one.name}-{number}")
            made.graph.add_edge(one, beside, edge=Edge(count=1))
    found = places(surroundings(made, routes=[route]))
    assert [found[each][1] for each in route] == [0] * 5
    assert all(found[one][0] < found[other][0] for one, other in pairwise(route))
    around = [place for each, place in found.items() if each not in route]
    assert min(y for _, y in around) < 0 < max(y for _, y in around)
    assert min(abs(y) for _, y in around) > HEIGHT
    across, down = zip(*found.values(), strict=True)
    assert 0.8 < (max(across) - min(across)) / (max(down) - min(down)) < 3
