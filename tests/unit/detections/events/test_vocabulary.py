"""A query narrowed to the values that there are finds what it found, and no other event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from detections.events.daily_indices import DAY
from detections.events.vocabulary import Vocabulary
from detections.span import Span

KNOWN = Vocabulary(
    {
        "eventName": frozenset({"GetUser", "getuser", "Get.User", "\u212aey", "a\nb", "key"}),
        "trail.repaired": frozenset(),
    }
)


def name(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {kind: {"eventName": {"value": value, **more}}}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (name("term", "GETUSER", case_insensitive=True), ["GetUser", "getuser"]),
        (name("term", "getuser"), ["getuser"]),
        (name("term", "KEY", case_insensitive=True), ["key"]),
        (name("wildcard", "*KEY", case_insensitive=True), ["key"]),
        (name("wildcard", "A?B", case_insensitive=True), ["a\nb"]),
        (name("wildcard", r"Get\?User"), []),
        (name("wildcard", "Get?User"), ["Get.User"]),
        (name("prefix", "Get"), ["Get.User", "GetUser"]),
        ({"wildcard": {"eventName": "k*"}}, ["key"]),
        ({"terms": {"eventName": ["key", "other"]}}, ["key"]),
        (name("regexp", r"([gG][eE][tT]\.|[kK]).*", flags="NONE"), ["Get.User", "key"]),
    ],
)
def test_clauses_become_the_values_they_match(query: dict[str, Any], found: list[str]) -> None:
    wanted = {"terms": {"eventName": found}} if found else {"match_none": {}}
    assert KNOWN.narrowed(query) == wanted


@pytest.mark.parametrize(
    "query",
    [
        name("regexp", "[^a]+", flags="NONE"),
        name("regexp", "get"),
        name("term", "ÄB", case_insensitive=True),
        {"exists": {"field": "eventName"}},
        {"term": {"awsRegion": {"value": "nowhere"}}},
        {"bool": {"must_not": [name("term", "absent")]}},
        {"bool": {"should": [name("term", "absent")], "minimum_should_match": 0}},
        {"match_all": {}},
    ],
)
def test_what_only_the_engine_can_decide_or_is_negated_stays(query: dict[str, Any]) -> None:
    assert KNOWN.narrowed(query) == query


def test_a_rule_whose_call_nobody_made_becomes_nothing() -> None:
    region = {"term": {"awsRegion": {"value": "nowhere"}}}
    called = {"bool": {"filter": [name("term", "absent"), region]}}
    moved = {"terms": {"trail.repaired": ["eventName"]}}
    either = {"bool": {"should": [called, moved], "minimum_should_match": 1}}
    assert KNOWN.narrowed(either) == {"match_none": {}}
    assert KNOWN.narrowed({"exists": {"field": "trail.repaired"}}) == {"match_none": {}}


def test_a_field_whose_values_are_not_all_told_is_left_alone() -> None:
    aggregation = {"buckets": [{"key": "GetUser"}], "sum_other_doc_count": 3}
    known = Vocabulary.of({"aggregations": {"eventName": aggregation}})
    assert known.narrowed(name("term", "absent")) == name("term", "absent")


CALLED = {"terms": {"eventName": ["GetUser", "key"]}}
REGION = {"term": {"awsRegion": {"value": "eu-west-1"}}}


def either(*queries: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


@pytest.mark.parametrize(
    ("query", "days"),
    [
        (CALLED, {"2025.03.01", "2025.03.02"}),
        ({"bool": {"filter": [REGION, CALLED]}}, {"2025.03.01", "2025.03.02"}),
        ({"bool": {"filter": [CALLED, {"terms": {"eventName": ["key"]}}]}}, {"2025.03.02"}),
        (either(CALLED, {"terms": {"eventName": ["other"]}}), {f"2025.03.0{n}" for n in (1, 2, 3)}),
        ({"match_none": {}}, set()),
        # Of any day: what is no call, and what only the engine can decide.
        (REGION, None),
        (either(CALLED, REGION), None),
        ({"bool": {"must_not": [CALLED]}}, None),
        ({"bool": {"should": [CALLED], "minimum_should_match": 0}}, None),
        (name("term", "key", case_insensitive=True), None),
    ],
)
def test_a_query_is_about_the_days_of_its_calls(query: dict[str, Any], days: Any) -> None:
    def of_day(number: int, *calls: str) -> dict[str, Any]:
        buckets = [{"key": each} for each in calls]
        key = 1_740_787_200_000 + number * 86_400_000
        return {"key": key, "eventName": {"buckets": buckets, "sum_other_doc_count": 0}}

    several = [of_day(0, "GetUser"), of_day(1, "GetUser", "key"), of_day(2, "other")]
    known = Vocabulary.of({"aggregations": {"days": {"buckets": several}}})
    assert known.days_of(query) == days
    several[1]["eventName"]["sum_other_doc_count"] = 1
    cut = Vocabulary.of({"aggregations": {"days": {"buckets": several}}})
    assert cut.days_of(query) is None, "a day has more calls than it tells"


def test_one_day_and_what_arrived_in_a_time_are_not_told_by_day() -> None:
    begin = datetime(2025, 3, 1, tzinfo=UTC)
    spans = [Span(begin, begin + days * DAY) for days in (1, 2, 60, 61)]
    spans.append(Span(begin, begin + 2 * DAY, "event.ingested"))
    told = ["days" in Vocabulary.request(span)["aggs"] for span in spans]
    assert told == [False, True, True, False, False]
