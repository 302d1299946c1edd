"""A folder that other means sync trail files into, looked through again and again."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass

from ingest.feeds.error_state import ErrorState
from ingest.feeds.feed import Announce, Delivery, FeedStatus, Outcome
from ingest.objects import Selection, TrailObject
from ingest.sources.local import LocalSource
from trailhound.errors import SourceError
from trailhound.settings import FeedSettings

LOG = logging.getLogger("trailhound.watch")
_EVERY = 5.0
_SETTLED_SECONDS = 60.0
"""A file that has not changed for so long is whole, as one is that two looks find alike."""


@dataclass(slots=True)
class _Seen:
    """A file as it was at the last look; `etag` is its size and time of change."""

    etag: str
    announced: bool = False


class WatchFeed:
    """Announces files that are new or changed, once they have stopped growing."""

    def __init__(self, feed: FeedSettings) -> None:
        """Looks at nothing yet."""
        assert feed.watch is not None  # noqa: S101 - a feed of another kind is not made here
        self._folder = feed.watch.expanduser().absolute()
        self.name = str(self._folder)
        self._every = feed.every or _EVERY
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._counters: Counter[str] = Counter()
        self._last_arrival = 0.0
        self._stopping = threading.Event()
        self._trouble = ErrorState(f"folder {self.name}", LOG, self._stopping)
        self._announce: Announce = lambda _: False
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def start(self, announce: Announce) -> None:
        self._announce = announce
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def status(self) -> FeedStatus:
        with self._lock:
            return FeedStatus(
                self.name,
                "folder",
                len(self._waiting),
                self._last_arrival,
                self._trouble.last_error,
                self._trouble.last_error_at,
                dict(self._counters),
            )

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
                self._trouble.over()
            except (SourceError, OSError) as error:
                self._trouble.met(str(error))
            self._stopping.wait(self._every)

    def _look(self) -> None:
        """One look at the whole folder."""
        if not self._folder.is_dir():
            raise NotADirectoryError(f"there is no folder {self._folder}")
        source = LocalSource(str(self._folder))
        present: dict[str, _Seen] = {}
        for item in source.objects(Selection()):
            before = self._seen.get(item.uri)
            if before is None or before.etag != item.etag:
                before, unchanged = _Seen(item.etag), False
            else:
                unchanged = True
            present[item.uri] = before
            if not before.announced and (unchanged or _old(item)):
                before.announced = True
                if not self._hand_over(source, item, before):
                    return
        self._seen = present

    def _hand_over(self, source: LocalSource, item: TrailObject, seen: _Seen) -> bool:
        def settled(outcome: Outcome) -> None:
            with self._lock:
                self._waiting.discard(item.uri)
                self._counters[f"{outcome.name.lower()}_files"] += 1
            if outcome is Outcome.RETURNED:
                seen.announced = False  # the next look announces it again

        with self._lock:
            self._waiting.add(item.uri)
            self._last_arrival = time.time()
        changed = _changed(item)
        return self._announce(Delivery(item, source, self.name, changed, settled))


def _changed(item: TrailObject) -> float:
    """When a file was last changed, in seconds since the epoch."""
    return int(item.etag.rpartition("-")[2]) / 1e9


def _old(item: TrailObject) -> bool:
    return time.time() - _changed(item) > _SETTLED_SECONDS
