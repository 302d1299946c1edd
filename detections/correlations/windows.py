"""Sliding windows over the events of one group, and the bursts they merge into.

A window ends at an event and reaches one timespan back, both ends included: of two events exactly
one timespan apart, the later one's window holds both. Every set of events that fits into a
timespan lies in one of these windows, so a condition that more events can only help (`gte`, `gt`,
all rules together) is met by some stretch of one timespan exactly if it is met by such a window.

Windows that meet the condition and share an event belong to one burst. A burst's events are all
those of its windows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from detections.correlations.occurrences import Counted, Firing
from detections.correlations.window_counts import Tally
from detections.finding import EVIDENCE

_LONGEST_TAIL = 10_000
"""So many events that no firing refers to are kept before they are dropped."""


@dataclass(slots=True)
class Burst:
    """One burst as it grows.

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
    """id → time of all events, where one may come again: in a correlation of correlations."""

    def add(self, counted: Counted) -> None:
        """One more of what its windows hold, not earlier than those before."""
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
        """Count the events of a correlation of correlations, each once, and put them in order."""
        if self.seen is not None:
            ordered = sorted((time, name) for name, time in self.seen.items())
            self.count = len(ordered)
            self.ids = [name for _, name in ordered[:EVIDENCE]]
            self.seen = None


class Windows:
    """One group's windows. Feed it in time's order, `end` it, and take the bursts it gives.

    `since` is the earliest end of a window that is looked at: what is fed from before it only
    fills windows. With `nested`, what is fed may be firings, whose events overlap. `on_fire` is
    told of every window that meets the condition, and whether it is its burst's first.
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
        tally: Tally,
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
        self._counted = 0  # how many of `_held`, from the left, the open burst has counted
        self._log: list[Counted] = []
        self._offset = 0  # the place in `_log` of the first one held
        self._referred = False  # whether a firing refers to `_log`

    @property
    def quiet_from(self) -> int:
        """From this time on, an event neither shares a window nor a burst with those so far."""
        return self._now + self._timespan + 1

    @property
    def held(self) -> int:
        """How many events it keeps in memory."""
        return len(self._held) + len(self._instant)

    def feed(self, event: Counted) -> Iterator[Burst]:
        """One more event, not earlier than the last; gives the burst that is over by now."""
        if self._instant and event.time != self._now:
            yield from self._settle()
        self._now = event.time
        self._instant.append(event)

    def end(self) -> Iterator[Burst]:
        """No more events; gives the bursts that are left."""
        if self._instant:
            yield from self._settle()
        yield from self._close()

    def _settle(self) -> Iterator[Burst]:
        """All events of the instant are here: look at the window that ends now."""
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
