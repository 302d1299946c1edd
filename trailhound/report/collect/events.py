"""Events as the report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from enrich.resources import LEAVES
from trailhound.report.event import Event, Resource

FIELDS = (
    "@timestamp",
    "user.name",
    "userIdentity.arn",
    "recipientAccountId",
    "awsRegion",
    "eventSource",
    "eventName",
    "sourceIPAddress",
    "geolocation.country",
    "userAgent",
    "event.outcome",
    "errorCode",
    "risk_score",
    "risk_reasons",
    "resource",
)
"""The fields of `_source` that are needed."""

_UNTELLING = ("arn", "id", "account")
"""Kinds of resources that are shown only if an event has no more specific one."""
_MOST = 8


def event_line(hit: Mapping[str, Any]) -> Event:
    """The event of a hit with `FIELDS` in its `_source`. Values of any type become text."""
    source = hit["_source"]
    return Event(
        id=str(hit["_id"]),
        time=instant(source["@timestamp"]),
        principal=_text(source, "user", "name") or _text(source, "userIdentity", "arn"),
        account=_text(source, "recipientAccountId"),
        region=_text(source, "awsRegion"),
        source=_text(source, "eventSource"),
        call=_text(source, "eventName"),
        address=_text(source, "sourceIPAddress"),
        country=_text(source, "geolocation", "country"),
        agent=_text(source, "userAgent"),
        outcome=_text(source, "event", "outcome"),
        error=_text(source, "errorCode"),
        risk=int(source.get("risk_score") or 0),
        reasons=tuple(map(str, source.get("risk_reasons") or ())),
        resources=_resources(source.get("resource")),
    )


def instant(value: Any) -> datetime:
    """A time in ISO 8601 or in milliseconds since the epoch, as documents have it."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value / 1000, UTC)
    made = datetime.fromisoformat(str(value))
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def texts(value: Any) -> tuple[str, ...]:
    """One text or several, as a tuple.

    >>> texts("a"), texts(["a", 1]), texts(None)
    (('a',), ('a', '1'), ())
    """
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def _text(source: Any, *path: str) -> str:
    for name in path:
        source = source.get(name) if isinstance(source, Mapping) else None
    return "" if source is None else str(source)


def _resources(found: Any) -> tuple[Resource, ...]:
    """The resources to show, the most specific kinds first."""
    if not isinstance(found, Mapping):
        return ()
    named = [
        Resource(kind, name)
        for kind in sorted(LEAVES, key=lambda leaf: (leaf in _UNTELLING, leaf))
        for name in texts(found.get(kind))
    ]
    telling = [each for each in named if each.kind not in _UNTELLING]
    return tuple((telling or named)[:_MOST])
