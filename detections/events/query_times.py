"""The event times that a query is limited to, read from its clauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from detections.span import moment
from trailhound.cluster.snapshot import Query

_FROM, _TO = ("gte", "gt"), ("lte", "lt")


def times_of(query: Query | None) -> tuple[datetime, datetime] | None:
    """The first and the last `@timestamp` that an event of a query can have, both included; None
    where the query does not limit both.

    >>> limits = {"range": {"@timestamp": {"gte": 0, "lt": 1000, "format": "epoch_millis"}}}
    >>> first, last = times_of({"bool": {"filter": [limits, {"term": {"awsRegion": "eu-west-1"}}]}})
    >>> first.isoformat(), last.isoformat()
    ('1970-01-01T00:00:00+00:00', '1970-01-01T00:00:01+00:00')
    """
    first, last = earliest(query), _bound(query, _TO, min)
    return None if first is None or last is None else (first, last)


def earliest(query: Query | None) -> datetime | None:
    """The first `@timestamp` that an event of a query can have; None where it does not say."""
    return _bound(query, _FROM, max)


def _bound(
    query: Query | None, names: Sequence[str], narrowest: Callable[[list[datetime]], datetime]
) -> datetime | None:
    times = [_time(limits.get(name)) for limits in _ranges(query or {}) for name in names]
    known = [each for each in times if each is not None]
    return narrowest(known) if known else None


def _ranges(query: Query) -> Iterator[Mapping[str, Any]]:
    """The ranges of `@timestamp` that every event of a query is in."""
    for kind, clause in query.items():
        if kind == "range" and "time_zone" not in (limits := clause.get("@timestamp") or {}):
            yield limits
        if kind == "bool":
            for occurrence in ("filter", "must"):
                for each in _several(clause.get(occurrence, ())):
                    yield from _ranges(each)


def _several(clauses: Query | Sequence[Query]) -> Sequence[Query]:
    return [clauses] if isinstance(clauses, Mapping) else clauses


def _time(value: object) -> datetime | None:
    """A time in milliseconds or as ISO 8601; None for anything else, such as `now-1d`."""
    try:
        if isinstance(value, int):
            return moment(value)
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)
