"""How many bulk requests may be in flight: fewer after a 429, then more again."""

from __future__ import annotations

import threading

_CALM = 8
"""Requests in a row without a 429 before the limit is raised by one."""


class AdaptiveLimiter:
    """A semaphore whose limit adapts: halved by a 429, raised by one after some requests without.

    Additive increase, multiplicative decrease, as TCP does it (RFC 5681).
    """

    def __init__(self, limit: int) -> None:
        self._most = limit
        self.limit = limit
        self._in = 0
        self._calm = 0
        self._free = threading.Condition()

    def __enter__(self) -> None:
        with self._free:
            while self._in >= self.limit:
                self._free.wait()
            self._in += 1

    def __exit__(self, *_: object) -> None:
        with self._free:
            self._in -= 1
            self._free.notify_all()

    def refused(self) -> None:
        """The cluster replied 429."""
        with self._free:
            self.limit = max(1, self.limit // 2)
            self._calm = 0

    def accepted(self) -> None:
        """A request was processed."""
        with self._free:
            self._calm += 1
            if self._calm >= _CALM and self.limit < self._most:
                self.limit += 1
                self._calm = 0
                self._free.notify_all()
