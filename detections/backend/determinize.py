"""How much work an expression is to the engine, which makes a deterministic automaton of it.

Lucene refuses an expression that needs too much (`max_determinized_states`), and with it the whole
query. `.*a.{20}b` has 2^20 states: after each `a` the automaton has to remember where it may end.
What is too much is known here beforehand, so that such a rule asks for something wider instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST_EFFORT = 20_000
"""Far below what the engine refuses: it takes seconds for what is near its limit."""
MOST_POSITIONS = 2_000
LAST = 0x10FFFF
Ranges = tuple[tuple[int, int], ...]
EVERY: Ranges = ((0, LAST),)


@dataclass(slots=True)
class _Part:
    """A piece of an expression: its first and last positions, and whether it may be empty."""

    first: frozenset[int]
    last: frozenset[int]
    empty: bool


_EMPTY = _Part(frozenset(), frozenset(), empty=True)


@lru_cache(maxsize=4_096)
def too_complex(pattern: str, most: int = MOST_EFFORT) -> bool:
    """Whether determinizing Lucene's `pattern` takes more than `most` positions, all states added.

    An expression that can't be read is taken for too complex.

    >>> too_complex(".*a.{12}b.*", 10_000), too_complex(".*(abc|abd)x{3}.*", 10_000)
    (True, False)
    """
    try:
        tree = parser.parse(pattern, int(re.RegexFlag.DOTALL))
        return _Automaton().effort_over(list(tree), most)
    except (re.error, RecursionError, OverflowError, ValueError):
        return True


@dataclass(slots=True)
class _Automaton:
    """Glushkov's: a position for each character of the expression, and what may follow it."""

    ranges: list[Ranges] = field(default_factory=list)
    follow: list[set[int]] = field(default_factory=list)

    def effort_over(self, items: list[Any], most: int) -> bool:
        whole = self._sequence(items)
        edges = sorted(
            {edge for each in self.ranges for low, high in each for edge in (low, high + 1)}
        )
        start = whole.first
        seen = {start}
        waiting = [start]
        effort = len(start)
        while waiting:
            reach = waiting.pop()
            for state in self._steps(reach, edges):
                if state in seen:
                    continue
                seen.add(state)
                effort += len(state)
                if effort > most:
                    return True
                waiting.append(state)
        return False

    def _steps(self, reach: frozenset[int], edges: list[int]) -> Iterable[frozenset[int]]:
        """Positions that can come next → those after each character that distinguishes them."""
        by_character: dict[frozenset[int], None] = {}
        for character in edges:
            taken = frozenset(
                place
                for place in reach
                if any(low <= character <= high for low, high in self.ranges[place])
            )
            if taken:
                by_character[taken] = None
        for taken in by_character:
            yield frozenset().union(*(self.follow[place] for place in taken))

    def _position(self, ranges: Ranges) -> _Part:
        if len(self.ranges) >= MOST_POSITIONS:
            raise ValueError("too many positions")
        self.ranges.append(ranges)
        self.follow.append(set())
        place = frozenset([len(self.ranges) - 1])
        return _Part(place, place, empty=False)

    def _sequence(self, items: Iterable[Any]) -> _Part:
        made = _EMPTY
        for kind, value in items:
            made = self._joined(made, self._item(kind, value))
        return made

    def _joined(self, one: _Part, other: _Part) -> _Part:
        for place in one.last:
            self.follow[place] |= other.first
        return _Part(
            one.first | other.first if one.empty else one.first,
            one.last | other.last if other.empty else other.last,
            one.empty and other.empty,
        )

    def _item(self, kind: Any, value: Any) -> _Part:
        if kind is op.LITERAL:
            return self._position(((value, value),))
        if kind is op.NOT_LITERAL:
            return self._position(_inverted([(value, value)]))
        if kind is op.ANY:
            return self._position(EVERY)
        if kind is op.IN:
            return self._position(_members(value))
        if kind is op.SUBPATTERN:
            return self._sequence(value[3])
        if kind is op.BRANCH:
            parts = [self._sequence(each) for each in value[1]]
            return _Part(
                frozenset().union(*(each.first for each in parts)),
                frozenset().union(*(each.last for each in parts)),
                any(each.empty for each in parts),
            )
        if kind is op.MAX_REPEAT:
            return self._repeat(*value)
        raise ValueError(f"{kind} is not of Lucene")

    def _repeat(self, least: int, most: Any, items: Any) -> _Part:
        made = _EMPTY
        for _ in range(least):
            made = self._joined(made, self._sequence(items))
        if most is op.MAXREPEAT:
            loop = self._sequence(items)
            for place in loop.last:
                self.follow[place] |= loop.first
            return self._joined(made, _Part(loop.first, loop.last, empty=True))
        return self._joined(made, self._optional(int(most) - least, items))

    def _optional(self, copies: int, items: Any) -> _Part:
        """`x{0,3}` as Lucene unrolls it: `(x(x(x)?)?)?`; a position counts them."""
        parts = [self._sequence(items) for _ in range(copies)]
        made = _EMPTY
        for part in reversed(parts):
            joined = self._joined(part, made) if made is not _EMPTY else part
            made = _Part(joined.first, joined.last | part.last, empty=True)
        return made


def _members(items: Iterable[Any]) -> Ranges:
    found: list[tuple[int, int]] = []
    negated = False
    for kind, value in items:
        if kind is op.NEGATE:
            negated = True
        elif kind is op.LITERAL:
            found.append((value, value))
        elif kind is op.RANGE:
            found.append((value[0], value[1]))
        else:
            raise ValueError(f"{kind} is not of Lucene")
    return _inverted(found) if negated else tuple(found)


def _inverted(ranges: Iterable[tuple[int, int]]) -> Ranges:
    left: list[tuple[int, int]] = []
    begin = 0
    for low, high in sorted(ranges):
        if begin < low:
            left.append((begin, low - 1))
        begin = max(begin, high + 1)
    return (*left, (begin, LAST)) if begin <= LAST else tuple(left)
