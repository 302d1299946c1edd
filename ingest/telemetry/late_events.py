"""Adds up the events that a process indexed too late for the scheduled rules."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ingest.object_progress import ObjectProgress
from trailhound.errors import TrailhoundError
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
            self._put(LateEvents(events=events, first=late.first, last=late.last, added=now))

    def take(self) -> LateEvents | None:
        """What was added since the last time; None for nothing."""
        with self._lock:
            taken, self._late = self._late, LateEvents()
        return taken if taken.events else None

    def store(
        self,
        client: OpenSearch,
        settings: Settings,
        on_first: Callable[[], None] = lambda: None,
    ) -> LateEvents | None:
        """Record them for `status` and `doctor`, and return them; None for none. `on_first` is
        called if no others are recorded.

        Raises opensearch-py's exceptions and `RequestFailedError`; they are kept for the next call.
        """
        late = self.take()
        if late is None:
            return None
        try:
            is_first = LateEventsStore(client, settings).add(late)
        except (OpenSearchException, TrailhoundError):
            self._put(late)
            raise
        if is_first:
            on_first()
        return late

    def _put(self, late: LateEvents) -> None:
        with self._lock:
            self._late = self._late.plus(late)
