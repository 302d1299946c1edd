"""Correlations by brute force: every window of every group as a list, in plain Python.

It shares no code with what it judges. Slow on purpose: nothing here is clever.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
    "eq": operator.eq,
    "neq": operator.ne,
}
Key = tuple[str, ...]


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
class Member:
    """What a window holds: an event, or a firing with the events behind it."""

    time: int
    events: frozenset[Event]
    parts: frozenset[int]
    values: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Found:
    """A burst: its group, its events in order."""

    group: Key
    ids: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True)
class Plain:
    """A rule on an event name; `group_by` and `field` are its own fields."""

    name: str
    group_by: tuple[str, ...] = ()
    field: str | None = None


@dataclass(frozen=True)
class Spec:
    """A correlation. As a part of another one, `places` says which of its group-by values make
    the other's group, and `place` which one is counted there."""

    type: str
    rules: tuple[Plain | Spec, ...]
    timespan: int
    op: str = "gte"
    limit: float = 1
    most: float = float("inf")
    expression: Callable[[set[int]], bool] | None = None
    percentile: int = 50
    places: tuple[int, ...] = ()
    place: int | None = None


def bursts(events: Sequence[Event], spec: Spec) -> set[Found]:
    """Every burst of a correlation."""
    found = set()
    for key, windows in firings(events, spec).items():
        for merged in merge(windows):
            behind = {event for member in merged for event in member.events}
            ordered = sorted(behind, key=lambda event: (event.time, event.id))
            ids = tuple(event.id for event in ordered)
            found.add(Found(key, ids, ordered[0].time, ordered[-1].time))
    return found


def left_over(events: Sequence[Event], apart: Spec, together: Spec) -> set[Found]:
    """The bursts of events that are in no burst of `apart`, which groups them more finely."""
    taken = {name for each in bursts(events, apart) for name in each.ids}
    return bursts([event for event in events if event.id not in taken], together)


def firings(events: Sequence[Event], spec: Spec) -> dict[Key, list[list[Member]]]:
    """By group, the content of every window that meets the condition, in time's order."""
    found = {}
    for key, members in grouped(events, spec).items():
        windows = []
        for end in sorted({member.time for member in members}):
            window = [each for each in members if end - spec.timespan <= each.time <= end]
            if holds(spec, window):
                windows.append(window)
        found[key] = windows
    return found


def grouped(events: Sequence[Event], spec: Spec) -> dict[Key, list[Member]]:
    groups: dict[Key, dict[Any, Member]] = {}

    def put(key: Key, mark: Any, member: Member) -> None:
        group = groups.setdefault(key, {})
        before = group.get(mark)
        if before is not None:  # one event that several rules find is one member
            member = Member(
                member.time,
                member.events,
                member.parts | before.parts,
                member.values | before.values,
            )
        group[mark] = member

    for position, rule in enumerate(spec.rules):
        parts = frozenset([position])
        if isinstance(rule, Plain):
            for event in events:
                if event.name != rule.name:
                    continue
                values = frozenset(event.values(rule.field) if rule.field else ())
                for key in product(*(event.values(path) for path in rule.group_by)):
                    put(key, event.id, Member(event.time, frozenset([event]), parts, values))
            continue
        for inner, windows in firings(events, rule).items():
            chosen = windows
            if not spec.type.startswith("temporal"):
                chosen = [
                    window
                    for place, window in enumerate(windows)
                    if not any(set(window) & set(before) for before in windows[:place])
                ]
            for window in chosen:
                time = max(member.time for member in window)
                behind = frozenset(event for member in window for event in member.events)
                values = frozenset() if rule.place is None else frozenset([inner[rule.place]])
                key = tuple(inner[place] for place in rule.places)
                put(key, (position, inner, time), Member(time, behind, parts, values))
    return {key: list(group.values()) for key, group in groups.items()}


def holds(spec: Spec, window: Sequence[Member]) -> bool:
    present = {part for member in window for part in member.parts}
    if spec.expression is not None:
        return spec.expression(present)

    def compare(found: float, limit: float) -> bool:
        return COMPARE[spec.op](found, limit) and found <= spec.most

    match spec.type:
        case "event_count":
            return compare(len(window), spec.limit)
        case "value_count":
            return compare(len({v for member in window for v in member.values}), spec.limit)
        case "temporal":
            return compare(len(present), spec.limit)
        case "temporal_ordered":
            return compare(longest_chain(window, len(spec.rules)), spec.limit)
    numbers = sorted(float(v) for member in window for v in member.values if is_number(v))
    if not numbers:
        return False
    if spec.type == "value_sum":
        return compare(sum(numbers), spec.limit)
    if spec.type == "value_avg":
        return compare(sum(numbers) / len(numbers), spec.limit)
    return compare(interpolated(numbers, spec.percentile), spec.limit)


def merge(windows: Iterable[list[Member]]) -> list[set[Member]]:
    """Windows that share a member, put together, until none share one."""
    merged: list[set[Member]] = []
    for window in windows:
        new = set(window)
        apart = []
        for other in merged:
            if other & new:
                new |= other
            else:
                apart.append(other)
        merged = [*apart, new]
    return merged


def longest_chain(window: Sequence[Member], rules: int) -> int:
    """The most rules, in their order, that have events at times that don't decrease."""
    return max(
        (
            size
            for size in range(1, rules + 1)
            for chosen in combinations(range(rules), size)
            if any(
                list(taken) == sorted(taken)
                for taken in product(
                    *([each.time for each in window if part in each.parts] for part in chosen)
                )
            )
        ),
        default=0,
    )


@dataclass(frozen=True)
class SameSecond:
    """What a correlation finds, of rules A and B within ten seconds, where events share a second:
    `calls` are rule, second and region of each, `found` the numbers of those in its one burst."""

    type: str
    condition: dict[str, Any] | str
    calls: tuple[tuple[str, int, str], ...]
    found: tuple[int, ...] = ()

    def events(self) -> list[Event]:
        return [
            Event(f"e{number}", second, name, {"awsRegion": region})
            for number, (name, second, region) in enumerate(self.calls)
        ]

    def correlation(self) -> dict[str, Any]:
        """The body of the correlation."""
        rules = ["A", "B"] if self.type.startswith("temporal") else ["A"]
        return {
            "type": self.type,
            "rules": rules,
            "timespan": "10s",
            "condition": self.condition,
        }

    @property
    def ids(self) -> list[list[str]]:
        """The ids of the events of every burst."""
        return [[f"e{number}" for number in self.found]] if self.found else []


def at_seconds(*seconds: int) -> tuple[tuple[str, int, str], ...]:
    """Calls of A."""
    return tuple(("A", second, "eu") for second in seconds)


BETWEEN = {"gt": 2, "lte": 3}
VALUES = {"eq": 2, "field": "awsRegion"}
TOGETHER = (("A", 0, "eu"), ("B", 0, "eu"))
SAME_SECOND = (
    SameSecond("event_count", {"eq": 3}, at_seconds(0, 1, 2, 3), (0, 1, 2)),
    SameSecond("event_count", {"eq": 3}, at_seconds(0, 0, 1, 1)),
    SameSecond("event_count", {"eq": 3}, at_seconds(0, 0, 0), (0, 1, 2)),
    SameSecond("event_count", {"eq": 3}, at_seconds(0, 0, 0, 0)),
    SameSecond("event_count", BETWEEN, at_seconds(0, 0, 1, 2), (0, 1, 2)),
    SameSecond("event_count", BETWEEN, at_seconds(0, 0, 1, 1)),
    SameSecond("event_count", {"lt": 3}, at_seconds(0, 0, 1), (0, 1)),
    SameSecond("event_count", {"lt": 3}, at_seconds(0, 0, 0)),
    SameSecond("value_count", VALUES, (("A", 0, "eu"), ("A", 1, "us"), ("A", 2, "ap")), (0, 1)),
    SameSecond("value_count", VALUES, (("A", 0, "eu"), ("A", 1, "us"), ("A", 1, "ap"))),
    SameSecond("temporal", "A and not B", (("A", 0, "eu"), ("B", 1, "eu")), (0,)),
    SameSecond("temporal", "A and not B", TOGETHER),
    SameSecond("temporal_ordered", {"gte": 2}, TOGETHER, (0, 1)),
    SameSecond("temporal_ordered", {"eq": 1}, TOGETHER),
)
"""Conditions that a larger number breaks: a window has all events of its last second or none."""


def is_number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def interpolated(numbers: Sequence[float], percentile: int) -> float:
    """A percentile, between the two values it falls between."""
    place = percentile * (len(numbers) - 1) / 100
    below = int(place)
    above = min(below + 1, len(numbers) - 1)
    return numbers[below] + (place - below) * (numbers[above] - numbers[below])
