"""Alerts as documents of `trailhound-alerts`: made of a rule and a burst, and their changes of
state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from detections.alerts.burst import Burst, pack, unpack
from detections.alerts.discover import discover_url
from detections.alerts.facts import LONGEST_VALUE
from detections.alerts.merging import Known
from detections.alerts.text import one_line
from detections.finding import Group
from detections.rule import Rule

PRIVATE = ("counted", "delivery", "group_key")
"""Internal fields, which are never shown."""

HISTORY = 100
"""Changes of state kept, the latest."""

Document = dict[str, Any]

_LONGEST_TEXT = 4_000


def stamp(when: datetime) -> str:
    """>>> stamp(datetime(2025, 3, 1, tzinfo=UTC))
    '2025-03-01T00:00:00.000Z'
    """
    utc = when.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def raised(rule: Rule, group: Group, key: str, now: datetime) -> Document:
    """The document of a new alert, without what `counting` adds."""
    return {
        "@timestamp": stamp(now),
        "rule": {"id": rule.id, "name": rule.title, "kind": rule.kind},
        "level": rule.level,
        "severity": rule.severity,
        "attack": {
            "tactic": list(rule.attack.tactics),
            "technique": list(rule.attack.techniques),
        },
        "description": rule.description,
        "response": list(rule.response),
        "references": list(rule.references),
        "falsepositives": list(rule.falsepositives),
        "group": [one_line(f"{name}={value}", LONGEST_VALUE) for name, value in group],
        "group_key": key,
        "state": "open",
        "state_by": "trailhound",
        "state_at": stamp(now),
        "history": [{"state": "open", "by": "trailhound", "at": stamp(now)}],
    }


def counting(
    burst: Burst, dashboards_url: str, data_view: str, *, kibana: bool = False
) -> Document:
    """The part of an alert's document that depends on its burst. `kibana`: the URL is Kibana's."""
    events = [event for _, event in burst.evidence]
    url = discover_url(dashboards_url, data_view, events, burst.first, burst.last, kibana=kibana)
    return {
        "first_seen": stamp(burst.first),
        "last_seen": stamp(burst.last),
        "count": burst.count,
        "count_relation": "eq" if burst.exact else "gte",
        "entity": {kind: sorted(values) for kind, values in sorted(burst.entities.items())},
        "evidence": {
            "event_id": events,
            "time": [stamp(time) for time, _ in burst.evidence],
            **({"url": url} if url else {}),  # an empty one would be shown as a broken link
        },
        "reason": burst.detail,
        "counted": {"events": pack(burst.known)},
    }


def known(document: Mapping[str, Any], *, full: int | None) -> Known:
    """The burst of a stored alert. From the count `full` on it is not extended."""
    evidence = document["evidence"]
    burst = Burst(
        datetime.fromisoformat(document["first_seen"]),
        datetime.fromisoformat(document["last_seen"]),
        document["count"],
        unpack(document["counted"]["events"]),
        tuple(
            (datetime.fromisoformat(time), event)
            for time, event in zip(evidence["time"], evidence["event_id"], strict=True)
        ),
        {kind: frozenset(values) for kind, values in document["entity"].items()},
        document["reason"],
        document["count_relation"] == "eq",
    )
    frozen = document["state"] == "closed" or (full is not None and burst.count >= full)
    return Known(burst, frozen, "merged_into" in document)


def changed_state(document: Document, state: str, by: str, now: datetime, note: str) -> Document:
    """The document in another state, with who, when and why."""
    who = one_line(by, LONGEST_VALUE)
    entry = {"state": state, "by": who, "at": stamp(now)}
    if note:
        entry["note"] = one_line(note, _LONGEST_TEXT)
    history = [*document.get("history", ()), entry][-HISTORY:]
    return document | {
        "state": state,
        "state_by": who,
        "state_at": stamp(now),
        "history": history,
    }


def shown(name: str, document: Mapping[str, Any]) -> Document:
    """An alert without its internal fields, for users, programs and channels."""
    return {"id": name} | {key: value for key, value in document.items() if key not in PRIVATE}
