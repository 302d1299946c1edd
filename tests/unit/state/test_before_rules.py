"""The parts of what was ingested before the first rules began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trailhound.state.before_rules import BeforeRules, IngestedPart

BEGIN = datetime(2026, 3, 4, tzinfo=UTC)


def part(seconds: float) -> IngestedPart:
    """An event that was recorded so long after the begin."""
    at = BEGIN + timedelta(seconds=seconds)
    return IngestedPart(events=1, first=at, last=at, opened=at, added=at)


def recorded(*seconds: float) -> BeforeRules:
    made = BeforeRules()
    for each in seconds:
        made = made.plus(part(each))
    return made


def test_a_part_is_of_one_minute() -> None:
    parts = recorded(0, 30, 59, 60, 90, 200).parts
    assert [each.events for each in parts] == [3, 2, 1]
    assert parts[0].added == BEGIN + timedelta(seconds=59)


def test_the_latest_parts_stay_apart_however_many_there_are() -> None:
    parts = recorded(*range(0, 60 * 100, 60)).parts
    assert sum(each.events for each in parts) == 100
    assert len(parts) < 100
    assert parts[0].first == BEGIN
    assert [each.events for each in parts[1:]] == [1] * (len(parts) - 1)
    made = BeforeRules(parts=parts)
    assert BeforeRules.parse("id", made.document()) == made
