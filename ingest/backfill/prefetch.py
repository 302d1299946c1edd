"""Objects fetched ahead of the reader, so that listing, fetching and indexing overlap."""

from __future__ import annotations

import io
import logging
import time
from collections import deque
from collections.abc import Iterator
from threading import Condition, Lock, Thread
from types import TracebackType
from typing import BinaryIO, Final

from ingest.objects import WHOLE_BYTES, Source, TrailObject
from ingest.sources.local import LocalSource
from ingest.sources.opening import open_object
from ingest.sources.stream import StreamSource
from trailhound.errors import ObjectUnreadableError, SourceError, SourceUnreachableError
from trailhound.internal_errors import internal_error

LOG = logging.getLogger("trailhound.prefetch")
LISTED_AHEAD: Final = 512
"""The most objects listed ahead: listing claims them, and must not claim a whole bucket."""
_NEARBY: Final = (LocalSource, StreamSource)
"""Sources that open in microseconds: handing over between threads would cost more."""
_CLOSING_SECONDS: Final = 2.0
_WAKING_SECONDS: Final = 1.0
"""The longest wait of the consumer. It is the main thread, where Python runs signal handlers: a
signal that arrives just before a wait, or in another thread, is handled only when it wakes."""

_Fetched = BinaryIO | SourceError | None
"""The bytes, or why there are none; None where the object is to be opened by the consumer."""


class Prefetcher:
    """Iterates `(object, its bytes or the error)`, fetched by threads while the consumer works.

    Objects to 16 MiB come whole in memory, in the order in which their fetching ends (so that a
    slow one holds up none); larger ones are opened when their turn comes. Fetched bytes, the ones
    the consumer has at the moment included, stay within `max_bytes`, or are one single object's.
    A stream is closed when the next one is asked for. Listing runs ahead in a thread of its own.
    From a source on this machine the order is the listing's, and only the listing runs ahead.

    Iterating raises what listing raised, once all that had been listed is handed out, and
    `SourceUnreachableError` at once where fetching finds that nothing more can be had.

    One iteration only. Use it as a context manager or `close` it: that does not wait for a request
    that hangs.
    """

    def __init__(
        self, source: Source, items: Iterator[TrailObject], *, threads: int, max_bytes: int
    ) -> None:
        """`items` is taken from, and closed, in another thread; `max_bytes` as stored."""
        self._source = source
        self._items = items
        self._max_bytes = max_bytes
        self._nearby = isinstance(source, _NEARBY)
        lock = Lock()
        self._lock = lock
        self._room = Condition(lock)
        self._work = Condition(lock)
        self._result = Condition(lock)
        self._listed: deque[TrailObject] = deque()
        self._ready: deque[tuple[TrailObject, _Fetched]] = deque()
        self._held = 0
        self._outstanding = 0
        self._ended = False
        self._error: BaseException | None = None
        self._closed = False
        self._threads = [Thread(target=self._list, name="trailhound-list", daemon=True)]
        if not self._nearby:
            self._threads += [
                Thread(target=self._fetch_all, name=f"trailhound-fetch-{number}", daemon=True)
                for number in range(threads)
            ]

    def __iter__(self) -> Iterator[tuple[TrailObject, BinaryIO | SourceError]]:
        for thread in self._threads:
            thread.start()
        try:
            while (handed := self._next()) is not None:
                item, fetched = handed
                if fetched is None:
                    fetched = self._opened(item, whole=self._nearby)
                if isinstance(fetched, SourceUnreachableError):
                    raise fetched
                yield item, fetched
                if not isinstance(fetched, Exception):
                    fetched.close()
                del fetched, handed  # the bytes are counted as gone from here on
                self._release(item)
            if self._error is not None:
                raise self._error
        finally:
            self.close()

    @property
    def ready(self) -> bool:
        """Whether the next object is there, so that to ask for it waits for nothing."""
        return bool(self._ready) or (self._nearby and bool(self._listed))

    def close(self) -> None:
        """Stops listing and fetching. A request that hangs is not waited for."""
        with self._lock:
            self._closed = True
            self._listed.clear()
            self._ready.clear()
            for condition in (self._room, self._work, self._result):
                condition.notify_all()
        until = time.monotonic() + _CLOSING_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _next(self) -> tuple[TrailObject, _Fetched] | None:
        """The next object; None at the end."""
        with self._lock:
            while True:
                if self._ready:
                    return self._ready.popleft()
                if self._nearby and self._listed:
                    return self._listed.popleft(), None
                if self._closed or (self._ended and not self._outstanding):
                    return None
                self._result.wait(_WAKING_SECONDS)

    def _release(self, item: TrailObject) -> None:
        with self._lock:
            self._held -= self._cost(item)
            self._outstanding -= 1
            if not self._nearby or self._outstanding <= LISTED_AHEAD // 2:  # not at each file:
                self._room.notify()  # two threads that wake each other cost more than reading

    def _cost(self, item: TrailObject) -> int:
        """The bytes that an object holds while it waits: none where it is opened only later."""
        return 0 if self._nearby or item.size > WHOLE_BYTES else item.size

    def _list(self) -> None:
        """The lister's thread. Memory is reserved in listing order: big objects are not starved."""
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._admit(item):
                    break
        except BaseException as raised:  # noqa: BLE001 - it is raised in the consumer
            error = raised
        finally:
            try:
                close = getattr(self._items, "close", None)
                if close is not None:
                    close()
            except BaseException as raised:  # noqa: BLE001 - likewise
                error = error or raised
            with self._lock:
                self._error = error
                self._ended = True
                self._work.notify_all()
                self._result.notify_all()

    def _admit(self, item: TrailObject) -> bool:
        """Waits for memory. False if the prefetcher has been closed meanwhile."""
        cost = self._cost(item)
        with self._lock:
            while not self._closed and (
                self._outstanding >= LISTED_AHEAD
                or (self._held and self._held + cost > self._max_bytes)
            ):
                self._room.wait()
            if self._closed:
                return False
            self._held += cost
            self._outstanding += 1
            self._listed.append(item)
            (self._result if self._nearby else self._work).notify()
        return True

    def _fetch_all(self) -> None:
        """A fetcher's thread."""
        while True:
            with self._lock:
                while not (self._listed or self._closed or self._ended):
                    self._work.wait()
                if self._closed or not self._listed:
                    return
                item = self._listed.popleft()
            fetched = None if item.size > WHOLE_BYTES else self._opened(item, whole=True)
            with self._lock:
                if self._closed:
                    return
                self._ready.append((item, fetched))
                self._result.notify()
            del fetched

    def _opened(self, item: TrailObject, *, whole: bool) -> BinaryIO | SourceError:
        """The object's bytes or the error, `whole` in memory if it is small."""
        try:
            stream = open_object(self._source, item)
            fetched = isinstance(stream, io.BytesIO) or getattr(self._source, "ready", False)
            if not whole or item.size > WHOLE_BYTES or fetched:
                return stream
            with stream:
                data = stream.read(item.size + 1)
                if len(data) > item.size:  # it has grown since it was listed
                    data += stream.read(WHOLE_BYTES - len(data) + 1)
            return io.BytesIO(data) if len(data) <= WHOLE_BYTES else self._source.open(item)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return ObjectUnreadableError(
                f"{item.uri}: reading was interrupted ({reason})",
                hint="check the disk, and run again",
            )
        except SourceError as error:
            return error
        except Exception as error:
            fault = internal_error(error)
            LOG.error("%s: %s", item.uri, fault.message, exc_info=error)
            return ObjectUnreadableError(f"{item.uri}: {fault.message}", hint=fault.hint)
