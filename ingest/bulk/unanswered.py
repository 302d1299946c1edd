"""The bulk requests without a reply, so that a copy of a record in one of them waits for that.

CloudTrail delivers many events twice within minutes, so a copy is often in the next request while
its record is still in this one. The cluster refuses the copy as a conflict. To read the stored
record, for a comparison, makes it refresh the index; the other request's reply says as much.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from ingest.bulk.batch import Batch

_SECONDS: Final = 5.0
"""How long a reply is waited for: one that is late may be retried for as long as the cluster is
busy."""


class Unanswered:
    """Batches that were sent and whose stored records are not remembered yet. Many threads share
    one."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._batches: list[Batch] = []
        self._changed = threading.Condition()

    def add(self, batch: Batch) -> None:
        """Note a batch about to be sent."""
        with self._changed:
            self._batches.append(batch)

    def discard(self, batch: Batch) -> None:
        """Note that what is stored of a batch is remembered, or that it was given up."""
        with self._changed:
            self._batches = [each for each in self._batches if each is not batch]
            self._changed.notify_all()

    def wait_for(self, digests: Iterable[int]) -> bool:
        """Wait until no batch has one of these records; False if none had. Call it after `discard`
        of one's own: two that wait for each other would wait for ever."""
        wanted = frozenset(digests)
        with self._changed:
            holding = [each for each in self._batches if not wanted.isdisjoint(each.digests)]
            self._changed.wait_for(
                lambda: not any(each is held for each in self._batches for held in holding),
                self._seconds,
            )
        return bool(holding)
