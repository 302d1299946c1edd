"""Incidents in the report: one entry for the alerts of each, and a sentence that tells it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from trailhound.report.collect.incidents import incident_entries, sentences
from trailhound.report.collect.ranking import folded, rank
from trailhound.report.event import CallCount
from trailhound.report.findings import AlertRow, Findings, RankedEntry

AT = datetime(2025, 3, 1, 10, tzinfo=UTC)


def row(name: str, severity: int, incident: str, hours: int = 0, **more: Any) -> AlertRow:
    at = AT + timedelta(hours=hours)
    made = AlertRow(
        name,
        f"rule-{name}",
        f"Rule {name}",
        severity,
        "high",
        "open",
        at,
        at,
        3,
        principals=("ada",),
        addresses=("203.0.113.7",),
        calls=(CallCount("ListUsers", 2, 1), CallCount("DeleteTrail", 1, 1)),
        incident=incident,
    )
    return replace(made, **more)


def source(row: AlertRow) -> dict[str, Any]:
    """What the report reads of the alert that a row is of."""
    return {
        "rule": {"id": row.rule, "name": row.title, "kind": "sigma"},
        "level": row.level,
        "severity": row.severity,
        "state": row.state,
        "first_seen": row.first.isoformat(),
        "last_seen": row.last.isoformat(),
        "count": row.count,
        "entity": {"principal": list(row.principals), "address": list(row.addresses)},
        "attack": {"tactic": []},
        "incident": row.incident,
    }


def entries(*rows: AlertRow) -> list[RankedEntry]:
    ranked = sorted(rows, key=rank)
    sources = {each.id: source(each) for each in rows}
    twins = {each.id: "both" for each in rows if each.id.startswith("twin")}
    return folded(ranked, twins, incident_entries(ranked, sources, twins))


def test_an_incident_is_one_entry_before_alerts_of_higher_severity() -> None:
    made = entries(
        row("a", 5, "a"),
        row("b", 8, "a", 2, state="closed", count=7),
        row("alone", 10, "alone"),
        row("old", 10, ""),
    )
    assert [(each.kind, each.id) for each in made] == [
        ("incident", "a"),
        ("alert", "alone"),
        ("alert", "old"),
    ]
    incident = made[0]
    assert (incident.title, incident.severity, incident.state) == ("Rule b", 8, "open")
    assert (incident.alerts, incident.open, incident.ids) == (2, 1, ("a", "b"))
    assert (incident.first, incident.last) == (AT, AT + timedelta(hours=2))
    # Both may count the same events.
    assert (incident.events, incident.exact) == (7, False)
    assert incident.calls == (CallCount("ListUsers", 2, 1), CallCount("DeleteTrail", 1, 1))


def test_the_events_that_alerts_name_together_are_counted_once() -> None:
    rows = [row("a", 5, "a", count=2), row("b", 8, "a", count=2)]
    sources = {each.id: source(each) for each in rows}
    both = {"a": frozenset({"e1", "e2"}), "b": frozenset({"e2", "e3"})}
    (made,) = incident_entries(rows, sources, {}, both)
    assert (made.events, made.exact) == (3, True)
    # One names fewer than it counts, or knows only how many there are at least.
    (made,) = incident_entries(rows, sources, {}, {**both, "b": frozenset({"e2"})})
    assert (made.events, made.exact) == (2, False)
    rows[1] = row("b", 8, "a", count=2, exact=False)
    (made,) = incident_entries(rows, sources, {}, both)
    assert (made.events, made.exact) == (3, False)


def test_the_alerts_of_two_variants_of_a_rule_are_no_incident() -> None:
    both = [row(name, 5, "twin-a", rule="r") for name in ("twin-a", "twin-b")]
    assert [(each.kind, each.alerts) for each in entries(*both)] == [("alert", 2)]


def test_incidents_are_told_in_the_order_in_which_they_began() -> None:
    made = entries(
        row("c", 10, "c", 5),
        row("d", 10, "c", 6),
        row("a", 5, "a", state="closed"),
        row("b", 5, "a", 30, state="closed", calls=(CallCount("DeleteTrail", 1),)),
    )
    lines = sentences(Findings(4, 2, entries=tuple(made)))
    assert lines == [
        (
            "From 1 March 2025, 10:00 UTC to 2 March 2025, 16:00 UTC, ada from 203.0.113.7 called "
            "ListUsers and DeleteTrail: 2 alerts, 5 of 10: “Rule a”, "
            "closed without a disposition."
        ),
        (
            "From 1 March 2025, 15:00 to 16:00 UTC, ada from 203.0.113.7 called ListUsers and "
            "DeleteTrail (1 of these calls never succeeded): 2 alerts, 10 of 10: "
            "“Rule c”."
        ),
    ]


def test_an_incident_of_attempts_says_so() -> None:
    refused = (CallCount("AttachUserPolicy", 2, 2),)
    made = entries(row("a", 5, "a", calls=refused), row("b", 5, "a", calls=refused))
    (lines,) = sentences(Findings(2, 2, entries=tuple(made)))
    assert "called AttachUserPolicy (without success): 2 alerts" in lines
