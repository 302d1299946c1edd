"""Signals that end a command: gracefully the first time where a job can, at once the second.

SIGTERM does what Ctrl-C (SIGINT) does. A command that a signal ended exits with 130, however
gracefully (`trailhound.cli.exit_codes`); `trailhound run` has handlers of its own.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from trailhound.cli.screen import err

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_stopped = threading.Event()
_STOPPING = "stopping: finishing the objects in progress (repeat to stop at once)"


class StoppableJob(Protocol):
    """A job that ends early when it is asked to."""

    def stop(self) -> None: ...


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Within, SIGTERM raises `KeyboardInterrupt`, as Ctrl-C does. For the main thread alone. A
    handler that the program around it has for SIGTERM stays."""
    _stopped.clear()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or callable(signal.getsignal(signal.SIGTERM)):
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stopped() -> bool:
    """Whether a signal has ended a job of this command (`stopped_by_signals`)."""
    return _stopped.is_set()


def note_interruption() -> None:
    """A signal has ended a job that shows what it has: the command exits with 130."""
    _stopped.set()


def forget_signal() -> None:
    """The job was done before the signal had an effect: the command exits as usual."""
    _stopped.clear()


@contextmanager
def stopped_by_signals(job: StoppableJob, message: str = _STOPPING) -> Iterator[None]:
    """A context in which the first SIGINT or SIGTERM stops the job gracefully, and the second one
    ends the command at once. `message` is printed at the first. No effect outside the main thread,
    which alone receives signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(_number: int, _frame: Any) -> None:
        _stopped.set()
        # Before the message: a second signal may come while it is written.
        for each in _SIGNALS:
            signal.signal(each, signal.default_int_handler)
        job.stop()
        with suppress(RuntimeError):  # the signal came within a write to the same stream
            err.print(message)

    before = {number: signal.signal(number, first) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
