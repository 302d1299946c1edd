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
    """Those since it was last taken. Several threads add to it and store it.

    What a process has in memory is lost when it is killed. So the late events of an object are
    added with its outcome, and stored before that is written (`Outcomes.before`): after a kill the
    ledger has the object as unfinished, and its next reading counts them.
    """

    def __init__(self, on_first: Callable[[], None] = lambda: None) -> None:
        """`on_first` is called when events are recorded while no others are."""
        self._on_first = on_first
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._late = LateEvents()

    def add(self, run: ObjectProgress) -> None:
        """Add those of an object that was read. Of one whose events were partly indexed before, at
        most as many as were indexed now, or by an earlier reading of it that was not finished."""
        late, now = run.late, datetime.now(UTC)
        if late is None:
            return
        late.settle(now)
        indexed = run.counts.indexed
        if run.resumed:  # duplicates of other objects were counted with those
            indexed += max(0, run.counts.duplicates - run.shared.total())
        events = min(late.events, indexed)
        if events:
            self._put(LateEvents(events=events, first=late.first, last=late.last, added=now))

    def take(self) -> LateEvents | None:
        """What was added since the last time; None for nothing."""
        with self._lock:
            taken, self._late = self._late, LateEvents()
        return taken if taken.events else None

    def store(self, client: OpenSearch, settings: Settings) -> LateEvents | None:
        """Record them for `status` and `doctor`, and return them; None for none. On return all that
        were added before the call are recorded, whichever thread did it.

        Raises opensearch-py's exceptions and `RequestFailedError`; they are kept for the next call.
        """
        with self._storing:
            late = self.take()
            if late is None:
                return None
            try:
                is_first = LateEventsStore(client, settings).add(late)
            except (OpenSearchException, TrailhoundError):
                self._put(late)
                raise
        if is_first:
            self._on_first()
        return late

    def _put(self, late: LateEvents) -> None:
        with self._lock:
            self._late = self._late.plus(late)
