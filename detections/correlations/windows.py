"""Sliding windows over the events of one group, and the bursts they merge into.

A window ends at an event and starts one timespan before it, both ends included: of two events
exactly one timespan apart, the later one's window contains both. Every set of events within a
timespan is in one of these windows, so a monotonic condition (`gte`, `gt`, all rules together) is
met by some interval of one timespan if and only if it is met by such a window.

Windows that meet the condition and share an event belong to one burst. A burst's events are all
those of its windows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from detections.correlations.occurrences import Counted, Firing
from detections.correlations.window_counts import WindowTally
from detections.finding import EVIDENCE

_LONGEST_TAIL = 10_000
"""Events without a firing that refers to them are dropped beyond this number."""


@dataclass(slots=True)
class Burst:
    """A burst, complete after `close`. Times are in milliseconds.

    `first` and `last` are times of events, `ids` are of the earliest ones. `first_fired` and
    `fired` are the ends of its first and last window, and `start` is where the first one's
    content begins: of a correlation of correlations that is a firing, and events lie before it.
    """

    start: int
    first: int
    last: int
    first_fired: int
    fired: int
    ids: list[str] = field(default_factory=list)
    count: int = 0
    touched: bool = False
    seen: dict[str, int] | None = None
    """id → time of all events in a correlation of correlations, where an event may be added
    twice."""

    def add(self, counted: Counted) -> None:
        """Adds an event or firing of its windows, not earlier than those before."""
        for event in counted.events():
            self.touched |= event.touched
            self.first = min(self.first, event.time)
            self.last = max(self.last, event.time)
            if self.seen is not None:
                self.seen[event.id] = event.time
                continue
            self.count += 1
            if len(self.ids) < EVIDENCE:
                self.ids.append(event.id)

    def close(self) -> None:
        """Counts and sorts the events of a correlation of correlations, each once."""
        if self.seen is not None:
            ordered = sorted((time, name) for name, time in self.seen.items())
            self.count = len(ordered)
            self.ids = [name for _, name in ordered[:EVIDENCE]]
            self.seen = None


class Windows:
    """The windows of one group. `feed` it by time, `end` it, and take the bursts that both yield.

    `since` is the earliest end of an evaluated window: earlier events only fill windows. With
    `nested`, it may be fed firings, whose events overlap. `on_fire` is called with every window
    that meets the condition, and whether it is the first of its burst.
    """

    __slots__ = (
        "_burst",
        "_counted",
        "_held",
        "_instant",
        "_log",
        "_nested",
        "_now",
        "_offset",
        "_on_fire",
        "_referred",
        "_since",
        "_tally",
        "_timespan",
    )

    def __init__(
        self,
        timespan: int,
        tally: WindowTally,
        since: int,
        *,
        nested: bool = False,
        on_fire: Callable[[Firing, bool], None] | None = None,
    ) -> None:
        self._timespan = timespan
        self._tally = tally
        self._since = since
        self._nested = nested
        self._on_fire = on_fire
        self._held: deque[Counted] = deque()
        self._instant: list[Counted] = []
        self._now = 0
        self._burst: Burst | None = None
        self._counted = 0  # number of `_held`, from the left, that the open burst has counted
        self._log: list[Counted] = []
        self._offset = 0  # the place in `_log` of the first one held
        self._referred = False  # whether a firing refers to `_log`

    @property
    def quiet_from(self) -> int:
        """From this time on, events share neither a window nor a burst with earlier ones."""
        return self._now + self._timespan + 1

    @property
    def held(self) -> int:
        """The number of events in memory."""
        return len(self._held) + len(self._instant)

    def feed(self, event: Counted) -> Iterator[Burst]:
        """Adds an event, not earlier than the last. Yields the burst that has ended, if any."""
        if self._instant and event.time != self._now:
            yield from self._evaluate()
        self._now = event.time
        self._instant.append(event)

    def end(self) -> Iterator[Burst]:
        """No more events follow. Yields the remaining bursts."""
        if self._instant:
            yield from self._evaluate()
        yield from self._close()

    def _evaluate(self) -> Iterator[Burst]:
        """All events of this time are here: evaluates the window that ends now."""
        start = self._now - self._timespan
        while self._held and self._held[0].time < start:
            self._tally.leave(self._held.popleft())
            self._counted = max(0, self._counted - 1)
            self._offset += 1
        self._tally.enter(self._now, self._instant)
        self._held.extend(self._instant)
        if self._on_fire is not None:
            if not self._referred and self._offset > _LONGEST_TAIL:
                self._log, self._offset = list(self._held)[: -len(self._instant)], 0
            self._log.extend(self._instant)
        self._instant = []
        if self._burst and self._burst.fired < start:
            yield from self._close()
        if self._now >= self._since and self._tally.holds(start):
            self._fire()

    def _fire(self) -> None:
        opened = self._burst is None
        if self._burst is None:
            first = self._held[0].time
            self._burst = Burst(first, first, self._now, self._now, self._now)
            self._burst.seen = {} if self._nested else None
            self._counted = 0
        self._burst.fired = self._now
        # The uncounted ones are at the right end; a deque is slow to index in its middle.
        fresh = len(self._held) - self._counted
        newest = [self._held[-place] for place in range(1, fresh + 1)]
        for event in reversed(newest):
            self._burst.add(event)
        self._counted = len(self._held)
        if self._on_fire is not None:
            self._referred = True
            self._on_fire(Firing(self._now, self._log, self._offset, len(self._log)), opened)

    def _close(self) -> Iterator[Burst]:
        if self._burst:
            self._burst.close()
            yield self._burst
            self._burst = None
            self._counted = 0
