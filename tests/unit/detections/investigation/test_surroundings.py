"""Which edges of an activity graph are shown, in which layers, and what is said to be left out."""

from __future__ import annotations

from detections.investigation.evidence import MOST_SPANS, span_length
from detections.investigation.graph import ActivityGraph, Edge
from detections.investigation.nodes import Node
from detections.investigation.surroundings import surroundings

ADA, BOB, OPS, DATA, LOGS, WHO, EVE = (
    Node("user", "ada", "1"),
    Node("user", "bob", "1"),
    Node("role", "Ops", "1"),
    Node("s3", "data"),
    Node("s3", "logs"),
    Node("resource", "sts.amazonaws.com:GetCallerIdentity"),
    Node("user", "eve", "1"),
)


def graph_of(*edges: tuple[Node, Node, int, int]) -> ActivityGraph:
    made = ActivityGraph()
    for one, other, risk, count in edges:
        made.graph.add_edge(one, other, edge=Edge(count=count, risk=risk))
    return made


GRAPH = graph_of(
    (ADA, OPS, 1, 5),
    (OPS, DATA, 9, 2),
    (OPS, LOGS, 1, 7),
    (BOB, OPS, 3, 1),
    (BOB, WHO, 1, 1),
    (ADA, WHO, 1, 3),
    (EVE, WHO, 10, 9),
    (EVE, LOGS, 2, 1),
)


def test_routes_come_first_then_the_nearest_then_risk_then_events() -> None:
    made = surroundings(GRAPH, routes=[(ADA, OPS, DATA)], hops=2)
    assert made.edges == [
        (ADA, OPS),
        (OPS, DATA),
        (BOB, OPS),  # beside the route, of the highest risk
        (OPS, LOGS),
        (ADA, WHO),
        (EVE, LOGS),  # a hop further
        (BOB, WHO),
    ]
    assert made.spine == {ADA, OPS, DATA}
    assert made.edges_left_out == made.nodes_left_out == 0


def test_a_call_that_anybody_makes_is_not_gone_beyond() -> None:
    made = surroundings(GRAPH, [ADA], hops=2)
    assert (ADA, WHO) in made.edges
    assert (EVE, WHO) not in made.edges
    # Unless one asks about it.
    assert (EVE, WHO) in surroundings(GRAPH, [WHO], hops=1).edges


def test_what_is_left_out_is_counted_and_a_route_never_is() -> None:
    made = surroundings(GRAPH, routes=[(ADA, OPS, DATA)], hops=2, most=3)
    assert made.edges == [(ADA, OPS), (OPS, DATA), (BOB, OPS)]
    assert (made.edges_left_out, made.nodes_left_out) == (4, 3)  # LOGS, WHO, EVE
    assert surroundings(GRAPH, routes=[(ADA, OPS, DATA)], most=1).edges == [(ADA, OPS), (OPS, DATA)]


def test_layers_lead_from_left_to_right_along_the_calls() -> None:
    layers = surroundings(GRAPH, routes=[(ADA, OPS, DATA), (ADA, DATA)], hops=2).layers
    assert (layers[ADA], layers[OPS], layers[DATA]) == (0, 1, 2)
    assert layers[LOGS] == 2
    assert layers[BOB] == 0
    assert layers[WHO] == 1
    assert layers[EVE] == 1


def test_without_a_beginning_all_is_shown_by_kind() -> None:
    made = surroundings(GRAPH)
    assert len(made.edges) == GRAPH.graph.number_of_edges()
    assert made.edges[0] == (EVE, WHO)
    assert made.layers[ADA] < made.layers[OPS] < made.layers[DATA] == made.layers[WHO]


def test_a_node_without_an_edge_within_reach_is_there_all_the_same() -> None:
    alone = graph_of((ADA, OPS, 1, 1))
    alone.graph.add_node(EVE)
    made = surroundings(alone, [EVE])
    assert made.edges == []
    assert made.layers == {EVE: 0}


def test_spans_of_time_are_whole_and_not_too_many() -> None:
    begin = 1_740_837_601_234
    for milliseconds in (0, 1, 119_999, 10**7, 10**9, 10**11, 10**12):
        length = span_length(begin, begin + milliseconds)
        assert length % 1_000 == 0
        assert (begin + milliseconds) // length - begin // length < MOST_SPANS
