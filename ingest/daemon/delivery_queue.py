"""What the feeds announce, on its way to the reader: bounded, claimed, and told what became of it.

An arrival takes a place when it is announced and gives it back when it is settled, so that a
cluster that is away fills the places and no more, and the rest waits where it came from.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from ingest.feeds.feed import Delivery, Outcome
from ingest.ledger import Ledger
from ingest.objects import Selection, TrailObject
from trailhound.errors import ObjectUnreadableError, SourceUnreachableError

_AT_ONCE = 256
_LOOK_UP = 0.2
_PARKED_SECONDS = 2.0


class DeliveryQueue:
    """Arrivals between the feeds' threads and the reader's.

    For the prefetcher it is a source: `claimed` lists, `open` fetches from where an object came.
    """

    ignored = 0

    def __init__(self, places: int) -> None:
        self._places = threading.Semaphore(places)
        self._waiting: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: dict[str, Delivery] = {}
        """By `uri`: claimed here and not settled."""
        self._parked: list[tuple[float, Delivery]] = []
        """Those that are under way elsewhere, and when (monotonic) to look again."""
        self._outcomes: Counter[str] = Counter()
        self._closed = threading.Event()

    # The feeds' side.

    def announce(self, arrival: Delivery) -> bool:
        """Take an arrival; blocks while there is no place. False once closed: it is returned."""
        while not self._closed.is_set():
            if self._places.acquire(timeout=_LOOK_UP):
                self._waiting.put(arrival)
                return True
        arrival.settle(Outcome.RETURNED)
        return False

    def close(self) -> None:
        """Take no more, and claim no more."""
        self._closed.set()

    def give_back(self) -> int:
        """Return whatever is not settled; how many there were."""
        with self._lock:
            left = [*self._open.values(), *(arrival for _, arrival in self._parked)]
            self._open.clear()
            self._parked.clear()
        while True:
            try:
                left.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        for arrival in left:
            self._end(arrival, Outcome.RETURNED)
        return len(left)

    # The reader's side.

    @property
    def in_flight(self) -> int:
        """Objects that are claimed and not settled."""
        return len(self._open)

    def claimed(self, ledger: Ledger, ended: threading.Event) -> Iterator[TrailObject]:
        """Objects to read, each claimed, as they come; until closed or `ended`."""
        while group := self._next(ended):
            first: dict[str, Delivery] = {}
            for arrival in group:
                if arrival.item.uri in first or arrival.item.uri in self._open:
                    self._park(arrival)
                else:
                    first[arrival.item.uri] = arrival
            with self._lock:
                self._open |= first
            taken, busy = ledger.take([arrival.item for arrival in first.values()])
            for item in busy:
                with self._lock:
                    self._open.pop(item.uri, None)
                self._park(first.pop(item.uri))
            wanted = {item.uri for item in taken}
            for uri, arrival in first.items():
                if uri not in wanted:
                    self.settle(arrival.item, Outcome.SKIPPED)
            yield from taken

    def _park(self, arrival: Delivery) -> None:
        """Under way already, here or at another worker: looked at again when its fate is known.

        It keeps its place, and its message stays hidden: handed back, it would soon have been
        received too often for its queue's redrive policy.
        """
        with self._lock:
            self._parked.append((time.monotonic() + _PARKED_SECONDS, arrival))

    def _next(self, ended: threading.Event) -> list[Delivery]:
        """What has been announced, as soon as there is any; empty at the end."""
        while not (self._closed.is_set() or ended.is_set()):
            group = self._due()
            try:
                while len(group) < _AT_ONCE:
                    group.append(self._waiting.get(timeout=0 if group else _LOOK_UP))
            except queue.Empty:
                pass
            if group:
                return group
        return []

    def _due(self) -> list[Delivery]:
        """Parked arrivals whose time has come."""
        now = time.monotonic()
        with self._lock:
            due = [arrival for moment, arrival in self._parked if moment <= now][:_AT_ONCE]
            left = set(map(id, due))
            self._parked = [each for each in self._parked if id(each[1]) not in left]
        return due

    @property
    def outcomes(self) -> dict[str, int]:
        """Arrivals settled so far, by outcome in lower case."""
        with self._lock:
            return dict(self._outcomes)

    def arrival(self, item: TrailObject) -> Delivery | None:
        """The arrival of an object that is claimed and not settled."""
        return self._open.get(item.uri)

    def settle(self, item: TrailObject, outcome: Outcome) -> None:
        """Tell the feed what became of an object, once."""
        with self._lock:
            arrival = self._open.pop(item.uri, None)
        if arrival is not None:
            self._end(arrival, outcome)

    def _end(self, arrival: Delivery, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes[outcome.name.lower()] += 1
        self._places.release()
        arrival.settle(outcome)

    # A source, for the prefetcher.

    def objects(self, _: Selection) -> Iterator[TrailObject]:
        """Nothing: what there is to read comes from `claimed`."""
        return iter(())

    def open(self, item: TrailObject) -> BinaryIO:
        """The object's bytes. A source that is gone fails its own objects, not the daemon."""
        arrival = self.arrival(item)
        if arrival is None:
            raise ObjectUnreadableError(f"{item.uri}: handed back meanwhile")
        try:
            return arrival.source.open(item)
        except SourceUnreachableError as error:
            raise Unreachable(error.message, hint=error.hint) from error


class Unreachable(ObjectUnreadableError):
    """An object that cannot be read because its whole source cannot. Internal: it is returned."""
