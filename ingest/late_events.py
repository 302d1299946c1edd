"""Adds up the events that a process indexed too late for the scheduled rules, or before any of them
began."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from detections.span import Span
from ingest.object_progress import ObjectProgress
from trailhound.errors import TrailhoundError
from trailhound.settings import Settings
from trailhound.state.late_events import LateEvents, LateEventsStore, merged


class LateEventsTotal:
    """Those since it was last taken. Several threads add to it and store it.

    What a process has in memory is lost when it is killed. So the late events of an object are
    added with its outcome, and stored before that is written (`Outcomes.before`): after a kill the
    ledger has the object as unfinished, and its next reading counts them.
    """

    def __init__(
        self,
        on_first: Callable[[], None] = lambda: None,
        begins_rules: Callable[[], bool] = lambda: False,
    ) -> None:
        """`on_first` is called when late events are recorded while no others are. `begins_rules`:
        whether this process runs the rules itself, which cover what is not late then."""
        self._on_first = on_first
        self._begins_rules = begins_rules
        self._rules_begun = False
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._late = LateEvents()
        self._others = LateEvents()

    def wants(self, run: ObjectProgress) -> bool:  # noqa: ARG002 - `TakenOver` looks at it
        """Whether the late events of an object that is about to be read are added."""
        return True

    def add(self, run: ObjectProgress) -> None:
        """Add those of an object that was read. Of one whose events were partly indexed before, at
        most as many as were indexed now, or by an earlier reading of it that was not finished."""
        late, now = run.late, datetime.now(UTC)
        if late is None:
            return
        late.settle(now)
        indexed = self._indexed(run)
        if events := min(late.events, indexed):
            self._put(LateEvents(events=events, first=late.first, last=late.last, added=now))
        if self._rules_begun or self._begins_rules() or (others := late.others()) is None:
            return
        if events := min(others.events, indexed - events):
            ingested = LateEvents(events=events, first=others.first, last=others.last, added=now)
            self._put(others=ingested)

    def _indexed(self, run: ObjectProgress) -> int:
        return run.counts.indexed + _indexed_before(run)

    def take(self) -> tuple[LateEvents | None, LateEvents | None]:
        """What was added since the last time: the late ones, and the others; None for nothing."""
        with self._lock:
            late, others = self._late, self._others
            self._late = self._others = LateEvents()
        return late if late.events else None, others if others.events else None

    def store(self, client: OpenSearch, settings: Settings) -> LateEvents | None:
        """Record them for `status` and `doctor`, and return them; None for none. On return all that
        were added before the call are recorded, whichever thread did it. Those that are not late
        are recorded only while no rule has begun.

        Raises opensearch-py's exceptions and `RequestFailedError`; they are kept for the next call.
        """
        is_first = False
        with self._storing:
            late, others = self.take()
            store = LateEventsStore(client, settings)
            try:
                if late is not None:
                    is_first = store.add(late)
            except (OpenSearchException, TrailhoundError):
                self._put(late, others)
                raise
            try:
                if others is not None and not store.add_before_rules(others):
                    self._rules_begun, others = True, None
            except (OpenSearchException, TrailhoundError):
                self._put(others=others)
                raise
        if is_first:
            self._on_first()
        return merged(late, others)

    def _put(self, late: LateEvents | None = None, others: LateEvents | None = None) -> None:
        with self._lock:
            self._late = self._late.plus(late or LateEvents())
            self._others = self._others.plus(others or LateEvents())


class TakenOver(LateEventsTotal):
    """Of objects that a daemon began and did not finish, the events that it indexed: a backfill
    takes such objects over, and names by itself only those that it indexes."""

    def __init__(
        self, named: Callable[[], Sequence[Span]], on_first: Callable[[], None] = lambda: None
    ) -> None:
        """`named`: when events were ingested that the notes of other commands name, which were not
        finished either. Called once, with the first object that was begun before."""
        super().__init__(on_first)
        self._named = cache(named)

    def wants(self, run: ObjectProgress) -> bool:
        if not (run.resumed and run.begun_before):
            return False
        begun = datetime.fromisoformat(run.begun_before)
        return not any(each.since <= begun < each.until for each in self._named())

    def _indexed(self, run: ObjectProgress) -> int:
        return _indexed_before(run)


def _indexed_before(run: ObjectProgress) -> int:
    """How many events of an object an earlier reading indexed that was not finished. Duplicates of
    other objects were counted with those."""
    return max(0, run.counts.duplicates - run.shared.total()) if run.resumed else 0
