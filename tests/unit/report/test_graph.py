"""The attack graph's nodes and edges, and what they leave out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from trailhound.report.collect.attack import belongs_to_tactic, tactic_id
from trailhound.report.collect.graph import attack_graph
from trailhound.report.event import Event, Resource
from trailhound.report.render.network import layout

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


def test_events_join_who_call_and_resource() -> None:
    one = event("1", "ada", "GetObject", "pay", risk=8)
    again = event("2", "ada", "GetObject", "pay", outcome="failure")
    other = event("3", "bob", "PutObject")
    made = attack_graph([one, again, other, one])
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


def test_a_large_one_draws_the_least_busy_together() -> None:
    events = [
        event(f"{who}-{number}", f"user-{who}", f"Call{who}", f"bucket-{who}")
        for who in range(30)
        for number in range(who + 1)
    ]
    made = attack_graph(events, events_left_out=4)
    lanes = [[node for node in made.nodes if node.lane == lane] for lane in range(3)]
    assert [node.label for node in lanes[0][:-1]] == [f"user-{who}" for who in range(29, 20, -1)]
    assert [node.label for node in lanes[1][:-1]] == [f"Call{who}" for who in range(29, 14, -1)]
    assert [(lane[-1].label, lane[-1].folded) for lane in lanes] == [
        ("other principals", 21),
        ("other calls", 15),
        ("other resources", 15),
    ]
    assert made.left_out == 21 + 15 + 15
    # Nothing is lost of what is folded.
    assert (made.events, made.events_left_out) == (len(events), 4)
    for lane in lanes:
        assert sum(node.events for node in lane) == len(events)
    assert sum(edge.events for edge in made.edges) == 2 * len(events)


def test_those_of_high_risk_have_a_place_of_their_own() -> None:
    busy = [event(f"{n}", f"user-{n % 20}", "ListUsers") for n in range(100)]
    made = attack_graph([*busy, event("x", "mallory", "StopLogging", risk=9)])
    assert ("mallory", True) in {(node.label, node.bad) for node in made.nodes if node.lane == 0}


def test_what_failed_is_counted_and_drawn_apart() -> None:
    refused = event("1", "ada", "DeleteTrail", outcome="failure")
    again = event("2", "ada", "DeleteTrail", outcome="failure")
    both = [event("3", "ada", "GetObject"), event("4", "ada", "GetObject", outcome="failure")]
    made = attack_graph([refused, again, *both])
    drawn = layout(made)
    notes = {box.node.label: (box.note, box.refused) for box in drawn.boxes}
    assert notes == {
        "ada": ("principal · 4 events, 3 failed", False),
        "DeleteTrail": ("s3 · 2 events, failed", True),
        "GetObject": ("s3 · 2 events, 1 failed", False),
    }
    # One line for the calls that all failed, two where some did.
    assert sorted(curve.refused for curve in drawn.curves) == [False, True, True]


def test_principals_of_the_same_name_in_two_accounts_are_two() -> None:
    one = event("1", "ada", "ListUsers")
    made = attack_graph([replace(one, account="1"), replace(one, id="2", account="2")])
    assert [(node.label, node.account) for node in made.nodes if node.lane == 0] == [
        ("ada", "1"),
        ("ada", "2"),
    ]


def test_an_event_without_a_principal_is_drawn_too() -> None:
    made = attack_graph([event("1", "", "GetObject")])
    assert [node.label for node in made.nodes] == ["unknown", "GetObject"]
    assert not any(node.bad for node in made.nodes)
    assert attack_graph([]).nodes == ()


def test_a_technique_stands_where_it_belongs() -> None:
    assert belongs_to_tactic("T1098.001", "persistence")
    assert not belongs_to_tactic("T1098.001", "impact")
    assert belongs_to_tactic("T0000", "impact")  # one that is not listed may serve any
    assert tactic_id("attack.Defense_Evasion") == "defense-evasion"
    assert tactic_id("defense-impairment") == "defense-evasion"  # its name since version 19
