"""What matters now comes first, and one entry is for the alerts of a rule and principal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from trailhound.report.collect.ranking import entry_rank, folded, in_full, rank, top_of_all
from trailhound.report.event import CallCount
from trailhound.report.findings import AlertRow

AT = datetime(2025, 3, 1, tzinfo=UTC)


def row(
    name: str, severity: int = 8, rule: str = "r", who: str = "ada", **more: object
) -> AlertRow:
    made = AlertRow(name, rule, rule, severity, "high", "open", AT, AT, 1, principals=(who,))
    return replace(made, **more)  # type: ignore[arg-type]


def test_the_alerts_of_a_rule_and_principal_are_one_entry_with_their_counts() -> None:
    rows = [
        row("a", count=3, calls=(CallCount("StopLogging", 2, 1),), addresses=("192.0.2.1",)),
        row("b", count=4, calls=(CallCount("StopLogging", 1), CallCount("DeleteTrail", 3))),
        row("c", who="bob", exact=False),
        row("d", state="closed", first=AT - timedelta(days=1), last=AT + timedelta(days=1)),
    ]
    entries = folded(sorted(rows, key=rank))
    assert [(each.principals, each.ids) for each in entries] == [
        (("ada",), ("b", "a", "d")),
        (("bob",), ("c",)),
    ]
    ada, bob = entries
    assert (ada.alerts, ada.open, ada.events, ada.state) == (3, 2, 8, "open")
    assert (ada.first, ada.last) == (AT - timedelta(days=1), AT + timedelta(days=1))
    assert ada.calls == (CallCount("DeleteTrail", 3), CallCount("StopLogging", 3, 1))
    assert (ada.exact, bob.exact) == (True, False)


def test_alerts_without_a_principal_are_one_entry_an_address() -> None:
    rows = [row(each, principals=(), addresses=(each[0],)) for each in ("xa", "xb", "y")]
    assert [each.alerts for each in folded(rows)] == [2, 1]
    lone = [row(each, principals=()) for each in ("a", "b")]
    assert [each.alerts for each in folded(lone)] == [1, 1]


def test_open_comes_before_closed_and_incidents_before_alerts() -> None:
    (low,) = folded([row("low", 3)])
    (high,) = folded([row("high", 9)])
    incident = replace(low, kind="incident", id="i")
    closed = replace(high, id="c", state="closed")
    mixed = [closed, replace(incident, id="ic", state="closed"), low, high, incident]
    assert [each.id for each in sorted(mixed, key=entry_rank)] == ["i", "high", "low", "ic", "c"]


def test_the_top_five_of_all_are_by_severity_and_of_different_rules_first() -> None:
    rows = [row(f"busy-{n}", 10, "busy", f"user-{n}") for n in range(9)]
    rows += [row("other", 10, "other"), row("shut", 10, "shut", state="closed"), row("nine", 9)]
    top = top_of_all(folded(sorted(rows, key=rank)))
    # By falling score, open or closed; of the same score the open ones first.
    assert [each.id for each in top] == ["busy-0", "other", "busy-1", "busy-2", "busy-3"]
    few = top_of_all(folded(sorted(rows[-3:], key=rank)))
    assert [each.id for each in few] == ["other", "shut", "nine"]


def test_attempts_come_after_what_had_a_success() -> None:
    rows = [row("tried", 9, "t", count=50, attempt=True), row("a", 9, "b"), row("b", 9, "b", "x")]
    assert [each.id for each in sorted(rows, key=rank)] == ["a", "b", "tried"]
    assert [each.id for each in top_of_all(folded(sorted(rows, key=rank)))] == ["a", "b", "tried"]


def test_one_of_an_entry_is_shown_in_full() -> None:
    rows = [row("a"), row("b"), row("c", rule="s")]
    assert [each.id for each in in_full(rows)] == ["a", "c"]


def test_alerts_that_variants_of_a_rule_raised_of_the_same_events_are_one_entry() -> None:
    rows = [
        row("u", rule="x by user", count=4, calls=(CallCount("ListUsers", 4),)),
        row("a", rule="x by address", count=4, calls=(CallCount("ListUsers", 4),)),
        row("other", rule="x by address", count=2),  # of other events, and of the same principal
        row("bob", rule="x by user", who="bob"),
    ]
    twins = {"u": "k", "a": "k", "other": "m", "bob": "n"}
    both, bob = folded(sorted(rows, key=rank), twins)
    assert (both.title, both.alerts, both.events) == ("x by address and by user", 3, 6)
    assert both.calls == (CallCount("ListUsers", 4),)
    assert (set(both.ids), bob.ids) == ({"u", "a", "other"}, ("bob",))
    assert [each.id for each in in_full(rows, twins=twins)] == ["u", "bob"]


def test_a_score_of_its_own_puts_no_rule_above_those_of_a_higher_level() -> None:
    rows = [
        row("noise", severity=6, rule="low", level="low", count=900),
        row("found", severity=5, rule="medium", level="medium"),
    ]
    assert [each.id for each in sorted(rows, key=rank)] == ["found", "noise"]
    entries = sorted(folded(rows), key=entry_rank)
    assert [each.id for each in entries] == ["found", "noise"]
    assert [each.id for each in top_of_all(entries)] == ["found", "noise"]
