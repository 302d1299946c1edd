"""Which daily indices a query needs: those of the times that every event of it must have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detections.events.daily_indices import DailyIndices, SkippedDay
from detections.events.query_times import times_of
from trailhound.cluster.templates import Names

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
NAMES = Names("team-")
DAYS = {f"2025.03.0{day}": (f"team-cloudtrail-2025.03.0{day}",) for day in (1, 2, 5)}
SKIPPED = SkippedDay("team-cloudtrail-2025.03.04", "2025.03.04", "it is closed")


def during(**limits: Any) -> dict[str, Any]:
    return {"range": {"@timestamp": limits}}


def both(*clauses: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"filter": list(clauses)}}


def held(since: str, until: str, **known: Any) -> list[str]:
    days = DailyIndices("team-cloudtrail-*", (SKIPPED,), **{"by_day": DAYS, **known}, names=NAMES)
    return days.holding(during(gte=since, lt=until)).split(",")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (during(gte=NOON.isoformat(), lt="2025-03-01T13:00:00Z"), 1),
        (during(gt="2025-03-01T12:00:00", lte="2025-03-01T14:00:00+01:00"), 1),
        (
            both({"term": {"a": 1}}, both(during(gte="2025-03-01T12:00:00Z", lt="2025-03-01T13Z"))),
            1,
        ),
        # The narrower of several holds, wherever it is required.
        (
            {
                "bool": {
                    "must": during(gte="2020-01-01T00:00:00Z", lte="2025-03-01T15:00:00Z"),
                    "filter": [during(gte="2025-03-01T12:00:00Z", lte="2030-01-01T00:00:00Z")],
                }
            },
            3,
        ),
        (
            both(
                during(gte=1_740_830_400_000, format="epoch_millis"),
                during(lt=1_740_837_600_000, format="epoch_millis"),
            ),
            2,
        ),
    ],
)
def test_times_are_those_that_every_event_has(query: dict[str, Any], expected: int) -> None:
    assert times_of(query) == (NOON, NOON + timedelta(hours=expected))


@pytest.mark.parametrize(
    "query",
    [
        None,
        {"match_all": {}},
        during(gte="2025-03-01T12:00:00Z"),
        during(gte="now-1d", lt="now"),
        during(gte="2025-03-01", lt="2025-03-02||/d"),
        during(gte="2025-03-01T00:00:00", lt="2025-03-02T00:00:00", time_zone="+01:00"),
        {
            "range": {
                "event.ingested": {"gte": "2025-03-01T12:00:00Z", "lt": "2025-03-02T12:00:00Z"}
            }
        },
        {"bool": {"should": [during(gte="2025-03-01T12:00:00Z", lt="2025-03-02T12:00:00Z")]}},
        {"bool": {"must_not": [during(gte="2025-03-01T12:00:00Z", lt="2025-03-02T12:00:00Z")]}},
        during(gte=10**18, lt=10**19),
    ],
)
def test_a_query_that_does_not_say_both_ends_may_have_events_of_any_time(query: Any) -> None:
    assert times_of(query) is None
    days = DailyIndices("team-cloudtrail-*", by_day=DAYS, names=NAMES)
    assert days.holding(query) == "team-cloudtrail-*"


def test_the_days_of_its_time_are_searched_and_no_other() -> None:
    assert held("2025-03-01T23:00:00Z", "2025-03-02T01:00:00Z") == [
        "team-cloudtrail-2025.03.01",
        "team-cloudtrail-2025.03.02",
    ]
    # An end that is left out may be a millisecond before it: the day is searched.
    assert "team-cloudtrail-2025.03.02" in held("2025-03-01T00:00:00Z", "2025-03-02T00:00:00Z")
    # By their day in UTC.
    assert held("2025-03-02T00:30:00+01:00", "2025-03-02T00:45:00+01:00") == [
        "team-cloudtrail-2025.03.01"
    ]


def test_a_day_that_came_since_is_searched_and_one_that_is_skipped_is_not() -> None:
    assert held("2025-03-02T00:00:00Z", "2025-03-05T12:00:00Z") == [
        "team-cloudtrail-2025.03.02",
        "team-cloudtrail-2025.03.05",
        "team-cloudtrail-2025.03.03",
    ]


def test_what_is_not_of_one_day_is_always_searched() -> None:
    known = {**DAYS, "": ("team-cloudtrail-merged",), "0001.01.02": ("team-cloudtrail-0001.01.02",)}
    assert held("2025-03-01T10:00:00Z", "2025-03-01T11:00:00Z", by_day=known) == [
        "team-cloudtrail-merged",
        "team-cloudtrail-2025.03.01",
    ]
    early = held("0001-01-02T10:00:00Z", "0001-01-02T11:00:00Z", by_day=known)
    assert "team-cloudtrail-0001.01.02" in early


def test_all_are_searched_where_none_is_known_or_too_many_are_of_the_time() -> None:
    assert held("2024-12-01T00:00:00Z", "2025-03-02T00:00:00Z") == ["team-cloudtrail-*"]
    assert held("2025-03-01T00:00:00Z", "2025-03-01T01:00:00Z", by_day={}) == ["team-cloudtrail-*"]


def test_days_that_are_named_are_searched_with_those_of_no_day() -> None:
    days = DailyIndices("team-cloudtrail-*", (SKIPPED,), by_day=DAYS, names=NAMES)
    assert days.on({"2025.03.05", "2025.03.01"}) == (
        "team-cloudtrail-2025.03.01,team-cloudtrail-2025.03.05"
    )
    old = DailyIndices("team-cloudtrail-*", by_day={**DAYS, "": ("team-cloudtrail-old",)})
    assert old.on({"2025.03.01"}) == "team-cloudtrail-old,team-cloudtrail-2025.03.01"
    assert DailyIndices("team-cloudtrail-*").on({"2025.03.01"}) == "team-cloudtrail-*"


def test_a_time_without_a_day_asks_one_day_and_not_all() -> None:
    assert held("2024-03-01T00:00:00Z", "2024-03-01T23:00:00Z") == [
        "team-cloudtrail-2025.03.01",
        "team-cloudtrail-2024.03.01",
    ]
