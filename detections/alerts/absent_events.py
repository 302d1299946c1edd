"""Events that alerts name and that cannot be read: their day is closed or blocked, or they are gone
from the index, as after the retention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.daily_indices import DAY, DailyIndices, SkippedDay, daily_indices, start_of
from detections.events.index import EventIndex
from detections.span import Span
from trailhound.batching import batched
from trailhound.cluster.queries import Query
from trailhound.cluster.templates import Names
from trailhound.errors import NoEventsIndexError
from trailhound.plural import part_of
from trailhound.settings import Settings

FIELDS: Final = ("count", "first_seen", "last_seen", "evidence.event_id", "evidence.time")
"""The fields of alerts that `named_at` needs."""
_IDS_AT_ONCE: Final = 5_000
_SEARCHES: Final = 20
"""Searches in one request."""
_ENDS: Final = ("first_seen", "last_seen")


@dataclass(frozen=True, slots=True)
class NamedAt:
    """The events that alerts name, by UTC day (`YYYY.MM.DD`), and the times of alerts that have
    more events than they name."""

    days: Mapping[str, frozenset[str]] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()


def named_at(alerts: Iterable[Mapping[str, Any]]) -> NamedAt:
    """What alerts name, by their documents."""
    days: dict[str, set[str]] = {}
    spans: list[Span] = []
    for alert in alerts:
        evidence = alert["evidence"]
        ids = evidence.get("event_id", ())
        for name, time in zip(ids, evidence.get("time", ()), strict=True):
            days.setdefault(str(time)[:10].replace("-", "."), set()).add(str(name))
        if alert["count"] > len(ids):
            first, last = (datetime.fromisoformat(alert[each]) for each in _ENDS)
            spans.append(Span(first, last))
    return NamedAt({day: frozenset(ids) for day, ids in days.items()}, tuple(spans))


def absent_events(client: OpenSearch, settings: Settings, *named: NamedAt) -> list[SkippedDay]:
    """The daily indices, in the order of their days, of which not all events that alerts name can
    be read, each with the reason. Raises `ClusterError` and opensearch-py's exceptions."""
    days = DailyIndices("", names=Names(settings.prefix))
    with suppress(NoEventsIndexError):  # then all are gone
        days = daily_indices(client, settings)
    wanted: dict[str, set[str]] = {}
    for each in named:
        for day, ids in each.days.items():
            wanted.setdefault(day, set()).update(ids)
    spans = [span for each in named for span in each.spans]
    skipped = [
        each
        for each in days.skipped
        if each.day in wanted or any(each.touches(span) for span in spans)
    ]
    known = {each.day for each in skipped}
    found = _found(client, days, {day: wanted[day] for day in wanted.keys() - known})
    gone = [_gone(days, day, len(wanted[day]), number) for day, number in found.items()]
    return sorted(
        (*skipped, *(each for each in gone if each is not None)),
        key=lambda each: (each.day or "", each.index),
    )


def _found(
    client: OpenSearch, days: DailyIndices, wanted: Mapping[str, Iterable[str]]
) -> dict[str, int]:
    """How many of these events are in the index, by day."""
    if not days.expression:
        return dict.fromkeys(wanted, 0)
    index = EventIndex(client, days)
    index.refresh()
    asked: list[tuple[str, Query]] = [
        (day, {"bool": {"filter": [{"ids": {"values": part}}, _of_day(day)]}})
        for day, ids in sorted(wanted.items())
        for part in batched(sorted(ids), _IDS_AT_ONCE)
    ]
    found = dict.fromkeys(sorted(wanted), 0)
    for several in batched(asked, _SEARCHES):
        bodies = [{"query": query, "track_total_hits": True} for _, query in several]
        replies = index.searches(bodies, few_days=True)
        for (day, _), reply in zip(several, replies, strict=True):
            found[day] += int(reply["hits"]["total"]["value"])
    return found


def _gone(days: DailyIndices, day: str, wanted: int, found: int) -> SkippedDay | None:
    """What is missing of a day's events; None if nothing is."""
    if found >= wanted:
        return None
    of = f"{part_of(wanted - found, wanted, 'event')} that alerts name"
    there = day in days.by_day or (days.expression and not days.by_day)
    reason = f"it lacks {of}" if there else f"it does not exist any more, with {of}"
    return SkippedDay(days.names.day(day), day, reason)


def _of_day(day: str) -> Query:
    begin = start_of(day)
    return {"range": {"@timestamp": {"gte": begin.isoformat(), "lt": (begin + DAY).isoformat()}}}
