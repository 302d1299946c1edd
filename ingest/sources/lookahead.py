"""Makes requests a little before their results are used, and gives the results in order.

The threads are daemons, unlike those of `concurrent.futures`: a request that hangs must not keep a
process from ending after Ctrl-C.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Lookahead:
    """A few threads that make requests ahead. Use it as a context manager.

    >>> with Lookahead(4) as ahead:
    ...     list(ahead.map(lambda number: number * number, [1, 2, 3]))
    [(1, 1), (2, 4), (3, 9)]
    """

    def __init__(self, threads: int) -> None:
        self._window = threads
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[Any], Any], Any] | None]
        self._tasks = SimpleQueue()
        self._threads = [
            Thread(target=self._work, name=f"trailhound-list-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def map(
        self,
        call: Callable[[A], B],
        items: Iterable[A],
        *,
        only: Callable[[A], bool] = lambda _: True,
    ) -> Iterator[tuple[A, B | None]]:
        """Each item with `call(item)`, or with None where `only(item)` is false; in order.

        At most as many items are taken ahead as there are threads. What `call` raises is raised
        when its item's turn comes.
        """
        waiting: deque[tuple[A, Future[B] | None]] = deque()
        for item in items:
            waiting.append((item, self._submit(call, item) if only(item) else None))
            if len(waiting) > self._window:
                done, future = waiting.popleft()
                yield done, future.result() if future else None
        for done, future in waiting:
            yield done, future.result() if future else None

    def _submit(self, call: Callable[[A], B], item: A) -> Future[B]:
        future: Future[B] = Future()
        self._tasks.put((future, call, item))
        return future

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, call, item = task
            try:
                future.set_result(call(item))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                future.set_exception(error)

    def __enter__(self) -> Lookahead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let each thread end after its current request, without waiting for it."""
        for _ in self._threads:
            self._tasks.put(None)
