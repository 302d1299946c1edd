"""A feed that lists a folder at intervals, into which trail files are copied."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass

from opensearchpy import OpenSearch

from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.kinds import Probed, feed_kind, feed_probe
from ingest.feeds.listing import ListingFeed
from ingest.objects import Selection, TrailObject
from ingest.sources.local import LocalSource
from trailhound.backoff import Backoff
from trailhound.errors import SourceError, SourceUnreachableError
from trailhound.settings import FeedSettings, Settings

LOG = logging.getLogger("trailhound.watch")
_EVERY = 5.0
_BACKOFF = Backoff(first=60.0, longest=3600.0)
_UNCHANGED_SECONDS = 60.0
"""Seconds without a change after which a file is complete; so is one that two listings find
unchanged."""


@dataclass(slots=True)
class _Seen:
    """A file as of the last listing; `etag` is made of its size and time of change."""

    etag: str
    submitted: bool = False
    failures: int = 0
    retry_at: float = 0.0
    """The monotonic time at which a file that could not be read is submitted again; 0: never."""


class WatchFeed(ListingFeed):
    """Submits new and changed files, once they have stopped growing."""

    kind = "folder"
    setting = "watch"
    outside_errors = (SourceError, OSError)

    def __init__(self, feed: FeedSettings) -> None:
        """Reads nothing yet."""
        assert feed.watch is not None  # noqa: S101 - a feed of another kind is not made here
        self._folder = feed.watch.expanduser().absolute()
        name = os.fsencode(self._folder).decode("utf-8", "backslashreplace")
        super().__init__(name, f"folder {name}", feed.every or _EVERY, LOG)
        self._seen: dict[str, _Seen] = {}
        self._waiting: set[str] = set()

    def _backlog(self) -> int:
        return len(self._waiting)

    def _list(self) -> None:
        """List the whole folder once."""
        if not self._folder.is_dir():
            raise NotADirectoryError(f"there is no folder {self._folder}")
        source = LocalSource(str(self._folder))
        present: set[str] = set()
        for item in source.objects(Selection()):
            if self._stopping.is_set():
                return
            present.add(item.uri)
            try:
                self._consider(source, item)
            except Exception as error:  # noqa: BLE001 - of this file; the next listing tries it again
                self._errors.record(f"{item.uri}: {type(error).__name__}: {error}")
                self._seen.pop(item.uri, None)
                with self._lock:
                    self._waiting.discard(item.uri)
                    self._counters["faulty_files"] += 1
        for gone in self._seen.keys() - present:
            del self._seen[gone]

    def _consider(self, source: LocalSource, item: TrailObject) -> None:
        """Submit a complete file that is new or changed, or that is due for another try."""
        seen = self._seen.get(item.uri)
        unchanged = seen is not None and seen.etag == item.etag
        if seen is None or not unchanged:
            seen = self._seen[item.uri] = _Seen(item.etag)
        if seen.submitted and 0 < seen.retry_at <= time.monotonic():
            seen.submitted, seen.retry_at = False, 0.0
        if not seen.submitted and (unchanged or _old(item)):
            seen.submitted = True
            self._deliver(source, item, seen)

    def _deliver(self, source: LocalSource, item: TrailObject, seen: _Seen) -> None:
        def finish(outcome: Outcome) -> None:
            with self._lock:
                self._waiting.discard(item.uri)
                self._counters[f"{outcome.name.lower()}_files"] += 1
            if outcome is Outcome.RETURNED:
                seen.submitted = False  # the next listing submits it again
            elif outcome is Outcome.FAILED:
                # Its permissions may be fixed, which changes neither its size nor its time.
                seen.failures += 1
                seen.retry_at = time.monotonic() + _BACKOFF.at_most(seen.failures)

        with self._lock:
            self._waiting.add(item.uri)
            self._last_arrival = time.time()
        self._submit(Delivery(item, source, self.name, _changed(item), finish))


@feed_kind("watch")
def _open(_: Settings, feed: FeedSettings, __: OpenSearch) -> WatchFeed:
    return WatchFeed(feed)


def _changed(item: TrailObject) -> float:
    """The time when a file was last changed, in seconds since the epoch; 0 if it cannot be
    inspected, such as a broken link."""
    try:
        return int(item.etag.rpartition("-")[2]) / 1e9
    except ValueError:
        return 0.0


def _old(item: TrailObject) -> bool:
    changed = _changed(item)
    return bool(changed) and time.time() - changed > _UNCHANGED_SECONDS


@feed_probe("watch")
def _probe(_: Settings, feed: FeedSettings) -> Probed:
    """Whether the folder exists and may be listed."""
    assert feed.watch is not None  # noqa: S101 - a feed of another kind is not looked at here
    folder = feed.watch.expanduser()
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except OSError as error:
        raise SourceUnreachableError(
            f"the folder {folder} cannot be listed ({error.strerror})",
            hint="create it, or make it readable for the user that runs Trailhound",
        ) from error
    return Probed("it may be listed")
