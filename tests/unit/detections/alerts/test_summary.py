"""The sentence of an alert: calls, result, time, how often before."""

from __future__ import annotations

from typing import Any

import pytest

from detections.alerts.summary import summary

ALERT: dict[str, Any] = {
    "calls": [{"name": "StopLogging", "count": 2, "failed": 0}],
    "count": 2,
    "outcome": "success",
    "entity": {"principal": ["ada"]},
    "first_seen": "2025-03-01T12:00:05.000Z",
    "last_seen": "2025-03-01T12:04:10.000Z",
    "before": {"count": 0, "relation": "eq"},
}
WHEN = "2025-03-01 12:00:05 to 12:04:10 UTC"
MANY = [{"name": f"C{number}", "count": 1, "failed": 1} for number in range(7)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            f"ada: StopLogging ×2, succeeded, {WHEN}, for the first time",
        ),
        (
            {"calls": MANY, "count": 7, "outcome": "failure", "before": {"count": 3}},
            f"ada: C0, C1, C2, C3 and 3 other calls, all failed, {WHEN}, 3 times before",
        ),
        (  # the one that succeeded is after the events that are counted by call
            {"calls": [MANY[0] | {"count": 2, "failed": 2}], "count": 12_500, "outcome": "mixed"},
            f"ada: C0 ×2, at least one of 12,500 succeeded, {WHEN}, for the first time",
        ),
        (  # there may be older ones
            {"before": {"count": 0, "relation": "gte"}},
            f"ada: StopLogging ×2, succeeded, {WHEN}",
        ),
        (
            {"last_seen": "2025-03-02T00:00:00.000Z", "entity": {}, "outcome": ""},
            "StopLogging ×2, 2025-03-01 12:00:05 to 2025-03-02 00:00:00 UTC, for the first time",
        ),
        (  # an alert of the last release, about many people
            {
                "calls": [],
                "count": 1200,
                "count_relation": "gte",
                "outcome": "",
                "before": None,
                "entity": {"principal": ["a" * 100, "bob"]},
                "last_seen": "2025-03-01T12:00:05.900Z",
            },
            f"{'a' * 63}… and 1 more: at least 1,200 events, 2025-03-01 12:00:05 UTC",
        ),
    ],
    ids=["calls", "many", "success-hidden", "unknown-before", "days", "last-release"],
)
def test_the_sentence(changes: dict[str, Any], sentence: str) -> None:
    assert summary(ALERT | changes) == sentence
