"""A sentence about an alert, short enough for a phone, made from its document.

For alerts of the last release, which have no calls, it has the number of events instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from trailhound.plural import plural

NAMED: Final = 4
"""The most calls in a sentence, in the order of their first event."""
LONGEST_NAME: Final = 64
"""The most characters of a name in a sentence."""
_CAUSES: Final = 3
"""The most benign causes on a line."""


def summary(alert: Mapping[str, Any]) -> str:
    """The sentence of an alert.

    >>> summary({
    ...     "calls": [{"name": "StopLogging", "count": 2, "failed": 0},
    ...               {"name": "DeleteTrail", "count": 1, "failed": 0}],
    ...     "count": 3, "outcome": "success", "entity": {"principal": ["ada"]},
    ...     "first_seen": "2025-03-01T12:00:05.000Z", "last_seen": "2025-03-01T12:04:10.000Z",
    ... })
    'ada: StopLogging ×2, DeleteTrail, succeeded, 2025-03-01 12:00:05 to 12:04:10 UTC'
    """
    who = who_of(alert)
    parts = [what(alert), _result(alert), _when(alert), _before(alert)]
    return (f"{who}: " if who else "") + ", ".join(part for part in parts if part)


def what(alert: Mapping[str, Any], most: int = NAMED) -> str:
    """The calls, `StopLogging ×2, DeleteTrail`, or the number of events if calls are not known.

    Names at most `most` of them.
    """
    calls = alert.get("calls") or ()
    if not calls:
        return at_least(alert.get("count_relation")) + plural(alert["count"], "event")
    named = [_times(call) for call in calls[:most]]
    left = len(calls) - len(named)
    more = f" and {plural(left, 'other call')}" if left else ""
    return ", ".join(named) + more


def _times(call: Mapping[str, Any]) -> str:
    return str(call["name"]) + (f" ×{call['count']:,}" if call["count"] > 1 else "")


def _result(alert: Mapping[str, Any]) -> str:
    match alert.get("outcome"):
        case "success":
            return "succeeded"
        case "failure":
            return "failed" if alert["count"] == 1 else "all failed"
        case "mixed":
            failed = sum(call["failed"] for call in alert.get("calls") or ())
            of = sum(call["count"] for call in alert.get("calls") or ())
            if failed == of:  # of those that are counted by call; the rest hides what succeeded
                return f"at least one of {alert['count']:,} succeeded"
            return f"{failed:,} of {of:,} failed"
    return ""


def who_of(alert: Mapping[str, Any]) -> str:
    """The principal with the most events, and how many others there are; empty if there is none.

    >>> who_of({"entity": {"principal": ["ada", "bob", "eve"]}})
    'ada and 2 more'
    """
    principals: Sequence[str] = alert.get("entity", {}).get("principal", ())
    if not principals:
        return ""
    name = principals[0]
    short = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return short + (f" and {len(principals) - 1} more" if len(principals) > 1 else "")


def usually_benign(causes: Sequence[str]) -> str:
    """What is behind an alert when nothing is wrong, by the rule's false positives, on a line.

    >>> usually_benign(["A pipeline that deploys.", "Developers  at work", "A", "B"])
    'A pipeline that deploys; Developers at work; A'
    """
    return "; ".join(" ".join(each.split()).rstrip(".") for each in causes[:_CAUSES])


def _when(alert: Mapping[str, Any]) -> str:
    first, last = (
        datetime.fromisoformat(alert[name]).astimezone(UTC) for name in ("first_seen", "last_seen")
    )
    start = f"{first:%Y-%m-%d %H:%M:%S}"
    if first.replace(microsecond=0) == last.replace(microsecond=0):
        return f"{start} UTC"
    end = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{start} to {end} UTC"


def _before(alert: Mapping[str, Any]) -> str:
    before = alert.get("before")
    if before is None:
        return ""
    count = before["count"]
    if not count:  # of a lower bound that says nothing
        return "" if before.get("relation") == "gte" else "for the first time"
    return f"{at_least(before.get('relation'))}{plural(count, 'time')} before"


def at_least(relation: str | None) -> str:
    """The words before a number that is a lower bound; empty for an exact one."""
    return "at least " if relation == "gte" else ""
