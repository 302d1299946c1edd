"""Signals that end a command gracefully, and the second one that ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from trailhound.cli.screen import err


class Stoppable(Protocol):
    """A job that ends early when told to."""

    def stop(self) -> None: ...


@contextmanager
def stopped_by_signals(job: Stoppable) -> Iterator[None]:
    """The first SIGINT or SIGTERM finishes what is under way; the second one stops at once."""

    def first(number: int, _frame: Any) -> None:
        err.print("stopping: finishing what is under way (once more to stop at once)")
        signal.signal(number, signal.default_int_handler)
        job.stop()

    before = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
