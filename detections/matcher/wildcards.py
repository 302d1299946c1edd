"""Sigma strings as tests of a text: exact, prefix, suffix, substring, or any mix of `*` and `?`.

Sigma compares without regard to case unless `cased` says so; both sides are lowered by
`lowered`. No wildcard pattern backtracks: the pieces between the `*` are searched from left
to right, so hostile values of events cannot make a match slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sigma.types import SigmaCasedString, SigmaString, SpecialChars

from detections.matcher.event_values import ValueTest, text

TextTest = Callable[[str], bool]
ANY_RUN = SpecialChars.WILDCARD_MULTI
ANY_CHARACTER = SpecialChars.WILDCARD_SINGLE


_LOWER_TO_ASCII = "\u212a\u0130"  # the Kelvin sign, and I with a dot


def lowered(value: str) -> str:
    """`value` as `str.lower` gives it, except that no other letter becomes an ASCII one.

    So a text keeps its length, and an index, which folds ASCII alone, finds an ASCII text
    wherever this does.

    >>> lowered("ÉTÉ A"), lowered("\u212a") == "k"
    ('été a', False)
    """
    if value.isascii() or not any(letter in value for letter in _LOWER_TO_ASCII):
        return value.lower()
    return "".join(each if each in _LOWER_TO_ASCII else each.lower() for each in value)


@dataclass(frozen=True, slots=True)
class WildcardSegment:
    """The text between two `*`: `length` characters, literal, or a pattern where it has `?`."""

    length: int
    literal: str
    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, parts: Sequence[str | SpecialChars]) -> WildcardSegment:
        """From literals and `?`, in order."""
        length = sum(len(part) if isinstance(part, str) else 1 for part in parts)
        if all(isinstance(part, str) for part in parts):
            return cls(length, "".join(str(part) for part in parts), None)
        source = "".join(re.escape(part) if isinstance(part, str) else "." for part in parts)
        return cls(length, "", re.compile(source, re.DOTALL))

    def matches_at(self, value: str, start: int) -> bool:
        """Whether it matches at `start` (0 or more) of `value`."""
        if self.pattern is None:
            return value.startswith(self.literal, start)
        return self.pattern.match(value, start) is not None

    def find(self, value: str, start: int, end: int) -> int:
        """The first position in `value[start:end]` where it matches; -1 for none."""
        if self.pattern is None:
            return value.find(self.literal, start, end)
        found = self.pattern.search(value, start, end)
        return found.start() if found else -1


def pieces(value: SigmaString, *, fold: bool) -> list[WildcardSegment]:
    """`value` cut at its `*`: one piece has none, `a*b` has two, `*a*` has three, two empty."""
    cut: list[list[str | SpecialChars]] = [[]]
    for part in value.s:
        if part is ANY_RUN:
            cut.append([])
        elif isinstance(part, str):
            cut[-1].append(lowered(part) if fold else part)
        else:
            assert isinstance(part, SpecialChars)  # noqa: S101  placeholders are replaced before
            cut[-1].append(part)
    return [WildcardSegment.of(parts) for parts in cut]


def one_of(values: Iterable[SigmaString]) -> ValueTest:
    """Whether a scalar, as text, is any of `values`. Patterns of one kind are tested together."""
    folded: list[list[WildcardSegment]] = []
    cased: list[list[WildcardSegment]] = []
    for value in values:
        exact_case = isinstance(value, SigmaCasedString)
        (cased if exact_case else folded).append(pieces(value, fold=not exact_case))
    if not cased:
        return _folded(_any_text(folded))
    if not folded:
        return _as_is(_any_text(cased))
    by_fold, by_case = _folded(_any_text(folded)), _as_is(_any_text(cased))
    return lambda value: by_fold(value) or by_case(value)


def _folded(test: TextTest) -> ValueTest:
    def match(value: object) -> bool:
        return test(lowered(value if value.__class__ is str else text(value)))

    return match


def _as_is(test: TextTest) -> ValueTest:
    return lambda value: test(value if value.__class__ is str else text(value))


def _any_text(patterns: Sequence[Sequence[WildcardSegment]]) -> TextTest:
    """One test for many patterns: a set, one `startswith`, one `endswith`, then the rest."""
    exact: set[str] = set()
    prefixes: list[str] = []
    suffixes: list[str] = []
    rest: list[TextTest] = []
    for pattern in patterns:
        literals = [piece.literal for piece in pattern if piece.pattern is None]
        match literals if len(literals) == len(pattern) else None:
            case [whole]:
                exact.add(whole)
            case [prefix, ""]:
                prefixes.append(prefix)
            case ["", suffix]:
                suffixes.append(suffix)
            case ["", inside, ""]:
                rest.append(_holds(inside))
            case _:
                rest.append(_in_order(pattern))
    tests: list[TextTest] = []
    if exact:
        tests.append(frozenset(exact).__contains__)
    if prefixes:
        tests.append(_starts(tuple(prefixes)))
    if suffixes:
        tests.append(_ends(tuple(suffixes)))
    tests += rest
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def _holds(inside: str) -> TextTest:
    return lambda value: inside in value


def _starts(prefixes: tuple[str, ...]) -> TextTest:
    return lambda value: value.startswith(prefixes)


def _ends(suffixes: tuple[str, ...]) -> TextTest:
    return lambda value: value.endswith(suffixes)


def _in_order(pattern: Sequence[WildcardSegment]) -> TextTest:
    """The first piece at the start, the last at the end, the others between, leftmost first."""
    first, *between = pattern
    if not between:
        return lambda value: len(value) == first.length and first.matches_at(value, 0)
    last = between.pop()
    least = first.length + last.length

    def match(value: str) -> bool:
        end = len(value) - last.length
        if len(value) < least or not first.matches_at(value, 0) or not last.matches_at(value, end):
            return False
        position = first.length
        for piece in between:
            position = piece.find(value, position, end)
            if position < 0:
                return False
            position += piece.length
        return True

    return match
