"""A query narrowed to the values that there are finds what it found, and no other event."""

from __future__ import annotations

from typing import Any

import pytest

from detections.events.vocabulary import Vocabulary

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
