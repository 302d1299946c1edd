"""Counts the events of files that a daemon reads too late for the scheduled rules."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.sources.layout import delivered_at
from trailhound.state.late_events import LateEvents

_BEFORE: Final = timedelta(minutes=15)
"""CloudTrail delivers a file up to so long after its events."""


class LateFiles:
    """The count since it was last taken. Several threads add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._late = LateEvents()

    def add(
        self, path: str, put: float, events: int, late: timedelta, now: datetime | None = None
    ) -> None:
        """Count the `events` that were indexed of a file now, if it was delivered so long before
        that the rules, which cover events up to `late`, don't look at them.

        A file was delivered when its name says, else when it was `put` where it is (seconds since
        the epoch; 0 where that is not known: it is not counted).
        """
        now = now or datetime.now(UTC)
        delivered = delivered_at(path) or (datetime.fromtimestamp(put, UTC) if put > 0 else now)
        if events and now - delivered > late - _BEFORE:
            self.put_back(LateEvents(events=events, first=delivered, last=delivered, added=now))

    def take(self) -> LateEvents | None:
        """What was counted since the last time; None for nothing."""
        with self._lock:
            taken, self._late = self._late, LateEvents()
        return taken if taken.events else None

    def put_back(self, late: LateEvents) -> None:
        """Count these events (again), which could not be stored."""
        with self._lock:
            self._late = self._late.plus(late)
