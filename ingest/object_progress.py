"""One object on its way through a run: its counts, and the moment it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

from ingest.counts import Counts
from ingest.objects import TrailObject

Term = Literal["indexed", "duplicates", "dead_lettered", "filtered"]


class ObjectProgress:
    """Counts for one object, added to by the reader and by every sender.

    `on_done(run)` is called once, from whichever thread settles the last record after reading
    ended: that is the moment `done` may be written, since every document has its own reply.
    """

    __slots__ = ("_lock", "_on_done", "_reading", "bytes", "counts", "fault", "item")

    def __init__(self, item: TrailObject, on_done: Callable[[ObjectProgress], None]) -> None:
        self.item = item
        self.counts = Counts()
        self.bytes = 0
        self.fault = ""
        self._on_done = on_done
        self._reading = True
        self._lock = threading.Lock()

    def read(self, number: int) -> None:
        """So many more records were read. Called before they can settle."""
        with self._lock:
            self.counts.read += number

    def settle(self, term: Term, number: int = 1) -> None:
        """The fate of so many records is known."""
        with self._lock:
            setattr(self.counts, term, getattr(self.counts, term) + number)
            done = not self._reading and self.counts.holds
        if done:
            self._on_done(self)

    def finish_reading(self, fault: str = "") -> None:
        """No more records will come; `fault` says why the rest could not be read."""
        with self._lock:
            self.fault = fault
            self._reading = False
            done = self.counts.holds
        if done:
            self._on_done(self)
