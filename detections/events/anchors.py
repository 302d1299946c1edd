"""Where on the time of events a span has its events: the stretches to look at and around."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detections.compiled import Query
from detections.events.index import histogram
from detections.span import Span
from trailhound.cluster.reader import Snapshot

MOST = 16
"""Stretches; each costs a few requests, what lies between two that are joined a longer look."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Milliseconds, both ends included: the first event in the span, and one reach past the last.

    What ends in it may hold an event of the span.
    """

    since: int
    until: int


def anchors(snapshot: Snapshot, span: Span, touched: Query, reach: int) -> Iterator[Anchor]:
    """The stretches, in order, so far apart that what lies within `reach` of one meets no other.

    `touched` finds the events in the span. By `@timestamp` there is one stretch, the span itself;
    by `event.ingested` there is one for each time that files came late for, and a few wider ones
    where that would be many, as after a backfill.
    """
    if span.clock == "@timestamp":
        since, until = span.milliseconds()
        yield Anchor(since, until - 1 + reach)
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


def _joined(apart: Sequence[Anchor], gap: int) -> list[Anchor]:
    """Neighbours no more than `gap` apart as one."""
    joined: list[Anchor] = []
    for each in apart:
        if joined and each.since - gap <= joined[-1].until:
            joined[-1] = Anchor(joined[-1].since, max(joined[-1].until, each.until))
        else:
            joined.append(each)
    return joined
