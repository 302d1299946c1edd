"""How often before: only alerts about the same principals count, over files as in the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detections.alerts.burst import Fact
from detections.alerts.collected import CollectedAlerts
from detections.alerts.earlier import EarlierAlerts
from detections.alerts.event_query import Totals
from detections.finding import Finding
from tests.helpers.findings import at, burst, event_id, rule

CALLERS = {0: ("ada", "1"), 1000: ("mallory", "2"), 2000: ("ada", "1"), 3000: ("ada", "2")}


def facts(_: Sequence[Finding]) -> Mapping[str, Fact]:
    return {
        event_id(second): Fact(
            at(second),
            {
                "principal": frozenset([name]),
                "arn": frozenset([f"arn:aws:iam::{account}:user/{name}"]),
            },
            "StopLogging",
            False,
        )
        for second, (name, account) in CALLERS.items()
    }


def counts(*_: Any) -> Totals:
    raise AssertionError("every event is named")


def test_alerts_over_files_count_those_of_their_own_principals() -> None:
    alerts = CollectedAlerts(rule("burst", kind="correlation"), facts, counts)
    found = [*alerts.add([burst("burst", [second]) for second in CALLERS]), *alerts.finish()]
    assert [each.alert["before"]["count"] for each in found] == [0, 0, 1, 0]
    assert found[2].alert["summary"].endswith("1 time before")
    assert found[3].alert["summary"].endswith("for the first time")


def alert(first: str, last: str, **entity: list[str]) -> dict[str, Any]:
    return {"rule": {"id": "r"}, "entity": entity, "first_seen": first, "last_seen": last}


def test_only_what_ended_before_an_alert_began_counts_and_that_once() -> None:
    earlier = EarlierAlerts()
    earlier.add("both", alert("2025-03-01T01:00:00Z", "2025-03-01T02:00:00Z", arn=["a", "b"]))
    earlier.add("late", alert("2025-03-01T01:00:00Z", "2025-03-01T03:00:00Z", arn=["a"]))
    earlier.add("nameless", alert("2025-03-01T01:00:00Z", "2025-03-01T01:00:00Z"))
    after = "2025-03-01T03:00:00Z"
    both = earlier.before(alert(after, after, arn=["a", "b"]))
    assert both == {"count": 1, "relation": "eq", "last": "2025-03-01T02:00:00.000+00:00"}
    assert earlier.before(alert(after, after, arn=["c"])) == {"count": 0, "relation": "eq"}
    assert earlier.before(alert(after, after, principal=["a"]))["count"] == 0
    assert earlier.before(alert(after, after))["count"] == 1, "that of nobody who is known"
