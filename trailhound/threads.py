"""Threads that a fault does not end, restarted with back-off and reported while they fail; and
threads for a task that ends, perhaps with a deadline.

A thread that dies of an exception leaves a process that looks healthy and does nothing. So all that
works for as long as the daemon runs is one of these: its faults are counted and kept for
`/readyz`, `trailhound status` and the metrics, and its work is started again.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar

from trailhound.backoff import Backoff
from trailhound.internal_errors import internal_error, is_internal

T = TypeVar("T")
R = TypeVar("R")

LOG = logging.getLogger("trailhound.threads")
_BACKOFF = Backoff(first=1.0, longest=60.0)
_RECENT = 60.0
"""Seconds without another fault after which a restarted thread counts as healthy."""

_ALL: weakref.WeakSet[SupervisedThread] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class ThreadStatus:
    """`fault` is why it fails now, empty while it is healthy; `restarts` since its start."""

    name: str
    restarts: int
    fault: str = ""


class SupervisedThread(threading.Thread):
    """Runs `work` until it returns or `stopping` is set; after an exception it is started again."""

    def __init__(self, work: Callable[[], None], name: str, stopping: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._stopping_event = stopping
        self._restarts = 0
        self._fault = ""
        self._fault_at = 0.0
        _ALL.add(self)

    def run(self) -> None:
        in_a_row = 0
        while True:
            began = time.monotonic()
            try:
                self._work()
            except BaseException as error:
                if self._stopping_event.is_set():
                    return
                in_a_row = 0 if time.monotonic() - began > _BACKOFF.longest else in_a_row + 1
                self._restarts += 1
                self._fault, self._fault_at = _reason(error), time.monotonic()
                LOG.error(
                    "the thread %s failed and is restarted: %s",
                    self.name,
                    self._fault,
                    exc_info=error,
                )
                self._stopping_event.wait(_BACKOFF.seconds(in_a_row))
                if self._stopping_event.is_set():
                    return
            else:
                return

    @property
    def is_wanted(self) -> bool:
        """Whether it was started and not asked to stop."""
        return self.ident is not None and not self._stopping_event.is_set()

    def status(self) -> ThreadStatus:
        """Its state now; a minute after the last fault it counts as healthy."""
        recent = self._fault and time.monotonic() - self._fault_at < _BACKOFF.longest + _RECENT
        fault = self._fault if recent else ""
        if not fault and self.is_wanted and not self.is_alive():
            fault = "it has ended"
        return ThreadStatus(self.name, self._restarts, fault)


def supervised_threads() -> list[ThreadStatus]:
    """Every supervised thread of this process that was started and not asked to stop."""
    working = [each.status() for each in list(_ALL) if each.is_wanted]
    return sorted(working, key=lambda each: each.name)


def _reason(error: BaseException) -> str:
    if is_internal(error):
        return internal_error(error).message
    return f"{type(error).__name__}: {error}"[:500]


def in_order(
    work: Callable[[T], R], values: Iterable[T], at_once: int, name: str
) -> Generator[R, None, None]:
    """As `map`, with this many calls at once, each in a thread named after `name`.

    Results are in the order of the values. After the first error, or once the iterator is closed,
    calls that have not begun are not made. Those that have are waited for only after an error of
    another call: a command that is interrupted does not wait for a call.

    >>> list(in_order(len, ["a", "bb", ""], 2, "doc"))
    [1, 2, 0]
    """
    if at_once < 2:
        yield from map(work, values)
        return
    calls = [(Future[R](), value) for value in values]
    waiting = deque(calls)

    def take() -> None:
        while True:
            try:
                done, value = waiting.popleft()
            except IndexError:
                return
            try:
                done.set_result(work(value))
            except BaseException as error:  # noqa: BLE001 - of the caller's thread
                done.set_exception(error)

    threads = [
        threading.Thread(target=take, name=f"{name}-{number}", daemon=True)
        for number in range(at_once)
    ]
    for thread in threads:
        thread.start()
    try:
        for done, _ in calls:
            yield done.result()
    except Exception:
        waiting.clear()
        for thread in threads:
            thread.join()
        raise
    finally:
        waiting.clear()


def _begun(task: Callable[[], R], name: str) -> tuple[threading.Thread, Future[R]]:
    """A task that runs in a thread of its own from now on, with what it returns or raises."""
    done: Future[R] = Future()

    def work() -> None:
        try:
            done.set_result(task())
        except BaseException as error:  # noqa: BLE001 - of the caller's thread
            done.set_exception(error)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread, done


class Beside(Generic[R]):
    """Runs tasks one after another in a thread beside its caller's.

    Its context ends with the task; if it ends with an error, what the task raises is left out. A
    command that is interrupted does not wait for the task.

    >>> with Beside[int]("doc") as beside:
    ...     beside.begin(lambda: 1)
    ...     beside.end()
    1
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._done: Future[R] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()
        elif issubclass(kind, Exception) and self._done is not None:
            wait((self._done,))

    def begin(self, task: Callable[[], R]) -> None:
        """Begin a task. The one before has ended (`end`)."""
        _, self._done = _begun(task, self._name)

    def end(self) -> R | None:
        """Wait for the task. Returns its result, None if none was begun since the last call, and
        raises what it raised."""
        done, self._done = self._done, None
        return done.result() if done is not None else None


STEPS: Final = 6
"""A deadline as a multiple of one step's timeout: name resolution, connection, TLS, responses."""


class OverdueError(Exception):
    """A task did not end within its deadline, or the one before has not ended yet; in words."""


class Deadline:
    """Runs tasks that wait for a peer, each with a deadline as a whole.

    The timeouts of connections apply to each step: a peer that sends a byte at a time would block
    its caller without limit. A task that takes longer cannot be interrupted and goes on in its
    thread, and until it ends no other is begun: at most one thread hangs.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._unfinished: threading.Thread | None = None

    def run(self, task: Callable[[], R]) -> R:
        """The result of a task. Raises what it raises, and `OverdueError`."""
        if self._unfinished is not None and self._unfinished.is_alive():
            raise OverdueError("the previous delivery has not ended yet")
        thread, done = _begun(task, self._name)
        if wait((done,), self._seconds).not_done:
            self._unfinished = thread
            raise OverdueError(f"the delivery did not end within {self._seconds:g} s")
        return done.result()
