"""Where on the time of events a span has its events: the stretches to look at and around."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detections.compiled import Query
from detections.event_index import Snapshot, histogram
from detections.span import Span


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
    by `event.ingested` there is one for each time that files came late for.
    """
    if span.clock == "@timestamp":
        since, until = span.milliseconds()
        yield Anchor(since, until - 1 + reach)
        return
    times = {"first": {"min": {"field": "@timestamp"}}, "last": {"max": {"field": "@timestamp"}}}
    open_: Anchor | None = None
    for bucket in snapshot.buckets(touched, [histogram("time", reach)], times):
        first, last = int(bucket["first"]["value"]), int(bucket["last"]["value"])
        if open_ is not None and first - reach <= open_.until:
            open_ = Anchor(open_.since, last + reach)
            continue
        if open_ is not None:
            yield open_
        open_ = Anchor(first, last + reach)
    if open_ is not None:
        yield open_
