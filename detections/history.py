"""What a span of history holds: how many events, on which days, and which days can't be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from detections.events.daily_indices import DailyIndices, SkippedDay, daily_indices
from detections.events.index import BY_DAY, EventIndex
from detections.span import Span, moment
from trailhound.cluster.queries import Query
from trailhound.cluster.refreshing import make_searchable
from trailhound.settings import Settings

DAY = timedelta(days=1)
DAY_MILLISECONDS = 86_400_000
PIECE_EVENTS = 50_000
"""Days with few events are searched together, up to this number: memory stays constant, and fewer
requests are needed."""
PIECE_DAYS = 31
"""Days with events that are searched together, at the most. Every search of a piece asks the index
of each of its days, and a rule is left out of a piece that has none of its calls."""
END = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of all history, events with an absurd time included."""


@dataclass(frozen=True, slots=True)
class HistorySlice:
    """A part of a span that is looked through at once, and the events in it."""

    span: Span
    events: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is to search. Between two pieces there is no event."""

    pieces: tuple[HistorySlice, ...]
    indices: DailyIndices
    skipped: tuple[SkippedDay, ...] = ()

    @property
    def events(self) -> int:
        return sum(each.events for each in self.pieces)

    @property
    def span(self) -> Span | None:
        """From the first piece to the last; None where there is no event."""
        if not self.pieces:
            return None
        return replace(self.pieces[0].span, until=self.pieces[-1].span.until)


def survey(
    client: OpenSearch, settings: Settings, span: Span, *, piece_events: int = PIECE_EVENTS
) -> Survey:
    """Ask the index where in a span there are events, those written a moment ago included.

    By `event.ingested` the span is one piece. Raises `NoEventsIndexError` where there is no index,
    `ClusterError` and opensearch-py's errors.
    """
    indices = daily_indices(client, settings)
    make_searchable(client, indices.expression)
    index = EventIndex(client, indices)
    if span.clock != "@timestamp":
        count = index.count(span.query())
        return Survey((HistorySlice(span, count),) if count else (), indices)
    skipped = indices.skipped_in(span)
    if not index.count(span.query()):
        return Survey((), indices, skipped)
    found = index.search({"query": span.query(), "aggs": {"days": BY_DAY}})
    days = found["aggregations"]["days"]["buckets"]
    counted = [(int(each["key"]), int(each["doc_count"])) for each in days]
    return Survey(tuple(pieces(span, counted, piece_events)), indices, skipped)


def pieces(
    span: Span, days: Iterable[tuple[int, int]], most: int = PIECE_EVENTS
) -> Iterator[HistorySlice]:
    """Days (their start in milliseconds, their events) in pieces of at most `most` events and
    `PIECE_DAYS`, or of one day.

    >>> from datetime import UTC
    >>> whole = Span(datetime(2025, 3, 1, 6, tzinfo=UTC), datetime(2025, 3, 9, tzinfo=UTC))
    >>> start = int(datetime(2025, 3, 1, tzinfo=UTC).timestamp() * 1000)
    >>> found = list(pieces(whole, [(start + n * DAY_MILLISECONDS, 4) for n in (0, 2, 5)], 9))
    >>> [(piece.span.since.day, piece.span.until.day, piece.events) for piece in found]
    [(1, 4, 8), (6, 7, 4)]
    >>> year = [(start + n * DAY_MILLISECONDS, 1) for n in range(365)]
    >>> [piece.events for piece in pieces(replace(whole, until=END), year)][:2]
    [31, 31]
    """
    held: HistorySlice | None = None
    number = 0
    for start, events in days:
        begin = moment(start)
        day = replace(span, since=max(begin, span.since), until=min(begin + DAY, span.until))
        number += 1
        if held is not None and number <= PIECE_DAYS and held.events + events <= most:
            held = HistorySlice(replace(held.span, until=day.until), held.events + events)
            continue
        if held is not None:
            yield held
        held, number = HistorySlice(day, events), 1
    if held is not None:
        yield held


def bounds(
    client: OpenSearch, indices: DailyIndices, query: Query | None = None
) -> tuple[datetime, datetime] | None:
    """The times of the first and the last event, of those that match a query; None where there is
    no event."""
    aggregations = {
        "first": {"min": {"field": "@timestamp"}},
        "last": {"max": {"field": "@timestamp"}},
    }
    body = {"query": query or {"match_all": {}}, "aggs": aggregations}
    found = EventIndex(client, indices).search(body)
    values = found.get("aggregations", {})
    ends = [values.get(name, {}).get("value") for name in ("first", "last")]
    if None in ends:
        return None
    return moment(int(ends[0])), moment(int(ends[1]))
