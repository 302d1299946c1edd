"""A feed that lists a folder at intervals, into which trail files are copied.

A file system that is no longer mounted leaves an empty folder, which may be listed like any other.
So an empty folder of which the ledger has objects is a fault, unless these are noted as gone.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opensearchpy import OpenSearch

from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.kinds import Probed, feed_kind, feed_probe
from ingest.feeds.listing import ListingFeed
from ingest.objects import Selection, TrailObject
from ingest.sources.local import LocalSource
from trailhound.backoff import Backoff
from trailhound.cluster.client import connect
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError, SourceError, SourceUnreachableError
from trailhound.settings import FeedSettings, Settings
from trailhound.state.objects import ObjectState

LOG = logging.getLogger("trailhound.watch")
_EVERY = 5.0
_BACKOFF = Backoff(first=60.0, longest=3600.0)
_UNCHANGED_SECONDS = 60.0
"""Seconds without a change after which a file is complete; so is one that two listings find
unchanged."""
_ASK_EVERY = 60.0
"""Seconds until the ledger is asked again about an empty folder of which it had nothing."""
_LATEST: Final = ({"finished_at": "desc"}, {"_seq_no": "desc"})

LatestRead = Callable[[Path], str | None]
"""When the last object of a folder was read (ISO 8601), of those that are not noted as gone; None
if there is none. Raises `ClusterError`."""


def latest_read(client: OpenSearch, settings: Settings, folder: Path) -> str | None:
    """As `LatestRead` says."""
    index = Names(settings.prefix).ledger
    below = LocalSource(str(folder)).uri_prefix
    query = {"bool": {"filter": [ObjectState.query(), {"prefix": {"uri": below}}]}}
    reader = IndexReader(client, index, order=_LATEST)
    shown = {"_source": ["finished_at", "gone_at"]}
    with cluster_errors(settings):
        for hit in reader.documents(query, shown, refresh=True):
            finished = hit["_source"].get("finished_at")
            if finished and not hit["_source"].get("gone_at"):
                return str(finished)
    return None


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
    outside_errors = (SourceError, OSError, ClusterError)

    def __init__(self, feed: FeedSettings, latest_read: LatestRead = lambda _: None) -> None:
        """Reads nothing yet."""
        assert feed.watch is not None  # noqa: S101 - a feed of another kind is not made here
        self._folder = feed.watch.expanduser().absolute()
        name = os.fsencode(self._folder).decode("utf-8", "backslashreplace")
        super().__init__(name, f"folder {name}", feed.every or _EVERY, LOG)
        self._latest_read = latest_read
        self._ask_at = 0.0
        """The monotonic time from which on the ledger is asked what was read of an empty folder."""
        self._filled = (0, 0)
        """Device and inode of the folder when there was something in it."""
        self._seen: dict[str, _Seen] = {}
        self._waiting: set[str] = set()

    def _backlog(self) -> int:
        return len(self._waiting)

    def _list(self) -> None:
        """List the whole folder once."""
        if not self._folder.is_dir():
            raise NotADirectoryError(f"there is no folder {self._folder}")
        self._refuse_vanished()
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

    def _refuse_vanished(self) -> None:
        """Raise `SourceUnreachableError` if there is nothing in it, and objects of it were read.

        Not if it is the folder that had something in it: then somebody has taken the files away,
        as what moves files that were read does, and no file system has gone.
        """
        found = self._folder.stat()
        if not _is_empty(self._folder):
            self._ask_at, self._filled = 0.0, (found.st_dev, found.st_ino)
        elif self._filled == (found.st_dev, found.st_ino):
            return
        # What is still being read is noted in the ledger a moment later.
        elif not self._waiting and time.monotonic() >= self._ask_at:
            refuse_vanished(self._folder, self._latest_read(self._folder))
            self._ask_at = time.monotonic() + _ASK_EVERY

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
def _open(settings: Settings, feed: FeedSettings, client: OpenSearch) -> WatchFeed:
    return WatchFeed(feed, lambda folder: latest_read(client, settings, folder))


def _is_empty(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None


def refuse_vanished(folder: Path, latest: str | None) -> None:
    """Raise `SourceUnreachableError` if objects of an empty folder were read, the last of them at
    `latest`."""
    if latest is not None:
        raise SourceUnreachableError(
            f"the folder {folder} is empty, but objects of it were read, the last at "
            f"{latest[:19]}: its file system may not be mounted",
            hint="mount it; if the files were removed on purpose, note that: "
            f"`trailhound reconcile {folder} --repair`",
        )


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
def _probe(settings: Settings, feed: FeedSettings) -> Probed:
    """Whether the folder exists and may be listed, and is not what a mount left."""
    assert feed.watch is not None  # noqa: S101 - a feed of another kind is not looked at here
    folder = feed.watch.expanduser()
    try:
        is_empty = _is_empty(folder)
    except OSError as error:
        raise SourceUnreachableError(
            f"the folder {folder} cannot be listed ({error.strerror})",
            hint="create it, or make it readable for the user that runs Trailhound",
        ) from error
    if not is_empty:
        return Probed("it may be listed")
    try:
        latest = latest_read(connect(settings), settings, folder)
    except ClusterError:
        return Probed("it may be listed, and is empty")  # the cluster has a check of its own
    refuse_vanished(folder, latest)
    return Probed("it may be listed, and is empty: nothing of it was read before")
