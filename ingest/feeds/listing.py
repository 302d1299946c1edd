"""The base of feeds that list a place at intervals: a thread, its errors, its counters."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import Counter
from typing import ClassVar

from ingest.feeds.error_state import ErrorState
from ingest.feeds.feed import FeedStatus, Submit
from trailhound.errors import FoldersDeniedError, TrailhoundError
from trailhound.threads import SupervisedThread


class ListingFeed(ABC):
    """A `Feed` that lists one place every `every` seconds. `_lock` guards `_counters` and
    `_last_arrival`, which finished objects change too, from threads of the daemon.
    """

    kind: ClassVar[str]
    """As `status` shows it."""
    setting: ClassVar[str]
    """The field of `FeedSettings` that names the place; its thread is named by it."""
    outside_errors: ClassVar[tuple[type[Exception], ...]]
    """Errors of the place or the cluster, after which the next listing is delayed."""

    def __init__(self, name: str, place: str, every: float, log: logging.Logger) -> None:
        """`place` names the feed in the log, such as `folder /var/log`. Starts nothing."""
        self.name = name
        self._every = every
        self._lock = threading.Lock()
        self._listed = True
        """Whether the last listing did not fail: if it did, no backlog does not mean that there is
        none."""
        self._counters: Counter[str] = Counter()
        self._last_arrival = 0.0
        self._stopping = threading.Event()
        self._errors = ErrorState(place, log, self._stopping)
        self._submit: Submit = lambda _: False
        self._thread = SupervisedThread(self._run, f"{self.setting} {name}", self._stopping)

    @abstractmethod
    def _list(self) -> None:
        """List the place once, and submit new objects."""

    @abstractmethod
    def _backlog(self) -> int:
        """Objects that were listed and are not finished; called with `_lock` held."""

    def start(self, submit: Submit) -> None:
        self._submit = submit
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
                self.kind,
                self._backlog() or (0 if self._listed else None),
                self._last_arrival,
                self._errors.last_error,
                self._errors.last_error_at,
                dict(self._counters),
                failing=self._errors.failing,
            )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._list()
                self._listed = True
                self._errors.clear()
            except FoldersDeniedError as error:  # the others are listed as often as ever
                self._listed = True
                self._errors.backoff(f"{error.message}; the others are read", at_most=0.0)
            except self.outside_errors as error:
                self._listed = False
                message = error.message if isinstance(error, TrailhoundError) else str(error)
                self._errors.backoff(message)
            self._stopping.wait(self._every)
