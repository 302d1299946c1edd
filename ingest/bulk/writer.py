"""The bulk writer: batches by size and age, a few senders, bounded memory.

`add` blocks while enough requests are in flight, so memory is bounded even if the cluster is slow.
Every document ends up indexed, counted as a duplicate, or in the dead letters.
"""

from __future__ import annotations

import queue
import threading
import time

from ingest.bulk.batch import Batch
from ingest.bulk.result_handler import BulkResultHandler
from trailhound.cluster.retry_policy import RetryPolicy, Stopped
from trailhound.settings import IngestSettings
from trailhound.settings.section import MIB


class BulkWriter:
    """Sends batches in its own threads.

    `add` raises the first error of any sender, so the reader stops at the next batch.
    """

    def __init__(
        self,
        settings: IngestSettings,
        *,
        retry_policy: RetryPolicy,
        result_handler: BulkResultHandler,
    ) -> None:
        self._settings = settings
        self._retry_policy = retry_policy
        self._result_handler = result_handler
        self._batch = Batch()
        self._enough = min(settings.batch_bytes, MIB)
        """Bytes of the next request. The first ones are small, and the cluster begins early."""
        self._born = 0.0
        self._lock = threading.Lock()
        self._queue: queue.Queue[Batch | None] = queue.Queue(maxsize=1)
        self._error: BaseException | None = None
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"sender-{number}", daemon=True)
            for number in range(settings.in_flight)
        ]
        self._clock = threading.Thread(target=self._watch_age, name="age", daemon=True)
        for thread in (*self._threads, self._clock):
            thread.start()

    # The reader's side.

    def add(self, part: Batch) -> None:
        """Add documents; blocks while enough requests are in flight."""
        full = None
        with self._lock:
            self._raise_error()
            batch = self._batch
            if not batch.heads:
                self._born = time.monotonic()
            batch.join(part)
            if batch.size >= self._enough:
                full, self._batch = batch, Batch()
                self._enough = min(self._settings.batch_bytes, 2 * self._enough)
        if full is not None:
            self.submit(full)

    def flush(self) -> None:
        """Send the current batch, without waiting for the reply."""
        with self._lock:
            batch, self._batch = self._batch, Batch()
        if batch.heads:
            self.submit(batch)

    def close(self) -> None:
        """Send the rest and wait until every document has a result. Raises a sender's error."""
        self._closing.set()
        # The clock's thread may hold a batch: put in after the senders ended, it would be lost.
        self._clock.join()
        try:
            self.flush()
        finally:
            for _ in self._threads:
                self._put(None)
            for thread in self._threads:
                thread.join()
        self._raise_error()

    def halt(self) -> None:
        """Accept nothing more: the next `add` raises `Stopped`. From any thread."""
        self._error = self._error or Stopped()
        self._closing.set()

    def abandon(self) -> None:
        """Stop sending, after an error; documents without a result get none."""
        self.halt()
        for thread in (*self._threads, self._clock):
            thread.join()

    @property
    def error(self) -> BaseException | None:
        """The first error of a sender."""
        return self._error

    def submit(self, batch: Batch) -> None:
        """Send a batch without joining it with others."""
        self._put(batch)
        self._raise_error()

    def _put(self, batch: Batch | None) -> None:
        # A sender that ended takes nothing from the queue: check for its error now and then.
        while self._error is None:
            try:
                self._queue.put(batch, timeout=0.2)
            except queue.Full:
                continue
            return

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _watch_age(self) -> None:
        """A batch that is not full is sent after `batch_seconds`."""
        step = min(0.5, self._settings.batch_seconds / 2)
        while not self._closing.wait(step) and self._error is None:
            if self._batch.heads and time.monotonic() - self._born > self._settings.batch_seconds:
                self.flush_quietly()

    def flush_quietly(self) -> None:
        """`flush` for the clock's thread: a sender's error is raised in the reader."""
        with self._lock:
            batch, self._batch = self._batch, Batch()
        if batch.heads:
            self._put(batch)

    # The senders' side.

    def _work(self) -> None:
        while self._error is None:
            try:
                batch = self._queue.get(timeout=0.2)
            except queue.Empty:
                continue
            if batch is None:
                return
            try:
                self._result_handler.process(batch)
            except BaseException as error:  # noqa: BLE001 - raised in the reader
                self._error = self._error or error
                self._retry_policy.stop.set()
