"""Correlations by brute force: every window of every group as a set, in plain Python.

It shares no code with what it judges. Slow on purpose: nothing here is clever.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
    "eq": operator.eq,
    "neq": operator.ne,
}


@dataclass(frozen=True)
class Event:
    """One event: seconds, and whatever fields it has; a field may hold several values."""

    id: str
    time: int
    name: str
    fields: dict[str, Any] = field(default_factory=dict, hash=False)
    ingested: int = 0

    def values(self, path: str) -> list[str]:
        found = self.fields.get(path)
        if found is None:
            return []
        return sorted(set(found)) if isinstance(found, list) else [found]


@dataclass(frozen=True)
class Found:
    """A burst: its group, its events in order."""

    group: tuple[str, ...]
    ids: tuple[str, ...]
    first: int
    last: int


Rule = tuple[str, tuple[str, ...], str | None]
"""An event name, the fields that it is grouped by, the field whose values count."""


def bursts(
    events: Sequence[Event],
    *,
    type_: str,
    rules: Sequence[Rule],
    timespan: int,
    op: str = "gte",
    limit: float = 1,
    expression: Callable[[set[int]], bool] | None = None,
    percentile: int = 50,
) -> set[Found]:
    """Every burst of a correlation of plain rules."""
    groups: dict[tuple[str, ...], list[tuple[Event, frozenset[int]]]] = {}
    for event in sorted(events, key=lambda each: (each.time, each.id)):
        keys: dict[tuple[str, ...], set[int]] = {}
        for position, (name, fields, _) in enumerate(rules):
            if event.name == name:
                for key in product(*(event.values(path) for path in fields)):
                    keys.setdefault(key, set()).add(position)
        for key, parts in keys.items():
            groups.setdefault(key, []).append((event, frozenset(parts)))

    def holds(window: list[tuple[Event, frozenset[int]]]) -> bool:
        values = [
            (event.id, value)
            for event, parts in window
            for value in {
                v for part in parts if rules[part][2] for v in event.values(rules[part][2] or "")
            }
        ]
        present = {part for _, parts in window for part in parts}
        if expression is not None:
            return expression(present)
        compare = COMPARE[op]
        match type_:
            case "event_count":
                return compare(len(window), limit)
            case "value_count":
                return compare(len({value for _, value in values}), limit)
            case "temporal":
                return compare(len(present), limit)
            case "temporal_ordered":
                return compare(longest_chain(window, len(rules)), limit)
        numbers = sorted(float(value) for _, value in values if is_number(value))
        if not numbers:
            return False
        if type_ == "value_sum":
            return compare(sum(numbers), limit)
        if type_ == "value_avg":
            return compare(sum(numbers) / len(numbers), limit)
        return compare(interpolated(numbers, percentile), limit)

    return {
        Found(key, tuple(each.id for each in merged), merged[0].time, merged[-1].time)
        for key, members in groups.items()
        for merged in merge(windows(members, timespan, holds))
    }


def is_number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def windows(
    members: Sequence[tuple[Event, frozenset[int]]],
    timespan: int,
    holds: Callable[[list[tuple[Event, frozenset[int]]]], bool],
) -> list[list[Event]]:
    """The content of every window that ends at a member and meets the condition."""
    found = []
    for end in sorted({event.time for event, _ in members}):
        window = [member for member in members if end - timespan <= member[0].time <= end]
        if holds(window):
            found.append([event for event, _ in window])
    return found


def merge(found: Iterable[list[Event]]) -> list[list[Event]]:
    """Windows that share an event, put together, until none share one."""
    merged: list[dict[str, Event]] = []
    for window in found:
        new = {event.id: event for event in window}
        apart = []
        for other in merged:
            if other.keys() & new.keys():
                new |= other
            else:
                apart.append(other)
        merged = [*apart, new]
    return [sorted(each.values(), key=lambda event: (event.time, event.id)) for each in merged]


def longest_chain(window: Sequence[tuple[Event, frozenset[int]]], rules: int) -> int:
    """The most rules, in their order, that have events at times that don't decrease."""
    best = 0
    for size in range(1, rules + 1):
        for chosen in permutations(range(rules), size):
            if list(chosen) == sorted(chosen) and _chains(window, chosen):
                best = size
    return best


def _chains(window: Sequence[tuple[Event, frozenset[int]]], chosen: Sequence[int]) -> bool:
    times = [[event.time for event, parts in window if part in parts] for part in chosen]
    return any(list(taken) == sorted(taken) for taken in product(*times))


def interpolated(numbers: Sequence[float], percentile: int) -> float:
    """A percentile, between the two values it falls between."""
    place = percentile * (len(numbers) - 1) / 100
    below = int(place)
    above = min(below + 1, len(numbers) - 1)
    return numbers[below] + (place - below) * (numbers[above] - numbers[below])
