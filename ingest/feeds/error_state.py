"""A feed's errors (network, access, a missing queue): recorded, and retried with back-off."""

from __future__ import annotations

import logging
import threading
import time

from trailhound.backoff import Backoff

BACKOFF = Backoff(first=1.0, longest=60.0)


class ErrorState:
    """The last error, and how long to wait after several in a row."""

    def __init__(self, name: str, log: logging.Logger, stopping: threading.Event) -> None:
        self._name = name
        self._log = log
        self._stopping = stopping
        self._in_a_row = 0
        self.last_error = ""
        self.last_error_at = 0.0

    def backoff(self, message: str, at_most: float = BACKOFF.longest) -> None:
        """Record an error, and wait up to `at_most` seconds; returns at once if the feed stops."""
        self.record(message)
        self._in_a_row += 1
        self._stopping.wait(min(at_most, BACKOFF.seconds(self._in_a_row)))

    def record(self, message: str) -> None:
        """Record an error without waiting."""
        self.last_error, self.last_error_at = message, time.time()
        self._log.warning("%s: %s", self._name, message)

    @property
    def failing(self) -> str:
        """The error since the last success; empty if there is none."""
        return self.last_error if self._in_a_row else ""

    def clear(self) -> None:
        """Reset the back-off after a success."""
        self._in_a_row = 0
