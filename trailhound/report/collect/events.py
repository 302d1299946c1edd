"""An event's document as the line of a report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from enrich.resources import LEAVES
from trailhound.report.value import Event, Resource

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
"""What of `_source` is needed."""

_UNTELLING = ("arn", "id", "account")
"""Leaves that name a resource only where no finer one does."""
_MOST = 8


def event_line(hit: Mapping[str, Any]) -> Event:
    """A hit with `FIELDS` in its `_source`; whatever shape a record gave them, they become text."""
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
    """A time as our documents hold it: ISO 8601 text, or milliseconds since the epoch."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value / 1000, UTC)
    made = datetime.fromisoformat(str(value))
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def texts(value: Any) -> tuple[str, ...]:
    """One text or several, as several.

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
    told = [
        Resource(kind, name)
        for kind in sorted(LEAVES, key=lambda leaf: (leaf in _UNTELLING, leaf))
        for name in texts(found.get(kind))
    ]
    telling = [each for each in told if each.kind not in _UNTELLING]
    return tuple((telling or told)[:_MOST])
