"""Which of some names are in the time before a span, looked for from its last day back.

A week has few names, and most of them are in the days just before it. So the past is asked in
pieces of days, at first of one day, for the names that were in none so far: a request for each name
would ask every daily index for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from detections.events.daily_indices import DailyIndices
from detections.events.index import EventIndex, terms
from detections.history import PIECE_DAYS
from detections.span import Span
from trailhound.batching import batched
from trailhound.cluster.queries import Query, both

DAY: Final = timedelta(days=1)
_LONGEST: Final = 2 * PIECE_DAYS
"""Days from the first to the last of a piece: of more, a search would ask all indices."""
_NAMES: Final = 5_000
"""Names in one search; the engine's limits are 65,536 values of a clause and as many buckets."""
_PAGE: Final = 5_000

Name = tuple[str, ...]
Looking = Callable[[datetime], None]
"""Called before a piece is asked, with its first moment."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Names that are looked for: the values of `fields` that events of a query have together."""

    fields: tuple[str, ...]
    names: Collection[Name]
    of: Query | None = None


class Past:
    """The events before a span. Raises `ClusterError`."""

    def __init__(self, index: EventIndex, days: DailyIndices) -> None:
        self._index = index
        self._days = days

    def last(
        self, until: datetime, several: Sequence[Asked], looking: Looking = lambda _: None
    ) -> list[dict[Name, int]]:
        """For each of several, the names that have an event before a moment, and the time of the
        last one in milliseconds."""
        found: list[dict[Name, int]] = [{} for _ in several]
        for piece in pieces_back(self._days.by_day, until):
            left = [
                (made, replace(each, names=missing))
                for made, each in zip(found, several, strict=True)
                if (missing := [name for name in each.names if name not in made])
            ]
            if not left:
                break
            looking(piece.since)
            self._ask(piece, left)
        return found

    def _ask(self, piece: Span, several: Sequence[tuple[dict[Name, int], Asked]]) -> None:
        """Adds what a piece has; one request for a page of all of them."""
        waiting = [
            (made, set(part), _search(piece, each, part))
            for made, each in several
            for part in batched(sorted(each.names), _NAMES)
        ]
        while waiting:
            bodies = [body for _, _, body in waiting]
            replies = self._index.searches(bodies, few_days=True)
            more = []
            for (made, wanted, body), reply in zip(waiting, replies, strict=True):
                by: Mapping[str, Any] = (reply.get("aggregations") or {}).get("by") or {}
                buckets = by.get("buckets") or []
                for each in buckets:
                    name = tuple(str(value) for value in each["key"].values())
                    if name in wanted:  # of pairs, also others of the same values are counted
                        made[name] = int(each["last"]["value"])
                if len(buckets) == _PAGE and "after_key" in by:
                    composite = body["aggs"]["by"]["composite"] | {"after": by["after_key"]}
                    aggs = {"by": body["aggs"]["by"] | {"composite": composite}}
                    more.append((made, wanted, body | {"aggs": aggs}))
            waiting = more


def _search(piece: Span, asked: Asked, names: Sequence[Name]) -> dict[str, Any]:
    values = [sorted({name[place] for name in names}) for place in range(len(asked.fields))]
    clauses: list[Query] = [
        {"terms": {each: several}} for each, several in zip(asked.fields, values, strict=True)
    ]
    sources = [terms(f"n{place}", each) for place, each in enumerate(asked.fields)]
    return {
        "query": both(piece.query(), *clauses, *([asked.of] if asked.of else [])),
        "track_total_hits": False,
        "aggs": {
            "by": {
                "composite": {"size": _PAGE, "sources": sources},
                "aggs": {"last": {"max": {"field": "@timestamp"}}},
            }
        },
    }


def pieces_back(days: Collection[str], until: datetime) -> Iterator[Span]:
    """The time before a moment in pieces, the last one first: of 1, 2, 4 and up to `PIECE_DAYS`
    days that have an index. One piece where they are not known, or an index names no day.

    >>> held = [f"2025.03.{day:02}" for day in (1, 2, 5, 8, 9)]
    >>> for each in pieces_back(held, datetime(2025, 3, 9, 6, tzinfo=UTC)):
    ...     print(f"{each.since:%m-%d %H} {each.until:%m-%d %H}")
    03-09 00 03-09 06
    03-05 00 03-09 00
    03-01 00 03-03 00
    """
    if not days or "" in days:
        yield Span(datetime.min.replace(tzinfo=UTC), until)
        return
    begins = sorted((_begin(day) for day in days), reverse=True)
    held: list[datetime] = []
    most = 1
    for begin in begins:
        if begin >= until:
            continue
        if held and (len(held) == most or held[0] - begin >= _LONGEST * DAY):
            yield _piece(held, until)
            held, most = [], min(2 * most, PIECE_DAYS)
        held.append(begin)
    if held:
        yield _piece(held, until)


def _piece(held: Sequence[datetime], until: datetime) -> Span:
    return Span(held[-1], min(held[0] + DAY, until))


def _begin(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day.replace(".", "-")), datetime.min.time(), UTC)
