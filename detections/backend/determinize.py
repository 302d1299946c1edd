"""Estimates the engine's work for a regular expression, which it turns into a deterministic
automaton.

Lucene rejects an expression that needs too much work (`max_determinized_states`), and with it the
whole query. `.*a.{20}b` has 2^20 states: after each `a` the automaton has to remember where it may
end. The work is estimated before the query is made, so that it gets a wider expression instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from detections.backend.character_sets import Ranges
from detections.backend.regex_syntax import (
    Alternatives,
    Characters,
    Dialect,
    Flags,
    Node,
    Repeat,
    Sequence,
    UnknownSyntaxError,
    parse,
)

MOST_EFFORT = 20_000
"""Far below the engine's limit: near it, a query needs seconds."""
MOST_POSITIONS = 2_000


@dataclass(slots=True)
class _Part:
    """A piece of an expression: its first and last positions, and whether it may be empty."""

    first: frozenset[int]
    last: frozenset[int]
    empty: bool


class _TooManyPositionsError(Exception):
    pass


_EMPTY = _Part(frozenset(), frozenset(), empty=True)


@lru_cache(maxsize=4_096)
def too_complex(pattern: str, most: int = MOST_EFFORT) -> bool:
    """Whether determinizing Lucene's `pattern` takes more than `most` positions, summed over
    states.

    An expression that cannot be parsed counts as too complex.

    >>> too_complex(".*a.{12}b.*", 10_000), too_complex(".*(abc|abd)x{3}.*", 10_000)
    (True, False)
    """
    try:
        tree = parse(pattern, Dialect.PYTHON, Flags(dot_all=True))
        return _Automaton().effort_over(tree, most)
    except (UnknownSyntaxError, _TooManyPositionsError, RecursionError):
        return True


@dataclass(slots=True)
class _Automaton:
    """Glushkov's: a position for each character of the expression, and what may follow it."""

    ranges: list[Ranges] = field(default_factory=list)
    follow: list[set[int]] = field(default_factory=list)

    def effort_over(self, tree: Node, most: int) -> bool:
        whole = self._part(tree)
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
            raise _TooManyPositionsError
        self.ranges.append(ranges)
        self.follow.append(set())
        place = frozenset([len(self.ranges) - 1])
        return _Part(place, place, empty=False)

    def _part(self, node: Node) -> _Part:
        match node:
            case Characters(ranges):
                return self._position(ranges)
            case Sequence(items):
                made = _EMPTY
                for item in items:
                    made = self._joined(made, self._part(item))
                return made
            case Alternatives(branches):
                shared, rests = _common_start(branches)
                if shared:
                    return self._joined(
                        self._part(Sequence(shared)), self._part(Alternatives(rests))
                    )
                parts = [self._part(each) for each in branches]
                return _Part(
                    frozenset().union(*(each.first for each in parts)),
                    frozenset().union(*(each.last for each in parts)),
                    any(each.empty for each in parts),
                )
            case Repeat(body, least, most):
                return self._repeat(body, least, most)
        raise UnknownSyntaxError(f"{type(node).__name__} is not part of Lucene's syntax")

    def _joined(self, one: _Part, other: _Part) -> _Part:
        for place in one.last:
            self.follow[place] |= other.first
        return _Part(
            one.first | other.first if one.empty else one.first,
            one.last | other.last if other.empty else other.last,
            one.empty and other.empty,
        )

    def _repeat(self, body: Node, least: int, most: int | None) -> _Part:
        made = _EMPTY
        for _ in range(least):
            made = self._joined(made, self._part(body))
        if most is None:
            loop = self._part(body)
            for place in loop.last:
                self.follow[place] |= loop.first
            return self._joined(made, _Part(loop.first, loop.last, empty=True))
        return self._joined(made, self._optional(most - least, body))

    def _optional(self, copies: int, body: Node) -> _Part:
        """`x{0,3}` as Lucene unrolls it: `(x(x(x)?)?)?`; a position counts them."""
        parts = [self._part(body) for _ in range(copies)]
        made = _EMPTY
        for part in reversed(parts):
            joined = self._joined(part, made) if made is not _EMPTY else part
            made = _Part(joined.first, joined.last | part.last, empty=True)
        return made


def _common_start(branches: tuple[Node, ...]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """With what all branches start, and the rest of each: `abc|abd` is counted as `ab(c|d)`."""
    each = [branch.items if isinstance(branch, Sequence) else (branch,) for branch in branches]
    length = 0
    while all(len(items) > length and items[length] == each[0][length] for items in each):
        length += 1
    return each[0][:length], tuple(Sequence(items[length:]) for items in each)
