"""Adds up the events that a process indexed too late for the scheduled rules."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from opensearchpy import OpenSearch

from ingest.object_progress import ObjectProgress
from trailhound.settings import Settings
from trailhound.state.late_events import LateEvents, LateEventsStore


class LateEventsTotal:
    """Those since it was last taken. Several threads add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._late = LateEvents()

    def add(self, run: ObjectProgress) -> None:
        """Add those of an object that was read. Of one whose events were partly indexed before, at
        most as many as were indexed now."""
        late = run.late
        if late is None:
            return
        events = min(late.events, run.counts.indexed)
        if events:
            now = datetime.now(UTC)
            self.put_back(LateEvents(events=events, first=late.first, last=late.last, added=now))

    def take(self) -> LateEvents | None:
        """What was added since the last time; None for nothing."""
        with self._lock:
            taken, self._late = self._late, LateEvents()
        return taken if taken.events else None

    def put_back(self, late: LateEvents) -> None:
        """Add these events (again), which could not be stored."""
        with self._lock:
            self._late = self._late.plus(late)

    def store(self, client: OpenSearch, settings: Settings) -> LateEvents | None:
        """Record them for `status` and `doctor`, and return them; None for none.

        Raises opensearch-py's exceptions and `RequestFailedError`.
        """
        late = self.take()
        if late is not None:
            LateEventsStore(client, settings).add(late)
        return late
