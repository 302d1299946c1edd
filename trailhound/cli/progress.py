"""The progress of a backfill: finished objects of all, events, the rate, the time left."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import is_quiet, plural
from trailhound.cli.stages import show_stages
from trailhound.errors import TrailhoundError

with late_imports():
    from ingest.backfill.backfill import Backfill
    from ingest.backfill.request import BackfillRequest
    from ingest.objects import CountedSource, Selection
    from ingest.run_report import RunReport
    from ingest.sources import is_stream, open_source
    from trailhound.settings import Settings


if TYPE_CHECKING:
    from ingest.backfill.worker_pool import WorkerPool

ObjectsLeft = Callable[["RunReport"], str]
_LOOK_EVERY = 0.25
_COUNT_AFTER = 3.0
"""Seconds after which the objects are counted: a run that ends sooner needs no time left."""


class ObjectCounter:
    """Counts the objects of sources in a thread: the run itself lists only as far as it reads.

    A listing costs one request per thousand objects. If it fails the number stays unknown, and the
    run reports the reason.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sequence[str],
        selection: Selection,
        *,
        after: float = _COUNT_AFTER,
    ) -> None:
        """`after`: seconds until it begins."""
        self._settings = settings
        self._after = after
        self._sources = sources
        self._selection = selection
        self._ended = threading.Event()
        self.found = 0
        self.bytes = 0
        """As stored; 0 where a source is counted without its sizes."""
        self.complete = False
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> ObjectCounter:
        if not any(is_stream(text) for text in self._sources):
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()

    def _count(self) -> None:
        if self._ended.wait(self._after):
            return
        sized = True
        with suppress(TrailhoundError, OSError):
            for text in self._sources:
                source = open_source(text, self._settings)
                if isinstance(source, CountedSource):
                    self.found += source.count(self._selection)
                    sized = False
                    continue
                for each in source.objects(self._selection):
                    self.found += 1
                    self.bytes += each.size or 0
                    if self._ended.is_set():
                        return
            if not sized:
                self.bytes = 0
            self.complete = True


def share_done(now: RunReport, listed: ObjectCounter, total: int) -> float | None:
    """The share of the work that is done, from 0 to 1: the share of bytes that were read, times the
    share of their records whose outcome is known. (Finished objects are no good measure: they are
    counted with the reply to their last event, many at once.) `total`: the objects among those
    `listed` that the run reads. None if the bytes are not known."""
    if not listed.bytes or not total:
        return None
    due = listed.bytes * max(0, total - now.skipped_objects) / listed.found
    if not due:
        return 1.0
    known = now.counts.accounted / now.counts.read if now.counts.read else 0.0
    return min(1.0, now.bytes / due) * min(1.0, known)


def _finished(now: RunReport) -> int:
    return now.objects + now.skipped_objects + now.ignored_objects


def to_read(listed: ObjectCounter, request: BackfillRequest, now: RunReport) -> int:
    """The number of objects that a run reads, those that it skips included; 0 while unknown."""
    total = listed.found if listed.complete else 0
    return total if request.limit is None else min(total, request.limit + now.skipped_objects)


def objects_left(listed: ObjectCounter, request: BackfillRequest, now: RunReport) -> str:
    """How many objects a run has still to read: `552 of 997 objects are left`; empty while that is
    not known."""
    total = to_read(listed, request, now)
    left = max(0, total - _finished(now))
    if not left:
        return ""
    return f"{left:,} of {plural(total, 'object')} {'is' if left == 1 else 'are'} left"


class RecentRate:
    """The rate per second over the last `seconds`, since replies come in bursts."""

    def __init__(self, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, number: int, moment: float) -> float:
        """The rate, given the total `number` done at a moment, in seconds of any clock.

        >>> rate = RecentRate(10)
        >>> [rate.of(number, moment) for number, moment in ((0, 0), (50, 5), (100, 10), (100, 20))]
        [0.0, 10.0, 10.0, 0.0]
        """
        self._seen.append((moment, number))
        while len(self._seen) > 2 and self._seen[1][0] <= moment - self._seconds:
            self._seen.popleft()
        since, before = self._seen[0]
        return (number - before) / (moment - since) if moment > since else 0.0


@contextmanager
def show_progress(
    job: Backfill | WorkerPool,
    settings: Settings,
    request: BackfillRequest,
    *,
    quiet: bool,
) -> Iterator[ObjectsLeft]:
    """Show the progress of a backfill; the time left is shown once all objects are listed. Gives
    what knows how many objects are left."""
    if quiet or is_quiet():
        yield lambda _: ""
        return
    ended = threading.Event()
    with (
        show_stages("backfill", unit="objects") as stage,
        ObjectCounter(settings, request.sources, request.selection) as listing,
    ):

        def watch() -> None:
            rate = RecentRate()
            rate.of(0, time.monotonic())
            while not ended.wait(_LOOK_EVERY):
                now = job.snapshot()
                events = now.counts.accounted
                recent = rate.of(events, time.monotonic())
                total = to_read(listing, request, now)
                known = "" if total or not listing.found else f" of {listing.found:,} or more"
                stage(
                    f"{events:,} events, {recent:,.0f}/s{known and f', objects{known}'}",
                    _finished(now),
                    total,
                    share_done(now, listing, total),
                )

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield lambda now: objects_left(listing, request, now)
        finally:
            ended.set()
            watcher.join()
