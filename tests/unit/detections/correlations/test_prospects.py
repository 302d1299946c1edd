"""What counts of events alone say of a correlation, and when they say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detections.backend.clause import NOTHING
from detections.correlations.prospects import KnownEvents, Prospect
from detections.events.vocabulary import Vocabulary
from detections.span import Span
from tests.helpers.sigma_correlations import correlation, exactly, loaded, plain

SPAN = Span(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 2, tzinfo=UTC))
HOUR = timedelta(hours=1)
WHO = ["userIdentity.arn"]


def of(type_: str, condition: Any, *names: str) -> Any:
    rules = [plain(name, "mark") for name in names]
    body: dict[str, Any] = {"type": type_, "rules": list(names)}
    body |= {"timespan": "1h", "group_by": WHO}
    return loaded(*rules, correlation(condition=condition, **body))


@pytest.mark.parametrize(
    ("type_", "condition", "counts", "possible"),
    [
        ("event_count", {"gte": 5}, (2, 3), True),
        ("event_count", {"gte": 5}, (2, 2), False),
        ("event_count", {"lt": 5}, (1, 0), True),
        ("event_count", {"lt": 5}, (0, 0), False),
        ("temporal", {"gte": 2}, (9, 1), True),
        ("temporal", {"gte": 2}, (9, 0), False),
        ("temporal", {"gte": 1}, (9, 0), True),
        ("temporal", {"gte": 3}, (9, 9), False),
        ("temporal_ordered", {"gte": 2}, (0, 9), False),
        ("value_count", {"gte": 3, "field": "awsRegion"}, (1, 0), True),
        ("value_count", {"gte": 3, "field": "awsRegion"}, (0, 0), False),
    ],
)
def test_counts_decide_what_is_possible(
    type_: str, condition: dict[str, Any], counts: tuple[int, int], *, possible: bool
) -> None:
    assert of(type_, condition, "A", "B").possible(counts) is possible


def answer(
    total: int, touched: int, hits: Sequence[dict[str, Any]] = (), **parts: int
) -> dict[str, Any]:
    found = {"touched": {"doc_count": touched}}
    found |= {name: {"doc_count": count} for name, count in parts.items()}
    return {"hits": {"total": {"value": total}, "hits": list(hits)}, "aggregations": found}


def test_a_correlation_needs_an_event_in_the_span_and_enough_around_it() -> None:
    asked = Prospect(of("temporal", {"gte": 2}, "A", "B"), exactly("mark"), SPAN)
    assert asked.promising(answer(9, 1, part0=8, part1=1))
    assert not asked.promising(answer(9, 1, part0=9, part1=0)), "one of the rules is missing"
    assert not asked.promising(answer(9, 0, part0=8, part1=1)), "none is in the span"
    assert not asked.promising({"hits": {"total": {"value": 0}}})


def test_what_is_asked_for_principals_says_enough_of_roles_too() -> None:
    rule = of("temporal", {"gte": 2}, "A", "B")
    asked = Prospect(replace(rule, by_role=True), exactly("mark"), SPAN)

    def views(**of_roles: int) -> list[bool]:
        answered = answer(9, 1, part0=8, part1=1)
        counts = {name: {"doc_count": count} for name, count in of_roles.items()}
        answered["aggregations"]["of_roles"] = {"doc_count": 9, **counts}
        return [each.correlation.together for each in asked.promising(answered)]

    assert views(part0=3, part1=1) == [False, True]
    assert views(part0=3, part1=0) == [False], "no role did both"
    by_name = replace(rule.grouped_by({WHO[0]: "user.name"}), by_role=True)
    body = Prospect(by_name, exactly("mark"), SPAN).body
    assert "of_roles" not in body["aggs"], "those without an ARN have no sessions"


def test_hits_that_came_with_the_counts_are_used_where_they_are_all() -> None:
    asked = Prospect(of("temporal", {"gte": 2}, "A", "B"), exactly("mark"), SPAN)
    names = [f"3038ebd2-c98a-4c65-9b6e-e2250629231{digit}" for digit in "10"]
    hits = [{"fields": {"eventID": [name], "@timestamp": ["7"]}} for name in names]
    repaired = {"fields": {**hits[0]["fields"], "trail.repaired": ["x"]}}

    def came(total: int, *found: dict[str, Any]) -> list[str] | None:
        (promising,) = asked.promising(answer(total, 1, found, part0=1, part1=1))
        return None if promising.hits is None else [hit["_id"] for hit in promising.hits]

    assert came(2, *hits) == sorted(names)
    assert came(3, *hits) is None
    assert came(2, repaired, hits[1]) is None, "a matcher has to read one of them"


def test_by_arrival_only_an_event_in_the_span_is_asked_for() -> None:
    span = Span(SPAN.since, SPAN.until, "event.ingested")
    asked = Prospect(of("temporal", {"gte": 2}, "A", "B"), exactly("mark"), span)
    assert "aggs" not in asked.body
    (found,) = asked.promising({"hits": {"total": {"value": 1}}})
    assert found.counts is None


def known(names: set[str], around: Span) -> KnownEvents:
    return KnownEvents(SPAN, around, Vocabulary({"eventName": frozenset(names)}))


def test_queries_are_narrowed_only_where_all_of_the_times_are_known() -> None:
    rule = of("temporal", {"gte": 2}, "A", "B")
    wide = Span(SPAN.since - HOUR, SPAN.until + HOUR)
    narrow = Prospect(rule, exactly("mark"), SPAN, known({"B"}, wide))
    assert "match_none" in str(narrow.body["aggs"]["part0"])
    assert "match_none" not in str(narrow.body["aggs"]["part1"])
    unknown = Prospect(rule, exactly("mark"), SPAN, known({"B"}, SPAN))
    assert "match_none" not in str(unknown.body["aggs"]), "windows begin before what is known"
    assert Prospect(rule, exactly("mark"), SPAN, known({"C"}, SPAN)).touched == NOTHING


def test_days_are_those_of_calls_only_within_the_times_that_are_known() -> None:
    calls = Vocabulary({"eventName": frozenset({"B"})}, {"B": frozenset({"2025.03.01"})})
    called = {"terms": {"eventName": ["B"]}}
    known = KnownEvents(SPAN, SPAN, calls)
    inside = Span(SPAN.since, SPAN.until - HOUR)
    beyond = Span(SPAN.since - HOUR, SPAN.until - HOUR)
    for span, days in ((inside, frozenset({"2025.03.01"})), (beyond, None)):
        assert known.days_of({"bool": {"filter": [called, span.query()]}}) == days
    assert known.days_of(called) is None
