"""The intervals of event time in which a span has its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detections.compiled import Query
from detections.events.index import histogram
from detections.span import Span
from trailhound.cluster.snapshot import Snapshot

MOST = 16
"""Maximum intervals: each takes a few requests; joined ones also search the time between."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Milliseconds, both ends included: from the first event in the span to `reach` after the last.

    Windows that end in it may contain an event of the span.
    """

    since: int
    until: int


def anchors(snapshot: Snapshot, span: Span, touched: Query, reach: int) -> Iterator[Anchor]:
    """The intervals, in order, more than `reach` apart.

    `touched` finds the events in the span. By `@timestamp` there is one interval, the span itself;
    by `event.ingested` there is one for each time that files came late for, and a few wider ones
    where that would be many, as after a backfill.
    """
    if span.clock == "@timestamp":
        yield anchor_of(span, reach)
        return
    times = {"first": {"min": {"field": "@timestamp"}}, "last": {"max": {"field": "@timestamp"}}}
    found = [
        Anchor(int(bucket["first"]["value"]), int(bucket["last"]["value"]) + reach)
        for bucket in snapshot.buckets(touched, [histogram("time", reach)], times)
    ]
    gap = reach
    joined = _joined(found, gap)
    while len(joined) > MOST:
        gap *= 2
        joined = _joined(joined, gap)
    yield from joined


def anchor_of(span: Span, reach: int) -> Anchor:
    """The interval of a span by `@timestamp`."""
    since, until = span.milliseconds()
    return Anchor(since, until - 1 + reach)


def _joined(apart: Sequence[Anchor], gap: int) -> list[Anchor]:
    """Joins neighbours that are at most `gap` apart."""
    joined: list[Anchor] = []
    for each in apart:
        if joined and each.since - gap <= joined[-1].until:
            joined[-1] = Anchor(joined[-1].since, max(joined[-1].until, each.until))
        else:
            joined.append(each)
    return joined
