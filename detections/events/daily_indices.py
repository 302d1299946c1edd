"""The daily indices of a namespace: which exist, and which of them can't be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from opensearchpy import OpenSearch

from detections.events.query_times import times_of
from detections.span import Span
from trailhound.cluster.request_params import CLOSED_TOO
from trailhound.cluster.snapshot import Query
from trailhound.cluster.templates import Names
from trailhound.errors import NoEventsIndexError
from trailhound.settings import Settings

LONGEST_EXPRESSION = 3_000
"""Characters of an index expression in a URL; the engine allows 4,096 for the whole URL."""
DAY = timedelta(days=1)
_MOST_DAYS = 70
"""Days that are named one by one; of more, all indices are searched."""
_ACTIVE = frozenset({"STARTED", "RELOCATING"})


@dataclass(frozen=True, slots=True)
class SkippedDay:
    """A daily index that a search skips, or fails at. `day` is its UTC day, `YYYY.MM.DD`; None for
    an index without one in its name."""

    index: str
    day: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.index}: {self.reason}"

    def touches(self, span: Span) -> bool:
        """Whether the day overlaps the span; true for an index without a day."""
        if self.day is None:
            return True
        begin = start_of(self.day)
        return begin < span.until and begin + DAY > span.since


@dataclass(frozen=True, slots=True)
class DailyIndices:
    """`expression` names those that can be searched; `skipped` are the others.

    `by_day`: the indices of each UTC day, `YYYY.MM.DD`, that can be searched; those without a day
    in their name are of the day "". Empty where they are not known. `names`: of the namespace.
    """

    expression: str
    skipped: tuple[SkippedDay, ...] = ()
    by_day: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Names = field(default_factory=Names)

    def look(self) -> None:
        """They stay as they were: a command looks once, and names what it skips."""

    def holding(self, query: Query | None) -> str:
        """An expression of the indices that may hold events of a query.

        A search has a cost for each index that it asks, also if that has no event of the time: of
        three years, a search of one day would cost a hundred times as much as the search itself.
        """
        times = times_of(query)
        if times is None:
            return self.expression
        first, last = (each.astimezone(UTC).date() for each in times)
        return self.of_days(first, last)

    def of_days(self, first: date, last: date, *, also: Sequence[str] = ()) -> str:
        """An expression of the indices of some UTC days, both ends included, and of others (`also`,
        `YYYY.MM.DD`); of all where none of them is known, or there are too many."""
        number = (last - first).days + 1
        if not self.by_day or number > _MOST_DAYS:
            return self.expression
        known, new = list(self.by_day.get("", ())), []
        skipped = {each.day for each in self.skipped}
        for day in (*(day_name(first + each * DAY) for each in range(number)), *also):
            known += self.by_day.get(day, ())
            if day not in self.by_day and day not in skipped:
                new.append(self.names.day(day))  # there may be one by now
        return self._expression(known, new)

    def on(self, days: Collection[str]) -> str:
        """An expression of the indices of some UTC days (`YYYY.MM.DD`) that have events, and of
        those without a day in their name; of all where no day is known."""
        known = list(self.by_day.get("", ()))
        for day in sorted(days):
            known += self.by_day.get(day, ())
        return self._expression(known)

    def _expression(self, known: Sequence[str], new: Sequence[str] = ()) -> str:
        """Of indices that exist, and of others that may by now."""
        if not known:
            # A search of no index has no reply to read: it asks one, which has none of its time.
            known = [each for _, of_day in islice(self.by_day.items(), 1) for each in of_day]
        expression = ",".join([*known, *new])
        return expression if known and len(expression) <= LONGEST_EXPRESSION else self.expression

    def skipped_in(self, span: Span | None) -> tuple[SkippedDay, ...]:
        """The skipped indices that overlap a span of event time; all of them without a span."""
        return tuple(each for each in self.skipped if span is None or each.touches(span))


def daily_indices(client: OpenSearch, settings: Settings) -> DailyIndices:
    """The daily indices as they are now.

    Raises `NoEventsIndexError` where there is none, and opensearch-py's errors.
    """
    names = Names(settings.prefix)
    pattern = names.days
    state = client.transport.perform_request(
        "GET",
        f"/_cluster/state/metadata,blocks,routing_table/{pattern}",
        params={
            **CLOSED_TOO,
            "filter_path": "metadata.indices.*.state,blocks.indices.*.*.levels,"
            "routing_table.indices.*.shards.*.state",
        },
    )
    made = _section(state, "metadata")
    if not made:
        raise NoEventsIndexError(
            f"there is no index {pattern} at {settings.hosts[0]}, so there are no events",
            hint="load events with `trailhound backfill`, or check --url and --namespace",
        )
    blocks, routing = _section(state, "blocks"), _section(state, "routing_table")
    closed, failing = [], []
    by_day: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for index, about in sorted(made.items()):
        day = names.day_of(index)
        if about.get("state") == "close":
            closed.append(SkippedDay(index, day, "it is closed"))
        elif any("read" in each.get("levels", ()) for each in blocks.get(index, {}).values()):
            failing.append(SkippedDay(index, day, "reading it is blocked (index.blocks.read)"))
        elif lost := _without_copy(routing.get(index, {}).get("shards", {})):
            failing.append(SkippedDay(index, day, f"shard {', '.join(lost)} has no active copy"))
        else:
            by_day[day or ""] += (index,)
    without = ",".join([pattern, *(f"-{each.index}" for each in failing)])
    if len(without) > LONGEST_EXPRESSION:  # searches will fail, with an error for each rule
        return DailyIndices(pattern, tuple(closed))
    return DailyIndices(without, (*closed, *failing), by_day, names)


def day_name(day: date) -> str:
    """A day as the names of daily indices have it.

    >>> day_name(date(2025, 3, 1))
    '2025.03.01'
    """
    return day.isoformat().replace("-", ".")


def start_of(day: str) -> datetime:
    """The first moment of a day that is named so.

    >>> start_of("2025.03.01").isoformat()
    '2025-03-01T00:00:00+00:00'
    """
    return datetime.strptime(day, "%Y.%m.%d").replace(tzinfo=UTC)


def _section(state: Any, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = ((state or {}).get(name) or {}).get("indices") or {}
    return found


def _without_copy(shards: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    return [
        number
        for number, copies in sorted(shards.items())
        if not any(each.get("state") in _ACTIVE for each in copies)
    ]
