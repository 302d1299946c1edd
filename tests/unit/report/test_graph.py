"""The attack graph's nodes and edges, and what they leave out."""

from __future__ import annotations

from datetime import UTC, datetime

from trailhound.report.collect.attack import serves, tactic_id
from trailhound.report.collect.graph import attack_graph
from trailhound.report.value import DetailedAlert, Event, Resource

AT = datetime(2025, 3, 1, tzinfo=UTC)


def event(
    name: str, who: str, call: str, *touched: str, outcome: str = "success", risk: int = 3
) -> Event:
    resources = tuple(Resource("bucket", each) for each in touched)
    return Event(
        name,
        AT,
        principal=who,
        source="s3.amazonaws.com",
        call=call,
        outcome=outcome,
        risk=risk,
        resources=resources,
    )


def finding(severity: int, *events: Event) -> DetailedAlert:
    return DetailedAlert(
        "a", "r", "t", severity, "high", "open", AT, AT, len(events), evidence=events
    )


def test_events_join_who_call_and_resource() -> None:
    one = event("1", "ada", "GetObject", "pay", risk=8)
    again = event("2", "ada", "GetObject", "pay", outcome="failure")
    other = event("3", "bob", "PutObject")
    made = attack_graph([finding(9, one, again, other)])
    labels = {node.id: node.label for node in made.nodes}
    assert {(node.lane, node.label, node.events, node.bad) for node in made.nodes} == {
        (0, "ada", 2, True),
        (0, "bob", 1, False),
        (1, "GetObject", 2, False),
        (1, "PutObject", 1, False),
        (2, "pay", 2, False),
    }
    assert {
        (labels[edge.source], labels[edge.target], edge.events, edge.failed) for edge in made.edges
    } == {("ada", "GetObject", 2, 1), ("GetObject", "pay", 2, 1), ("bob", "PutObject", 1, 0)}
    assert made.left_out == 0


def test_a_large_one_keeps_the_busiest_and_tells_what_it_left_out() -> None:
    events = [
        event(f"{who}-{number}", f"user-{who}", f"Call{who}", f"bucket-{who}")
        for who in range(30)
        for number in range(who + 1)
    ]
    made = attack_graph([finding(9, *events)])
    lanes = [[node.label for node in made.nodes if node.lane == lane] for lane in range(3)]
    assert lanes[0] == [f"user-{who}" for who in range(29, 22, -1)]
    # Nothing is drawn that no line leads to.
    assert lanes[1] == [f"Call{who}" for who in range(29, 22, -1)]
    assert lanes[2] == [f"bucket-{who}" for who in range(29, 22, -1)]
    assert made.left_out == 90 - 21


def test_it_is_of_the_high_findings_where_there_are_any() -> None:
    high, medium = event("1", "ada", "StopLogging"), event("2", "bob", "ListUsers")
    both = attack_graph([finding(9, high), finding(5, medium)])
    assert [node.label for node in both.nodes] == ["ada", "StopLogging"]
    assert "bob" in [node.label for node in attack_graph([finding(5, medium)]).nodes]


def test_without_findings_it_is_of_the_events() -> None:
    made = attack_graph([], [event("1", "", "GetObject")])
    assert [node.label for node in made.nodes] == ["unknown", "GetObject"]
    assert not any(node.bad for node in made.nodes)
    assert attack_graph([]).nodes == ()


def test_a_technique_stands_where_it_belongs() -> None:
    assert serves("T1098.001", "persistence")
    assert not serves("T1098.001", "impact")
    assert serves("T0000", "impact")  # one that is not listed may serve any
    assert tactic_id("attack.Defense_Evasion") == "defense-evasion"
    assert tactic_id("defense-impairment") == "defense-evasion"  # its name since version 19
