"""Counts the events of an object that come too late for the scheduled rules.

Whether an event does is decided by its own time: an old event may be in a file that was named or
put where it is just now, such as an export or a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Self

from enrich.eventtime import event_time
from trailhound.settings import Settings

_SENT_WITHIN: Final = timedelta(minutes=15)
"""An event is sent up to so long after the reading of its object began. By then it may be too old
for the rules, which is why one that is nearly too old counts too. Where it takes longer, as while
the cluster is away, `settle` counts by the time at which all were sent."""
_MOST_MINUTES: Final = 10_000
"""Minutes that are counted one by one; more are those of somebody who merged files into one."""


class Others(NamedTuple):
    """So many `events`; the minutes (or days) in which the `first` and the `last` happened."""

    events: int
    first: datetime
    last: datetime


class LateCount:
    """How many `events` there are, and when the `first` and the `last` of them happened."""

    __slots__ = ("_before", "_began", "_late", "_minutes", "day", "events", "first", "last")

    def __init__(self, late: timedelta, now: datetime) -> None:
        """`late`: the age up to which the scheduled rules cover events that are sent `now`."""
        self._began, self._late = now.astimezone(UTC), late
        self._before = self._began - (late - _SENT_WITHIN)
        self._minutes: dict[str, int] = {}
        """How many of the others happened in each minute, or in each day of those beyond
        `_MOST_MINUTES`: by the beginning of its ISO 8601 text."""
        self.day = f"{self._before:%Y.%m.%d}"
        """The last UTC day (`YYYY.MM.DD`) that has such events: those of others are given to
        `add_young`, which costs less."""
        self.events = 0
        self.first = self.last = self._before

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """For an object whose reading begins now."""
        return cls(timedelta(hours=settings.detections.late_hours), datetime.now(UTC))

    def add(self, value: Any) -> None:
        """Count an event if it is late, given its valid `eventTime`."""
        moment = datetime.fromisoformat(event_time(value).timestamp)
        if moment < self._before:
            self._count(moment, 1)
        else:
            self.add_young([value])

    def add_young(self, values: Iterable[Any]) -> None:
        """Note events that are not late yet, given their valid `eventTime`s."""
        for value, events in Counter(values).items():  # many at once cost a tenth of each alone
            as_always = type(value) is str and len(value) == 20 and value[10] == "T"
            text: str = value if as_always else event_time(value).timestamp
            minute = text[:16]
            if minute not in self._minutes and len(self._minutes) >= _MOST_MINUTES:
                minute = text[:10]
            self._minutes[minute] = self._minutes.get(minute, 0) + events

    def settle(self, now: datetime) -> None:
        """All events were sent by `now`: count those that were late by then."""
        if now - self._began <= _SENT_WITHIN:
            return
        minutes, self._minutes = self._minutes, {}
        before = now.astimezone(UTC) - self._late
        for minute, events in minutes.items():
            moment = datetime.fromisoformat(minute).replace(tzinfo=UTC)
            if moment < before:
                self._count(moment, events)
            else:
                self._minutes[minute] = events

    def others(self) -> Others | None:
        """Those that are not late, once `settle` has counted those that are; None for none."""
        moments = [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in self._minutes]
        if not moments:
            return None
        return Others(sum(self._minutes.values()), min(moments), max(moments))

    def _count(self, moment: datetime, events: int) -> None:
        self.first = min(self.first, moment) if self.events else moment
        self.last = max(self.last, moment) if self.events else moment
        self.events += events
