"""What a search for events asks for: values are terms, and a `*` is the only thing that is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trailhound.app.search.events import EventFilter
from trailhound.cluster.queries import any_of
from trailhound.errors import UsageError


def test_nothing_asked_is_no_clause() -> None:
    assert EventFilter().clauses() == []


def test_a_value_is_a_term_whatever_it_holds() -> None:
    hostile = '") OR * [x TO y] \\ ?'.replace("*", "")
    assert any_of(hostile, ["user.name"]) == {
        "term": {"user.name": {"value": hostile, "case_insensitive": True}}
    }


def test_in_a_pattern_only_the_star_means_something() -> None:
    assert any_of("a?\\*", ["eventName"]) == {
        "wildcard": {"eventName": {"value": "a\\?\\\\*", "case_insensitive": True}}
    }


def test_an_address_is_a_network_or_the_name_of_a_service() -> None:
    def clause(value: str) -> object:
        return EventFilter(addresses=[value]).clauses()[0]

    assert clause("203.0.113.7") == {"term": {"source.ip": "203.0.113.7/32"}}
    assert clause("203.0.113.7/24") == {"term": {"source.ip": "203.0.113.0/24"}}
    assert clause("2001:db8::/32") == {"term": {"source.ip": "2001:db8::/32"}}
    assert clause("203.0.113.*") == any_of("203.0.113.*", ["sourceIPAddress"])
    for wrong in ("203.0.113.0/33", "203.0.113", "2001:db8:::1", "ec2/x", "1.2.3.4.5"):
        with pytest.raises(UsageError, match="not an address"):
            clause(wrong)
    assert clause("ec2.amazonaws.com") == any_of("ec2.amazonaws.com", ["sourceIPAddress"])


def test_a_call_may_name_its_service() -> None:
    (clause,) = EventFilter(calls=["iam:Create*"]).clauses()
    assert clause == {
        "bool": {
            "filter": [
                any_of("iam.amazonaws.com", ["eventSource"]),
                any_of("Create*", ["eventName"]),
            ]
        }
    }


def test_conditions_are_all_asked_and_values_of_one_either() -> None:
    since = datetime(2025, 3, 1, tzinfo=UTC)
    both, risk = EventFilter(since=since, regions=["a", "b"], min_risk=7).clauses()[1:]
    assert both["bool"]["minimum_should_match"] == 1
    assert len(both["bool"]["should"]) == 2
    assert risk == {"range": {"risk_score": {"gte": 7}}}
