"""What the rules that build on a rule have looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace as replaced

from detections.automation.searched import NOTHING, Searched, searched_by
from detections.rule import FilePosition, Rule
from trailhound.state.rule_checkpoints import RuleCheckpoint

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULE = Rule("a", "A", "sigma", "low", None, FilePosition(Path("a.yml")))
OTHER = replace(RULE, id="b")


def mark(name: str, begun: datetime, until: datetime) -> RuleCheckpoint:
    return RuleCheckpoint(name, name, until, until, begun=begun, form="f", formed=None)


def test_each_rule_that_builds_on_it_has_to_have_looked() -> None:
    marks = {"a": mark("a", NOON - 9 * HOUR, NOON), "b": mark("b", NOON - 5 * HOUR, NOON - HOUR)}
    forms = {"a": "f", "b": "f"}
    both = searched_by([RULE, OTHER], marks, forms)
    assert both == Searched(NOON - 5 * HOUR, NOON - HOUR)
    assert [both.has(NOON - HOUR * number, NOON) for number in (6, 5, 2, 1)] == [
        *(False, True, True, False)
    ]
    assert not both.has(NOON - 2 * HOUR, NOON - 3 * HOUR)
    assert searched_by([], marks, forms) == NOTHING
    assert searched_by([RULE, replace(RULE, id="c")], marks, forms) == NOTHING
    assert searched_by([RULE], marks, {"a": "g"}) == NOTHING


def test_a_form_counts_from_where_it_began() -> None:
    known = replaced(mark("a", NOON - 9 * HOUR, NOON), form="")
    first = known.reformed("f")
    assert (first.form, first.formed) == ("f", None), "taken to be what the last release ran"
    assert first.reformed("f") is first
    second = replaced(first, seen_until=NOON + HOUR).reformed("g")
    assert (second.form, second.formed) == ("g", NOON + HOUR)
    assert searched_by([RULE], {"a": second}, {"a": "g"}).since == NOON + HOUR
