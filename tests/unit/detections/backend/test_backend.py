"""What detections become: queries that people can read, that the engine takes, and that miss
nothing."""

from __future__ import annotations

from typing import Any

import pytest

from detections.backend.clause import leaves
from detections.backend.compiler import MOST_CLAUSES
from tests.helpers.detections import compile_detection
from trailhound.errors import RuleError


def plain(detection: dict[str, Any]) -> dict[str, Any]:
    return compile_detection(detection).plain


def of(field: str, value: Any) -> dict[str, Any]:
    return {"s": {field: value}}


def test_a_plain_value_is_a_term_in_any_case() -> None:
    assert plain(of("eventName", "DeleteTrail")) == {
        "term": {"eventName": {"value": "DeleteTrail", "case_insensitive": True}}
    }


def test_wildcards_of_the_rule_are_the_querys_and_no_others() -> None:
    assert plain(of("userAgent|contains", r"a\*b*c?")) == {
        "wildcard": {"userAgent": {"value": r"*a\*b*c?*", "case_insensitive": True}}
    }


def test_null_is_absent_or_null() -> None:
    assert plain(of("errorCode", None)) == {
        "bool": {"must_not": [{"exists": {"field": "errorCode"}}]}
    }


def test_a_network_is_sought_in_source_ip() -> None:
    made = compile_detection(of("sourceIPAddress|cidr", "203.0.113.0/24"))
    assert {"term": {"source.ip": {"value": "203.0.113.0/24"}}} in made.plain["bool"]["filter"]
    assert made.post_filter is None


def test_ecs_names_are_the_raw_fields() -> None:
    assert plain(of("event.action", "X")) == plain(of("eventName", "X"))
    compiled = compile_detection(of("event.action", "X"))
    assert compiled.matcher is not None
    assert compiled.matcher.matches({"eventName": "x"})


def test_inside_a_free_form_object_the_path_keeps_its_case() -> None:
    query = plain(of("requestParameters.userName", "bob"))
    assert query == {
        "regexp": {
            r"requestParameters.userName(\.[^=]*)?": {"value": "[bB][oO][bB]", "flags": "NONE"}
        }
    }


def test_alternatives_inside_a_free_form_object_stand_in_brackets() -> None:
    query = plain(of("requestParameters.fromPort", ["22", "3389"]))
    assert next(iter(query["regexp"].values()))["value"] == "(22|3389)"


@pytest.mark.parametrize(
    "detection",
    [
        of("requestParameters.maxResults|gt", 5),
        of("requestParameters.size", 5),
        of("userIdentity.arn|fieldref", "requestParameters.userName"),
        of("userAgent|re", r"\bpacu\b"),
        of("userAgent", "é"),
        of("requestParameters.cidrIp|cidr", "10.0.0.0/8"),
        {"s": {"eventName": "X"}, "f": {"userAgent|contains": "é"}, "condition": "s and not f"},
    ],
)
def test_where_the_query_is_not_exact_the_matcher_decides(detection: dict[str, Any]) -> None:
    assert compile_detection(detection).post_filter is not None


@pytest.mark.parametrize(
    "detection",
    [
        of("risk_score|gte", 7),
        of("requestParameters.userName|contains", "bob"),
        of("userAgent|re", "^aws-cli/[12]"),
        of("eventName|neq", "X"),
        of("requestParameters", "bob"),
        {"words": ["pacu"], "condition": "words"},
        {"s": {"eventName": "X"}, "f": {"userAgent|contains": "a"}, "condition": "s and not f"},
    ],
)
def test_where_it_is_exact_nobody_has_to(detection: dict[str, Any]) -> None:
    assert compile_detection(detection).post_filter is None


def test_a_negation_of_what_can_only_be_narrowed_lets_everything_through() -> None:
    made = compile_detection(
        {"s": {"eventName": "X"}, "f": {"userAgent": "é"}, "condition": "s and not f"}
    )
    assert made.plain == plain(of("eventName", "X"))


def test_a_field_that_is_not_searched_narrows_nothing_and_is_told() -> None:
    made = compile_detection({"s": {"eventName": "X", "status": "success"}})
    assert made.unsearched == ("status",)
    assert made.plain == plain(of("eventName", "X"))
    assert made.post_filter is not None
    with pytest.raises(RuleError, match="'eventname'") as caught:
        compile_detection(of("eventname", "X"))
    assert "'eventName'" in caught.value.hint


def test_events_whose_values_were_moved_by_a_repair_are_let_through() -> None:
    made = compile_detection(of("requestParameters.policyDocument|contains", "*"))
    text = str(made.query)
    for path in ("requestParameters", "requestParameters.policyDocument"):
        assert repr(path) in text
    long = "x" * 40_000 + '"*"'
    source = {
        "eventName": "PutRolePolicy",
        "requestParameters": {},
        "trail": {
            "repaired": ["requestParameters.policyDocument"],
            "original": [
                {"pointer": "/requestParameters/policyDocument", "json": f'"{"x" * 40_000}*"'}
            ],
        },
    }
    assert made.matches(source)
    assert not compile_detection(of("requestParameters.policyDocument", long)).matches(source)


@pytest.mark.parametrize("field", ["userAgent", "requestParameters.a", "requestParameters"])
@pytest.mark.parametrize("shape", ["Name{}", "*name{}*", "{}.1.2.3", "a{}?c"])
def test_lists_of_any_length_stay_within_the_engines_limits(field: str, shape: str) -> None:
    made = compile_detection(of(field, [shape.format(number) for number in range(2_500)]))
    assert leaves(made.query) <= MOST_CLAUSES
    for text in _expressions(made.query):
        assert len(text) <= 1_000


def test_values_beyond_the_limit_of_one_terms_query_stand_in_two() -> None:
    addresses = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(70_000)]
    made = compile_detection(of("sourceIPAddress", addresses))
    assert made.post_filter is None
    assert [len(each["terms"]["sourceIPAddress"]) for each in made.plain["bool"]["should"]] == [
        65_536,
        70_000 - 65_536,
    ]


def _expressions(query: Any) -> list[str]:
    if isinstance(query, dict):
        own = [body["value"] for body in query.get("regexp", {}).values()]
        return own + [each for value in query.values() for each in _expressions(value)]
    if isinstance(query, list):
        return [each for value in query for each in _expressions(value)]
    return []


def test_a_rule_with_too_many_clauses_is_refused_by_name() -> None:
    selections = {f"s{n}": {"userAgent|contains": f"word{n}"} for n in range(1_100)}
    with pytest.raises(RuleError, match="clauses"):
        compile_detection({**selections, "condition": "1 of s*"})
