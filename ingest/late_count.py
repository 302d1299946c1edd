"""Counts the events of an object that come too late for the scheduled rules.

Whether an event does is decided by its own time: an old event may be in a file that was named or
put where it is just now, such as an export or a copy.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from enrich.eventtime import event_time
from trailhound.settings import Settings

_SENT_WITHIN: Final = timedelta(minutes=15)
"""An event is sent up to so long after the reading of its object began. By then it may be too old
for the rules, which is why one that is nearly too old counts too."""


class LateCount:
    """How many `events` there are, and when the `first` and the `last` of them happened."""

    __slots__ = ("_before", "day", "events", "first", "last")

    def __init__(self, late: timedelta, now: datetime) -> None:
        """`late`: the age up to which the scheduled rules cover events that are sent `now`."""
        self._before = now.astimezone(UTC) - (late - _SENT_WITHIN)
        self.day = f"{self._before:%Y.%m.%d}"
        """The last UTC day (`YYYY.MM.DD`) that has such events: those of others need not be
        given to `add`."""
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
            self.first = min(self.first, moment)
            self.last = max(self.last, moment) if self.events else moment
            self.events += 1
