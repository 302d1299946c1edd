"""Sweeps the events of a correlation, by time, through the windows of their groups.

Where the events come from is the caller's: the index (`correlator`), or files
(`detections.running.file_rules`). Of a correlation of correlations, the inner ones are swept first,
and their firings are merged into the events of the outer one's own rules.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from detections.correlations.correlation import Correlation
from detections.correlations.occurrences import Counted, Firing, Occurrence
from detections.correlations.parts import GroupsToRead, Interval
from detections.correlations.role_sessions import left_over
from detections.correlations.windows import Burst, Windows
from detections.events.anchors import Anchor
from detections.finding import GroupKey
from trailhound.errors import RuleError

MAX_HELD = 3_000_000
"""Events in the windows of all groups at once; more would be gigabytes of memory."""


class Occurrences(Protocol):
    """Gives the events of the plain rules of a correlation, by time."""

    def read(
        self, correlation: Correlation, interval: Interval, groups: Sequence[GroupsToRead] | None
    ) -> Iterator[tuple[GroupKey, Occurrence]]:
        """Those in an interval, of all groups or of some; none where all parts are correlations."""


class Sweep:
    """One correlation over one source of events. `max_held` limits the events in windows."""

    def __init__(
        self, correlation: Correlation, occurrences: Occurrences, max_held: int = MAX_HELD
    ) -> None:
        self._correlation = correlation
        self._occurrences = occurrences
        self._max_held = max_held

    def bursts(
        self, anchor: Anchor, groups: Sequence[GroupsToRead] | None = None
    ) -> Iterator[tuple[GroupKey, Burst]]:
        """The bursts of the windows that end in the anchor, of all groups or of some.

        Raises `RuleError` where windows hold more than `max_held` events.
        """
        return self._bursts(self._correlation, anchor, groups)

    def _bursts(
        self,
        correlation: Correlation,
        anchor: Anchor,
        groups: Sequence[GroupsToRead] | None,
        on_fire: Callable[[GroupKey, Firing, bool], None] | None = None,
    ) -> Iterator[tuple[GroupKey, Burst]]:
        """Read the events of all groups, or of some, through their windows."""
        states: dict[GroupKey, Windows] = {}
        swept = fed = 0
        for key, counted in self._counted(correlation, anchor, groups):
            windows = states.get(key)
            if windows is None:
                callback = None if on_fire is None else _to(on_fire, key)
                windows = states[key] = Windows(
                    correlation.timespan,
                    correlation.tally(),
                    anchor.since,
                    nested=correlation.nested,
                    on_fire=callback,
                )
            for burst in windows.feed(counted):
                yield key, burst
            fed += 1
            if counted.time - swept > correlation.timespan:
                swept = counted.time
                for quiet in [each for each in states if states[each].quiet_from <= swept]:
                    for burst in states.pop(quiet).end():
                        yield quiet, burst
                fed = sum(each.held for each in states.values())
            if fed > self._max_held:
                fed = sum(each.held for each in states.values())
                if fed > self._max_held:
                    raise self._too_much()
        for key, windows in states.items():
            for burst in windows.end():
                yield key, burst

    def _counted(
        self, correlation: Correlation, anchor: Anchor, groups: Sequence[GroupsToRead] | None
    ) -> Iterator[tuple[GroupKey, Counted]]:
        """The content of a correlation's windows, by time."""
        interval = correlation.around(anchor.since, anchor.until)
        plain = self._occurrences.read(correlation, interval, groups)
        if correlation.together:
            since = anchor.since - correlation.timespan
            for key, event in left_over(plain, correlation):
                if since <= event.time <= anchor.until:
                    yield key, event
            return
        if not correlation.nested:
            yield from plain
            return
        wanted = None if groups is None else {key for each in groups for key in each.keys}
        fired = [
            (key, firing)
            for position in range(len(correlation.parts))
            for key, firing in self._firings(correlation, position, interval)
            if wanted is None or key in wanted
        ]
        fired.sort(key=_time)
        yield from heapq.merge(plain, fired, key=_time)

    def _firings(
        self, correlation: Correlation, position: int, interval: Interval
    ) -> Iterator[tuple[GroupKey, Counted]]:
        """The firings of a part that is a correlation, in an interval, for the outer one.

        Where events are counted, only the first firing of each burst counts.
        """
        part = correlation.parts[position]
        below = part.rule
        if not isinstance(below, Correlation):
            return
        places = [below.group_by.index(name) for name in part.group_by]
        counting = not correlation.type.startswith("temporal")
        found: list[tuple[GroupKey, Firing, bool]] = []

        def keep(key: GroupKey, firing: Firing, first: bool) -> None:
            if firing.time >= interval[0] and (first or not counting):
                found.append((key, firing, first))
                if len(found) > self._max_held:
                    raise self._too_much()

        # One timespan more: whether a firing is its burst's first depends on the windows before.
        anchor = Anchor(interval[0] - below.timespan, interval[1])
        for _ in self._bursts(below, anchor, None, keep):
            pass
        for key, firing, _first in found:
            combined = tuple(key[below.group_by.index(name)] for name in part.counted)
            values = combined if len(combined) < 2 else (combined,)
            outer = tuple(key[place] for place in places)
            yield outer, replace(firing, parts=frozenset([position]), values=values)

    def _too_much(self) -> RuleError:
        return RuleError(
            f"correlation {self._correlation.title!r}: its windows contain more than "
            f"{self._max_held:,} events at once",
            hint="narrow its rules, shorten its timespan, or group by fields outside "
            "requestParameters and the like",
        )


def _time(item: tuple[GroupKey, Counted]) -> int:
    return item[1].time


def _to(
    on_fire: Callable[[GroupKey, Firing, bool], None], key: GroupKey
) -> Callable[[Firing, bool], None]:
    return lambda firing, first: on_fire(key, firing, first)
