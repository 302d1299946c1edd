"""Which dialect an answer to `GET /` chooses, and what Elasticsearch's makes of queries."""

from __future__ import annotations

from typing import Any

import pytest

from trailhound.cluster import mappings
from trailhound.cluster.dialect import Dialect, Elasticsearch, from_answer
from trailhound.errors import RequestFailedError

FLAVOR = {"build_flavor": "default"}


@pytest.mark.parametrize(
    ("about", "name", "kind"),
    [
        ({"number": "3.8.0", "distribution": "opensearch"}, "OpenSearch 3.8.0", Dialect),
        ({"number": "7.10.2", "distribution": "opensearch"}, "OpenSearch 7.10.2", Dialect),
        ({"number": "8.19.21", **FLAVOR}, "Elasticsearch 8.19.21", Elasticsearch),
        ({}, "OpenSearch", Dialect),
    ],
)
def test_the_product_is_chosen_by_its_answer(
    about: dict[str, str], name: str, kind: type[Dialect]
) -> None:
    made = from_answer({"version": about})
    assert (made.name, type(made)) == (name, kind)


def test_elasticsearch_serverless_is_refused_by_name() -> None:
    with pytest.raises(RequestFailedError, match="Elasticsearch Serverless is not supported"):
        from_answer({"version": {"number": "8.11.0", "build_flavor": "serverless"}})


@pytest.mark.parametrize(
    ("number", "older"), [("8.18.3", True), ("8.19.0", False), ("9.5.3", False)]
)
def test_versions_older_than_the_tested_ones(number: str, older: bool) -> None:
    assert Elasticsearch(number).is_older is older


def test_elasticsearch_gets_no_parameter_of_opensearch() -> None:
    ours = mappings.EVENT["properties"]["event"]["properties"]["ingested"]
    there = Elasticsearch("9.5.3").mapping(mappings.EVENT)["properties"]["event"]["properties"]
    assert "print_format" in ours
    assert there["ingested"] == {"type": "date"}


LEAF = "requestParameters.policy.name"
FLAT = {"term": {"trail.flat": {"value": True}}}


def by_mark(leaf: dict[str, Any], *whole: dict[str, Any]) -> dict[str, Any]:
    """The leaf asked of events that are marked as flat, the root of all others."""
    others = {"filter": list(whole), "must_not": [FLAT]} if whole else {"must_not": [FLAT]}
    return {
        "bool": {
            "should": [{"bool": {"filter": [FLAT, leaf]}}, {"bool": others}],
            "minimum_should_match": 1,
        }
    }


@pytest.mark.parametrize(
    ("query", "made"),
    [
        ({"term": {"eventName": "x"}}, {"term": {"eventName": "x"}}),
        (
            {"term": {LEAF: "x"}},
            by_mark({"term": {LEAF: "x"}}, {"term": {"requestParameters": "x"}}),
        ),
        ({"term": {"eventContext.a": "x"}}, {"term": {"eventContext": "x"}}),
        ({"regexp": {LEAF: {"value": "a.*"}}}, {"regexp": {"requestParameters": {"value": "a.*"}}}),
        ({"exists": {"field": LEAF}}, {"exists": {"field": "requestParameters"}}),
        (
            {"bool": {"must_not": [{"term": {LEAF: "x"}}]}},
            {"bool": {"must_not": [{"term": {LEAF: "x"}}]}},
        ),
        (
            {"bool": {"must_not": [{"regexp": {LEAF: {"value": "a.*"}}}]}},
            {"bool": {"must_not": [{"match_none": {}}]}},
        ),
    ],
)
def test_a_query_on_a_leaf_is_asked_of_the_root_and_never_finds_less(
    query: dict[str, Any], made: dict[str, Any]
) -> None:
    translated, exact = Elasticsearch("9.5.3").translated(query)
    assert translated == made
    assert exact is (made == query)


BELOW = r"(\.[^=]*)?"
"""How the backend of rules writes that a path also means what is below it."""


@pytest.mark.parametrize(
    ("path", "expression", "certain"),
    [
        ("bucketName", ".*", {"exists": {"field": "requestParameters.bucketName"}}),
        (r"a\.b-c", ".*", {"exists": {"field": "requestParameters.a.b-c"}}),
        (r"x\@y", r"t3\.large", {"terms": {"requestParameters.x@y": ["t3.large"]}}),
        ("mfa", "[nN]o", {"terms": {"requestParameters.mfa": ["no", "No"]}}),
        ("mfa", "n.*", {"match_none": {}}),
        ("mfa", "(a|b)", {"match_none": {}}),
        ("mfa", "", {"match_none": {}}),
        ("mfa", "[aA]" * 10, {"match_none": {}}),
        ("a|b", ".*", {"match_none": {}}),
    ],
)
def test_what_a_leaf_finds_with_certainty(
    path: str, expression: str, certain: dict[str, Any]
) -> None:
    query = {"regexp": {f"requestParameters.{path}{BELOW}": {"value": expression}}}
    assert Elasticsearch().subset(query) == certain
    assert Dialect().subset(query) == query
    negated = {"bool": {"must_not": [query]}}
    made, exact = Elasticsearch().translated(negated)
    assert (made, exact) == ({"bool": {"must_not": [certain]}}, False)
    whole = (
        {"exists": {"field": "requestParameters"}}
        if expression == ".*"
        else {"regexp": {"requestParameters": {"value": expression}}}
    )
    superset, _ = Elasticsearch().translated(query)
    assert superset == (whole if "match_none" in certain else by_mark(certain, whole))
    assert Elasticsearch().subset(negated) == {"bool": {"must_not": [superset]}}


NAME = {"term": {"eventName": "x"}}
INSIDE = {"regexp": {f"requestParameters.a{BELOW}": {"value": "n.*"}}}
WHOLE = {"regexp": {f"requestParameters.a{BELOW}": {"value": "no"}}}
ANY = {"regexp": {f"requestParameters.a{BELOW}": {"value": ".*"}}}
ANY_UNMARKED = {"regexp": {f"eventContext.a{BELOW}": {"value": ".*"}}}
PRESENT = {"exists": {"field": "requestParameters"}}


@pytest.mark.parametrize(
    ("query", "made"),
    [
        (NAME, NAME),
        (INSIDE, None),
        (WHOLE, by_mark({"terms": {"requestParameters.a": ["no"]}})),
        (ANY, by_mark({"exists": {"field": "requestParameters.a"}}, PRESENT)),
        (ANY_UNMARKED, None),
        ({"bool": {"filter": [NAME, INSIDE]}}, {"bool": {"filter": [NAME]}}),
        ({"bool": {"filter": [NAME], "must_not": [INSIDE]}}, {"bool": {"filter": [NAME]}}),
        (
            {"bool": {"filter": [NAME], "must_not": [WHOLE]}},
            {
                "bool": {
                    "filter": [NAME],
                    "must_not": [{"terms": {"requestParameters.a": ["no"]}}],
                }
            },
        ),
        ({"bool": {"should": [NAME, INSIDE], "minimum_should_match": 1}}, None),
        (
            {
                "bool": {
                    "should": [NAME, {"bool": {"filter": [NAME, INSIDE]}}],
                    "minimum_should_match": 1,
                }
            },
            {
                "bool": {
                    "should": [NAME, {"bool": {"filter": [NAME]}}],
                    "minimum_should_match": 1,
                }
            },
        ),
        ({"bool": {"must": [NAME, INSIDE]}}, None),
    ],
)
def test_a_broad_query_has_no_expression_on_a_free_form_object(
    query: dict[str, Any], made: dict[str, Any] | None
) -> None:
    assert Elasticsearch().superset(query) == made
    assert Dialect().superset(query) is None
