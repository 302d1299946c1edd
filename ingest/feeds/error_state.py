"""A feed's errors (network, access, a missing queue): recorded, and retried with backoff."""

from __future__ import annotations

import logging
import random
import threading
import time

_FIRST = 1.0
_LONGEST = 60.0


class ErrorState:
    """The last error, and how long to wait after so many in a row (exponential, with jitter)."""

    def __init__(self, name: str, log: logging.Logger, stopping: threading.Event) -> None:
        self._name = name
        self._log = log
        self._stopping = stopping
        self._in_a_row = 0
        self.last_error = ""
        self.last_error_at = 0.0

    def backoff(self, message: str, at_most: float = _LONGEST) -> None:
        """Record an error, and wait up to `at_most` seconds; returns at once if the feed stops."""
        self.record(message)
        longest = min(at_most, _FIRST * 2 ** min(self._in_a_row, 10))
        self._in_a_row += 1
        self._stopping.wait(random.uniform(0.5, 1.0) * longest)

    def record(self, message: str) -> None:
        """Record an error without waiting."""
        self.last_error, self.last_error_at = message, time.time()
        self._log.warning("%s: %s", self._name, message)

    @property
    def failing(self) -> str:
        """The error since the last success; empty if there is none."""
        return self.last_error if self._in_a_row else ""

    def clear(self) -> None:
        """Reset the backoff after a success."""
        self._in_a_row = 0
