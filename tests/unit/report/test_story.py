"""What the report tells of an incident: steps in order, with objects and outsiders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.report.test_incidents import entries, row
from trailhound.report.collect.incidents import sentences
from trailhound.report.collect.ranking import entry_rank
from trailhound.report.collect.story import Told, steps_of
from trailhound.report.event import CallCount
from trailhound.report.findings import Findings


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
