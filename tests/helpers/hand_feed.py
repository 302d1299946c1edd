"""A feed that a test drives by hand: it submits given objects, and stores the outcomes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

from ingest.feeds.feed import Delivery, FeedStatus, Outcome, Submit
from ingest.objects import Selection
from ingest.sources import LocalSource
from tests.helpers.queues import PATIENCE


class HandFeed:
    """Announces files, one after the other."""

    name = "by hand"

    def __init__(self) -> None:
        self.outcomes: dict[str, list[Outcome]] = {}
        self.closed = threading.Event()
        self.begun = threading.Event()
        self._submit: Submit | None = None
        self._lock = threading.Lock()

    def start(self, submit: Submit) -> None:
        self._submit = submit
        self.begun.set()

    def stop(self) -> None:
        self._submit = None

    def close(self) -> None:
        self.closed.set()

    def status(self) -> FeedStatus:
        return FeedStatus(self.name, "hand")

    def bring(self, path: Path) -> bool:
        """Submit one file; False where the daemon takes no more."""
        assert self.begun.wait(PATIENCE)
        source = LocalSource(str(path))
        (item,) = source.objects(Selection())

        def settle(outcome: Outcome) -> None:
            with self._lock:
                self.outcomes.setdefault(str(path), []).append(outcome)

        announce = self._submit
        return announce is not None and announce(
            Delivery(item, source, self.name, time.time(), settle)
        )

    def of(self, path: Path) -> list[Outcome]:
        with self._lock:
            return list(self.outcomes.get(str(path), []))

    def await_outcomes(self, number: int) -> Counter[str]:
        """Wait until so many deliveries are finished; how often each outcome occurred."""
        until = time.monotonic() + PATIENCE
        while True:
            with self._lock:
                found = Counter(each.name for all_ in self.outcomes.values() for each in all_)
            if found.total() >= number:
                return found
            assert time.monotonic() < until, found
            time.sleep(0.05)
