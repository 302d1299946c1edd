"""Deliveries from the feeds to the reader: bounded, claimed, and finished with an outcome.

A delivery counts against the capacity from `submit` to `finish`, so that the queue is bounded while
the cluster is unreachable, and the rest waits at its source.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, TypeVar

from ingest.feeds.feed import Delivery, Outcome
from ingest.ledger.ledger import Ledger
from ingest.objects import Selection, Source, TrailObject
from trailhound.backoff import Backoff
from trailhound.cluster.retry_policy import Stopped
from trailhound.errors import (
    BucketNotFoundError,
    ClusterError,
    ObjectUnreadableError,
    SourceError,
    SourceUnreachableError,
)

T = TypeVar("T")

_AT_ONCE = 256
_LOOK_UP = 0.2
_POSTPONED_SECONDS = 2.0
_DEFERRAL = Backoff(first=5.0, longest=30.0)
_MOST_FAULTY = 1_000
_MOST_URI = 8_192
"""The most bytes of an object's name, which is a keyword in the ledger; no store has longer
names."""
_MOST_ETAG = 1_024
_MOST_SIZE = 2**63 - 1


class DeliveryQueue:
    """Deliveries between the feeds' threads and the reader's.

    For the prefetcher it is a source: `claimed` lists, `open` fetches from where an object came.
    """

    ignored: Mapping[str, int] = MappingProxyType({})

    def __init__(self, capacity: int) -> None:
        self._free = threading.Semaphore(capacity)
        self._waiting: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: dict[str, Delivery] = {}
        """By `uri`: claimed here and not finished."""
        self._postponed: list[tuple[float, Delivery]] = []
        """Those that another worker has or that are deferred, and when (monotonic) to try again."""
        self._outcomes: Counter[str] = Counter()
        self._closed = threading.Event()
        self._capacity = capacity
        self._claimed_at: dict[str, float] = {}
        """By `uri`, of those that are open: when (monotonic) it was claimed."""
        self._deferred: Counter[str] = Counter()
        """By `uri`: how often it was deferred for a fault outside of it."""
        self._suspects: set[str] = set()
        """Those that were open when an internal error ended a session: read again one by one."""
        self._faulty: dict[tuple[str, str], str] = {}
        """Those that ended a session while they were read alone, by `uri` and etag: why."""
        self.problem: Callable[[str, str], None] = lambda _uri, _reason: None
        """Called with an object that could not even be claimed, and why."""

    # The feeds' side.

    def submit(self, delivery: Delivery) -> bool:
        """Accept a delivery; blocks while the queue is full. False once closed: it is returned."""
        if reason := unusable(delivery.item):
            self._refuse(delivery, reason)
            return True
        while not self._closed.is_set():
            if self._free.acquire(timeout=_LOOK_UP):
                self._waiting.put(delivery)
                return True
        delivery.finish(Outcome.RETURNED)
        return False

    def close(self) -> None:
        """Accept and claim nothing more."""
        self._closed.set()

    def give_back(self) -> int:
        """Return all unfinished deliveries to their feeds. Returns their number."""
        with self._lock:
            left = [*self._open.values(), *(delivery for _, delivery in self._postponed)]
            self._open.clear()
            self._claimed_at.clear()
            self._postponed.clear()
        while True:
            try:
                left.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        for delivery in left:
            self._end(delivery, Outcome.RETURNED)
        return len(left)

    # The reader's side.

    @property
    def in_flight(self) -> int:
        """Objects that are claimed and not finished."""
        return len(self._open)

    def claimed(self, ledger: Ledger, ended: threading.Event) -> Iterator[TrailObject]:
        """Claimed objects to read, as they arrive; until closed or `ended`."""
        while group := self._next(ended):
            yield from self._claim(ledger, group)

    def _claim(self, ledger: Ledger, group: list[Delivery]) -> list[TrailObject]:
        """Claim a group; returns those to read here. The rest is finished or postponed.

        An object that makes the ledger's request fail is found by halving.
        """
        first: dict[str, Delivery] = {}
        for delivery in group:
            if delivery.item.uri in first or delivery.item.uri in self._open:
                self._postpone(delivery)
            else:
                first[delivery.item.uri] = delivery
        if not first:  # all of them are in flight already
            return []
        with self._lock:
            self._open |= first
            self._claimed_at |= dict.fromkeys(first, time.monotonic())
        try:
            taken, busy = ledger.take([delivery.item for delivery in first.values()])
        except (ClusterError, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - see above
            for uri in first:
                self._take_out(uri)
            deliveries = list(first.values())
            if len(deliveries) == 1:
                self._free.release()
                self._refuse(
                    deliveries[0], f"it cannot be claimed: {type(error).__name__}: {error}"
                )
                return []
            middle = len(deliveries) // 2
            return self._claim(ledger, deliveries[:middle]) + self._claim(
                ledger, deliveries[middle:]
            )
        for item in busy:
            self._take_out(item.uri)
            self._postpone(first.pop(item.uri))
        wanted = {item.uri for item in taken}
        for uri, delivery in first.items():
            if uri not in wanted:
                self.finish(delivery.item, Outcome.SKIPPED)
        return taken

    def _take_out(self, uri: str) -> Delivery | None:
        with self._lock:
            self._claimed_at.pop(uri, None)
            return self._open.pop(uri, None)

    def _refuse(self, delivery: Delivery, reason: str) -> None:
        """Finish a delivery as failed without reading it."""
        self.problem(delivery.item.uri, reason)
        with self._lock:
            self._outcomes[Outcome.FAILED.name.lower()] += 1
        delivery.finish(Outcome.FAILED)

    # Faults.

    def defer(self, item: TrailObject) -> None:
        """Read an object again later, after a fault that is not its own (a full disk).

        Its message stays hidden, so that its queue does not count another receipt. Deferred
        objects take at most half of the capacity: the others are returned to their feed.
        """
        with self._lock:
            self._deferred[item.uri] += 1
            wait = _DEFERRAL.at_most(self._deferred[item.uri])
            self._claimed_at.pop(item.uri, None)
            full = len(self._postponed) >= self._capacity // 2
            delivery = None if full else self._open.pop(item.uri, None)
            if delivery is not None:
                self._postponed.append((time.monotonic() + wait, delivery))
        if full:
            self.finish(item, Outcome.RETURNED)

    def suspect(self, reason: str) -> str:
        """Find the object at fault after an internal error ended a session; "" if it may be any.

        The open objects become suspects, each of which is read alone. An object that was alone is
        at fault, and fails from now on with this reason.
        """
        with self._lock:
            open_now = list(self._open.values())
            if len(open_now) == 1:
                item = open_now[0].item
                while len(self._faulty) >= _MOST_FAULTY:
                    self._faulty.pop(next(iter(self._faulty)))
                self._faulty[item.uri, item.etag] = reason
                self._suspects.discard(item.uri)
                return item.uri
            self._suspects |= {delivery.item.uri for delivery in open_now}
        return ""

    def longest_open(self) -> tuple[str, float]:
        """The object claimed first of those not finished, and the seconds since then."""
        with self._lock:
            if not self._claimed_at:
                return "", 0.0
            uri = min(self._claimed_at, key=self._claimed_at.__getitem__)
            return uri, time.monotonic() - self._claimed_at[uri]

    def _postpone(self, delivery: Delivery, seconds: float = _POSTPONED_SECONDS) -> None:
        """Postpone a delivery whose object is in flight already, here or at another worker.

        It counts against the capacity, and its message stays hidden: returned, it would soon have
        been received too often for its queue's redrive policy.
        """
        with self._lock:
            self._postponed.append((time.monotonic() + seconds, delivery))

    def _next(self, ended: threading.Event) -> list[Delivery]:
        """The submitted deliveries, as soon as there are any; empty at the end."""
        while not (self._closed.is_set() or ended.is_set()):
            group = self._due()
            try:
                while len(group) < _AT_ONCE:
                    group.append(self._waiting.get(timeout=0 if group else _LOOK_UP))
            except queue.Empty:
                pass
            if group := self._one_by_one(group):
                return group
        return []

    def _one_by_one(self, group: list[Delivery]) -> list[Delivery]:
        """The group; if it has a suspect, only that one, once nothing else is open."""
        if not self._suspects:
            return group
        if self._suspects & self._open.keys():  # the one under test
            chosen = None
        else:
            chosen = next((each for each in group if each.item.uri in self._suspects), None)
            if chosen is None:
                return group
            if self._open:
                chosen = None
        for delivery in group:
            if delivery is not chosen:
                self._postpone(delivery, _LOOK_UP)
        return [chosen] if chosen is not None else []

    def _due(self) -> list[Delivery]:
        """Postponed deliveries that are due."""
        now = time.monotonic()
        with self._lock:
            due = [delivery for moment, delivery in self._postponed if moment <= now][:_AT_ONCE]
            left = set(map(id, due))
            self._postponed = [each for each in self._postponed if id(each[1]) not in left]
        return due

    @property
    def outcomes(self) -> dict[str, int]:
        """Finished deliveries, by outcome in lower case."""
        with self._lock:
            return dict(self._outcomes)

    def delivery(self, item: TrailObject) -> Delivery | None:
        """The delivery of an object that is claimed and not finished."""
        return self._open.get(item.uri)

    def finish(self, item: TrailObject, outcome: Outcome) -> None:
        """Report an object's outcome to its feed, once."""
        delivery = self._take_out(item.uri)
        if delivery is None:
            return
        if outcome is not Outcome.RETURNED:
            with self._lock:
                self._suspects.discard(item.uri)
                self._deferred.pop(item.uri, None)
        self._end(delivery, outcome)

    def _end(self, delivery: Delivery, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes[outcome.name.lower()] += 1
        self._free.release()
        delivery.finish(outcome)

    # A source, for the prefetcher.

    def objects(self, _: Selection) -> Iterator[TrailObject]:
        """Always empty: objects to read come from `claimed`."""
        return iter(())

    def open(self, item: TrailObject) -> BinaryIO:
        """The object's bytes. An unreachable source fails its own objects, not the daemon."""
        return self._of_source(item, lambda source: source.open(item))

    def head(self, item: TrailObject, size: int) -> bytes:
        """The object's first bytes. Raises as `open` does."""
        return self._of_source(item, lambda source: source.head(item, size))

    def _of_source(self, item: TrailObject, ask: Callable[[Source], T]) -> T:
        delivery = self.delivery(item)
        if delivery is None:
            raise ObjectUnreadableError(f"{item.uri}: returned meanwhile")
        if reason := self._faulty.get((item.uri, item.etag)):
            raise ObjectUnreadableError(f"{item.uri}: {reason}")
        try:
            return ask(delivery.source)
        except SourceUnreachableError as error:
            no_bucket = isinstance(error, BucketNotFoundError)
            raise Unreachable(error.message, hint=error.hint, no_bucket=no_bucket) from error
        except (SourceError, OSError):
            raise
        except Exception as error:
            raise ObjectUnreadableError(
                f"{item.uri}: opening it failed ({type(error).__name__}: {error})"
            ) from error


class Unreachable(ObjectUnreadableError):
    """An object cannot be read because its whole source cannot. Internal: the object is returned.

    `no_bucket`: its bucket does not exist.
    """

    def __init__(self, message: str, *, hint: str = "", no_bucket: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.no_bucket = no_bucket


def unusable(item: TrailObject) -> str:
    """Why an object can't have a ledger entry; empty if it can.

    >>> unusable(TrailObject("s3://b/k", "e", 2**64))
    'its size (18446744073709551616) is not possible for an object'
    """
    try:
        if len(item.uri.encode()) > _MOST_URI:
            return f"its name is longer than {_MOST_URI:,} bytes"
        item.etag.encode()
    except UnicodeEncodeError:
        return "its name or etag is not Unicode text (a lone surrogate)"
    if len(item.etag) > _MOST_ETAG:
        return f"its etag is longer than {_MOST_ETAG:,} characters"
    if not 0 <= item.size <= _MOST_SIZE:
        return f"its size ({item.size}) is not possible for an object"
    return ""
