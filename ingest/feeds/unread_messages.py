"""Whether a queue delivers anything that can be read.

Some messages that name no object may be strays: something else writes to the queue too. If all are
such for longer than CloudTrail takes between two files, nothing is ingested, although the queue
itself works.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_MANY: Final = 10
"""So many different messages in a row, the first of them `_AFTER` seconds ago, make the queue
faulty. SQS delivers each of them several times."""
_AFTER: Final = 900.0
_SHOWN: Final = 3600.0
"""Seconds after the last of them for which the queue is faulty."""


class UnreadMessages:
    """The last messages of a queue, as far as they name no object. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_a_row: set[str] = set()
        self._first = self._last = 0.0
        self._reason = ""

    def unknown(self, identifier: str, reason: str) -> None:
        """Record a message that names no object, but should."""
        self._last, self._reason = self._clock(), reason
        if not self._in_a_row:
            self._first = self._last
        if len(self._in_a_row) < _MANY:
            self._in_a_row.add(identifier)

    def known(self) -> None:
        """Record a message that names an object, or needs none."""
        self._in_a_row.clear()

    @property
    def failing(self) -> str:
        """Why nothing can be read; empty if something can."""
        now = self._clock()
        lasts = now - self._first >= _AFTER and now - self._last <= _SHOWN
        if len(self._in_a_row) < _MANY or not lasts:
            return ""
        return f"none of its last {_MANY} messages or more names an object: {self._reason}"
