"""Whose the events of an alert are, from its events to the sentence that is shown."""

from __future__ import annotations

from typing import Any

from detections.alerts.document import shown
from detections.alerts.summary import summary
from detections.incidents.document import joined
from detections.incidents.links import links_of

BUILD = "payments-codebuild/session"


def denied(name: str, call: str, *, outcome: str = "failure") -> dict[str, Any]:
    return {
        "@timestamp": "2025-03-01T12:00:00Z",
        "eventName": call,
        "recipientAccountId": "111122223333",
        "user": {"name": name},
        "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::1:user/{name}"},
        "event": {"outcome": outcome},
    }


def alert(*events: dict[str, Any]) -> dict[str, Any]:
    """As the recorder writes it, and as it is once it was joined."""
    document = {
        "rule": {"name": "UnauthorizedAPICalls"},
        "calls": [{"name": "Decrypt", "count": len(events), "failed": len(events)}],
        "count": len(events),
        "outcome": "failure",
        "entity": {"principal": sorted({each["user"]["name"] for each in events})},
        "first_seen": "2025-03-01T12:00:00.000Z",
        "last_seen": "2025-03-01T12:00:00.000Z",
    }
    document["summary"] = summary(document)
    return shown("a", document | joined(links_of(events, {}), "a"))


def test_the_principal_with_the_most_denied_calls_is_first_with_its_number() -> None:
    made = alert(
        *[denied("a-build", "Decrypt")] * 2,
        *[denied("mallory", "ListUsers")] * 5,
        *[denied("b-reader", "GetObject", outcome="success")] * 3,
    )
    assert made["entity"]["principal"] == ["mallory", "a-build", "b-reader"]
    assert made["by_principal"] == [
        {"principal": "mallory", "events": 5, "failed": 5},
        {"principal": "a-build", "events": 2, "failed": 2},
        {"principal": "b-reader", "events": 3, "failed": 0},
    ]
    assert made["summary"].startswith("mallory (5), a-build (2) and 1 more (3): Decrypt ×10, ")


def test_an_alert_of_one_principal_is_as_it_was() -> None:
    made = alert(denied("mallory", "ListUsers"))
    assert "by_principal" not in made
    assert made["summary"].startswith("mallory: Decrypt, ")
