"""Counts of a window, updated as events enter and leave it, and the test of the condition.

`enter` is called with all events of the same time at once, since their order is not known;
`leave` with one event that is now older than the window.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

from detections.correlations.occurrences import Counted
from detections.matcher.sigma_values import number

Operator = Literal["gte", "gt", "lte", "lt", "eq", "neq"]
Metric = Literal["sum", "avg", "percentile"]
OPERATORS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
    "eq": operator.eq,
    "neq": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A comparison with a number: `Threshold("gte", 5)`. With `also`, a range: all must be true."""

    op: Operator
    limit: float
    also: tuple[Threshold, ...] = ()

    def holds(self, found: int | Fraction) -> bool:
        """Whether a measure of a window meets the comparison.

        >>> Threshold("gte", 5).holds(5), Threshold("lt", 5).holds(5)
        (True, False)
        >>> between = Threshold("gt", 100, (Threshold("lte", 200),))
        >>> [between.holds(each) for each in (100, 101, 200, 201)]
        [False, True, True, False]
        """
        own = OPERATORS[self.op](found, self.limit)  # Python compares these exactly
        return own and all(each.holds(found) for each in self.also)

    @property
    def minimum(self) -> int:
        """The smallest integer that passes; 0 for conditions that small numbers meet.

        >>> Threshold("gt", 2.5).minimum, Threshold("gt", 3).minimum, Threshold("lt", 9).minimum
        (3, 4, 0)
        >>> Threshold("lte", 200, (Threshold("gt", 100),)).minimum
        101
        """
        return max([self._minimum, *(each.minimum for each in self.also)])

    @property
    def _minimum(self) -> int:
        match self.op:
            case "gte" | "eq":
                return max(0, -int(-self.limit // 1))
            case "gt":
                return max(0, int(self.limit // 1) + 1)
            case _:
                return 0


class WindowTally(Protocol):
    """The counts of a window that its condition needs."""

    def enter(self, time: int, events: Sequence[Counted]) -> None:
        """`events` are all those at `time`, which is later than all before."""

    def leave(self, event: Counted) -> None:
        """`event` is no longer in the window."""

    def holds(self, since: int) -> bool:
        """Whether the window that begins at `since` meets the condition."""


class EventCount:
    """The number of events."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._count = 0

    def enter(self, time: int, events: Sequence[Counted]) -> None:  # noqa: ARG002
        self._count += len(events)

    def leave(self, event: Counted) -> None:  # noqa: ARG002
        self._count -= 1

    def holds(self, since: int) -> bool:  # noqa: ARG002
        return self._threshold.holds(self._count)


class ValueCount:
    """The number of different values of a field."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self._values: Counter[str] = Counter()

    def enter(self, time: int, events: Sequence[Counted]) -> None:  # noqa: ARG002
        for event in events:
            self._values.update(event.values)

    def leave(self, event: Counted) -> None:
        for value in event.values:
            self._values[value] -= 1
            if not self._values[value]:
                del self._values[value]

    def holds(self, since: int) -> bool:  # noqa: ARG002
        return self._threshold.holds(len(self._values))


class Measure:
    """The sum, mean or percentile of the numbers in a field; other values are skipped.

    A window without a number meets no condition. A percentile between two values is interpolated
    between them (the median of 1 and 2 is 1.5). Sums are exact, without rounding errors.
    """

    def __init__(self, threshold: Threshold, metric: Metric, percentile: int = 50) -> None:
        self._threshold = threshold
        self._metric = metric
        self._percentile = percentile
        self._sum = Fraction(0)
        self._count = 0
        self._sorted: list[Fraction] = []

    def enter(self, time: int, events: Sequence[Counted]) -> None:  # noqa: ARG002
        for value in (value for event in events for value in _numbers(event)):
            self._sum += value
            self._count += 1
            if self._metric == "percentile":
                insort(self._sorted, value)

    def leave(self, event: Counted) -> None:
        for value in _numbers(event):
            self._sum -= value
            self._count -= 1
            if self._metric == "percentile":
                del self._sorted[bisect_left(self._sorted, value)]

    def holds(self, since: int) -> bool:  # noqa: ARG002
        if not self._count:
            return False
        match self._metric:
            case "sum":
                return self._threshold.holds(self._sum)
            case "avg":
                return self._threshold.holds(self._sum / self._count)
            case "percentile":
                place = Fraction(self._percentile * (self._count - 1), 100)
                below = int(place)
                above = min(below + 1, self._count - 1)
                step = self._sorted[above] - self._sorted[below]
                return self._threshold.holds(self._sorted[below] + (place - below) * step)


def _numbers(event: Counted) -> list[Fraction]:
    found = (number(value) for value in event.values)
    return [Fraction(value) for value in found if value is not None]


class RulesPresent:
    """Which rules have an event in the window; `enough` decides on the set of their positions."""

    def __init__(self, enough: Callable[[frozenset[int]], bool]) -> None:
        self._enough = enough
        self._parts: Counter[int] = Counter()

    def enter(self, time: int, events: Sequence[Counted]) -> None:  # noqa: ARG002
        for event in events:
            self._parts.update(event.parts)

    def leave(self, event: Counted) -> None:
        self._parts.subtract(event.parts)

    def holds(self, since: int) -> bool:  # noqa: ARG002
        return self._enough(frozenset(part for part, count in self._parts.items() if count > 0))


class RulesInOrder:
    """The number of rules with events in the order in which the rules are listed.

    Events of the same time are taken in any order, and one event may count for several
    rules. For every length and every rule, the latest start of a chain of that length which ends
    in that rule is kept. A chain lies in a window if it starts in it: no event has to be removed.
    """

    def __init__(self, threshold: Threshold, parts: int) -> None:
        self._threshold = threshold
        self._parts = parts
        # _starts[length - 1][part]: None where there is no such chain.
        self._starts: list[list[int | None]] = [[None] * parts for _ in range(parts)]

    def enter(self, time: int, events: Sequence[Counted]) -> None:
        seen = frozenset[int]().union(*(event.parts for event in events))
        # In the rules' order, so that events of the same time form a chain.
        for part in range(self._parts):
            if part not in seen:
                continue
            self._starts[0][part] = time
            for length in range(1, part + 1):
                before = [start for start in self._starts[length - 1][:part] if start is not None]
                if before:
                    self._starts[length][part] = max(before)

    def leave(self, event: Counted) -> None:
        """Nothing to do: chains that start before the window are ignored."""

    def holds(self, since: int) -> bool:
        longest = 0
        for length, starts in enumerate(self._starts, 1):
            if any(start is not None and start >= since for start in starts):
                longest = length
        return self._threshold.holds(longest)
