"""Incidents in the report: one entry for the alerts of each, and a sentence that tells it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from trailhound.report.collect.incidents import incident_entries, sentences
from trailhound.report.collect.ranking import entry_rank, folded, rank
from trailhound.report.collect.story import Told, steps_of
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


def event(number: int, call: str, source: str = "iam", **more: Any) -> dict[str, Any]:
    return {
        "_id": f"e{number}",
        "_source": {
            "@timestamp": f"2025-03-01T10:0{number // 10}:{number % 10:02d}Z",
            "eventSource": f"{source}.amazonaws.com",
            "eventName": call,
            "recipientAccountId": "111122223333",
            "user": {"name": "eve"},
            "event": {"outcome": "success"},
            **more,
        },
    }


def told(*hits: dict[str, Any], calls: int = 0, failed: int = 0) -> str:
    made = entries(row("a", 8, "a"), row("b", 8, "a", principals=("eve",)))
    found = [replace(each, principals=("eve",)) for each in made]
    story = {"a": Told(tuple(steps_of(hits)), calls, failed)}
    (line,) = sentences(Findings(2, 2, entries=tuple(found)), story)
    return line


USER: dict[str, Any] = {"requestParameters": {"userName": "backup"}}
RIGHTS = {"userName": "backup", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
SHARED = {
    "snapshotId": "snap-0123456789abcdef0",
    "createVolumePermission": {"add": {"items": [{"userId": "444455556666"}]}},
}
DENIED: dict[str, Any] = {"event": {"outcome": "failure"}, "errorCode": "AccessDenied"}


def test_steps_are_in_order_with_what_they_were_about_and_whom_they_let_in() -> None:
    line = told(
        event(12, "ModifySnapshotAttribute", "ec2", requestParameters=SHARED),
        event(1, "AttachUserPolicy", requestParameters=RIGHTS),
        event(1, "CreateUser", **USER),
    )
    assert "eve from 203.0.113.7: at 10:00 CreateUser (backup) and AttachUserPolicy (" in line
    assert "(backup and AdministratorAccess); at 10:01 ModifySnapshotAttribute (" in line
    assert "(snap-0123456789abcdef0; for 444455556666); 2 alerts" in line
    assert "succeeded" not in line


def test_what_matters_is_told_however_much_else_there_was() -> None:
    reads = [event(n, f"List{n}", **DENIED) for n in range(30)]
    line = told(*reads, event(40, "CreateUser", **USER), calls=184, failed=91)
    assert "at 10:04 CreateUser (backup); and 23 other kinds of calls" in line
    assert "(93 of 184 calls of theirs in this time succeeded)" in line
    assert "without success" not in line


def test_calls_of_a_kind_are_one_step_with_its_result() -> None:
    line = told(event(1, "GetUser"), event(2, "GetUser", **DENIED), event(3, "GetRole", **DENIED))
    assert "GetUser ×2 (1 succeeded) and GetRole (failed)" in line


def test_what_is_not_told_is_counted_and_named() -> None:
    several = [row(f"{kind}{n}", 8, kind, n) for kind in "abcdef" for n in (0, 1)]
    low = row("low", 3, "", level="low")
    shut = row("shut", 8, "", state="closed")
    alone = row("alone", 5, "", level="medium", title="Alone", principals=("x" * 100,))
    lines = sentences(Findings(15, 14, entries=tuple(entries(*several, low, shut, alone))))
    assert len(lines) == 6
    assert lines[-1] == (
        "Not told here, and not closed: 2 other incidents and alerts of level medium or above: "
        f"“Rule f0” by ada; “Alone” by {'x' * 28}…{'x' * 19}."
    )


def test_only_what_failed_throughout_was_without_success() -> None:
    """The calls that an entry names are cut: those that succeeded may be others."""
    many = tuple(CallCount(f"List{n}", 1, 1) for n in range(30))
    got = (CallCount("GetAccountAuthorizationDetails", 1, 0),)
    (line,) = sentences(
        Findings(
            2, 2, entries=tuple(entries(row("a", 8, "a", calls=many), row("b", 5, "a", calls=got)))
        )
    )
    assert "without success" not in line


def test_an_incident_of_more_tactics_comes_before_one_of_more_events() -> None:
    busy, far = entries(
        row("a", 8, "a", count=90), row("b", 8, "a"), row("c", 8, "c"), row("d", 8, "c")
    )
    far = replace(far, done_tactics=("impact",))
    assert sorted([busy, far], key=entry_rank) == [far, busy]
