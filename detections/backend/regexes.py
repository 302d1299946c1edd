"""A rule's regular expression in Lucene's dialect: the same where that can be, else a wider one.

Sigma's `re` is searched for in the text, by RE2 (see `sigma_values`) or, where RE2 does not know
the syntax, by Python's `re`. Lucene's matches whole terms and knows neither anchors nor
look-around, nor flags. What it can't say is left out, which only ever lets more through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import re2  # type: ignore[import-untyped]
from sigma.modifiers import SigmaEndswithModifier, SigmaStartswithModifier
from sigma.types import SigmaRegularExpression

from detections.backend.determinize import too_complex
from detections.backend.lucene import LONGEST, literal

MOST_COPIES = 300
"""States that counted repetition may cost; Lucene unrolls it, and gives up at some thousands."""

_OTHERWISE = re.compile(r"\[\[?:|\\[pPQCzX]|\{,")
"""Syntax that RE2 and Python's parser read differently."""
_DIGIT, _WORD, _SPACE = "0-9", "0-9A-Za-z_", " \t\n\r\f"
_CLASSES = {
    op.CATEGORY_DIGIT: (_DIGIT, False),
    op.CATEGORY_NOT_DIGIT: (_DIGIT, True),
    op.CATEGORY_WORD: (_WORD, False),
    op.CATEGORY_NOT_WORD: (_WORD, True),
    op.CATEGORY_SPACE: (_SPACE, False),
    op.CATEGORY_NOT_SPACE: (_SPACE, True),
}
_FOLDED_TO_ASCII = {"k": "\u212a", "s": "\u017f"}
"""What RE2 takes, beside the other case, for an ASCII letter where case is of no account."""


@dataclass(frozen=True, slots=True)
class Translated:
    """`pattern` matches all texts that the expression is found in; if `exact`, no others."""

    pattern: str
    exact: bool


EVERYTHING = Translated(".*", exact=False)


def translated(value: SigmaRegularExpression, modifiers: Iterable[type]) -> Translated:
    """The expression for Lucene; `startswith` and `endswith` among `modifiers` tie it to a side."""
    source = str(value.regexp.to_plain_regex())
    flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
    written = f"(?{flags}:{source})" if flags else source
    linear = _is_re2(written)
    if _OTHERWISE.search(source):
        return EVERYTHING
    start, end = SigmaStartswithModifier in modifiers, SigmaEndswithModifier in modifiers
    for most_copies in (MOST_COPIES, 1):  # the second time, counted repetition becomes any
        try:
            tree = parser.parse(source, _python_flags(value))
            state = _Translation(tree.state.flags, exact=linear, most_copies=most_copies)
            body = state.alternatives(list(tree), start, end)
        except (re.error, RecursionError, OverflowError, ValueError):
            return EVERYTHING
        if len(body) <= LONGEST and not too_complex(body):
            return Translated(body, state.exact)
    return EVERYTHING


def _python_flags(value: SigmaRegularExpression) -> int:
    flags = re.RegexFlag.ASCII
    for flag in value.flags:
        flags |= value.sigma_to_python_flags[flag]
    return int(flags)


def _is_re2(source: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(source, options)
    except re2.error:
        return False
    return True


class _Translation:
    """One expression on its way. `exact` turns false with the first thing Lucene can't say."""

    def __init__(self, flags: int, *, exact: bool, most_copies: int = MOST_COPIES) -> None:
        self.exact = exact
        self._most_copies = most_copies
        self._fold = bool(flags & re.IGNORECASE)
        self._dot = "." if flags & re.DOTALL else "[^\n]"
        self._lines = bool(flags & re.MULTILINE)
        self._copies = 1

    def alternatives(self, items: list[Any], at_start: bool, at_end: bool) -> str:
        """The expression as a whole: open at both sides, unless anchored there.

        An anchor counts on its side of the expression, or of each of its alternatives.
        """
        while len(items) == 1 and items[0][0] is op.SUBPATTERN and not any(items[0][1][1:3]):
            items = list(items[0][1][3])
        if len(items) == 1 and items[0][0] is op.BRANCH:
            return "|".join(
                self.alternatives(list(each), at_start, at_end) for each in items[0][1][1]
            )
        while items and items[0][0] is op.AT and self._anchors(items[0][1], start=True):
            at_start, items = True, items[1:]
        while items and items[-1][0] is op.AT and self._anchors(items[-1][1], start=False):
            at_end, items = True, items[:-1]
        tail = "" if at_end and self.exact else "\n?" if at_end else ".*"
        return f"{'' if at_start else '.*'}{self._sequence(items)}{tail}"

    def _anchors(self, kind: Any, *, start: bool) -> bool:
        if start:
            return kind is op.AT_BEGINNING_STRING or (kind is op.AT_BEGINNING and not self._lines)
        return kind is op.AT_END_STRING or (kind is op.AT_END and not self._lines)

    def _sequence(self, items: Iterable[Any]) -> str:
        return "".join(self._item(kind, value) for kind, value in items) or "()"

    def _item(self, kind: Any, value: Any) -> str:
        if kind is op.LITERAL:
            return self._literal(value)
        if kind is op.NOT_LITERAL:
            return self._class([(op.NEGATE, None), (op.LITERAL, value)])
        if kind is op.ANY:
            return self._dot
        if kind is op.IN:
            return self._class(value)
        if kind is op.BRANCH:
            return f"({'|'.join(self._sequence(each) for each in value[1])})"
        if kind is op.SUBPATTERN:
            return self._group(value)
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            return self._repeat(*value)
        self.exact = False
        if kind is op.ATOMIC_GROUP:
            return f"({self._sequence(value)})"
        if kind is op.AT or kind in (op.ASSERT, op.ASSERT_NOT):
            return "()"  # an assertion on the surrounding text: without it, more matches
        return ".*"  # a back-reference, a conditional

    def _literal(self, code: int) -> str:
        character = chr(code)
        if not self._fold:
            return literal(character, fold=False)
        if not character.isascii():
            self.exact = False
            return "."
        more = _FOLDED_TO_ASCII.get(character.lower(), "")
        if more:
            return f"[{character.lower()}{character.upper()}{more}]"
        return literal(character, fold=True)

    def _group(self, value: Any) -> str:
        _, added, removed, items = value
        if not added and not removed:
            return f"({self._sequence(items)})"
        inner = _Translation(
            (self._flags() | added) & ~removed,
            exact=self.exact,
            most_copies=self._most_copies,
        )
        inner._copies = self._copies
        made = inner._sequence(items)
        self.exact, self._copies = inner.exact, inner._copies
        return f"({made})"

    def _flags(self) -> int:
        return (
            (re.IGNORECASE if self._fold else 0)
            | (re.DOTALL if self._dot == "." else 0)
            | (re.MULTILINE if self._lines else 0)
        )

    def _repeat(self, least: int, most: Any, items: Any) -> str:
        within, self._copies = self._copies, 1
        body = f"({self._sequence(items)})"
        bounded = most is not op.MAXREPEAT
        copies = max(1, int(most) if bounded else least) * self._copies
        self._copies = within + copies
        if self._copies > self._most_copies:
            self.exact = False
            self._copies = within + 1
            return f"{body}*"
        if (least, bounded) == (0, False):
            return f"{body}*"
        if (least, bounded) == (1, False):
            return f"{body}+"
        if (least, most) == (0, 1):
            return f"{body}?"
        return f"{body}{{{least},{int(most) if bounded else ''}}}"

    def _class(self, items: list[Any]) -> str:
        negated = items[0][0] is op.NEGATE
        members = items[1:] if negated else items
        parts: list[str] = []
        excluded: list[str] = []
        if self._fold and any(_last(kind, value) > 127 for kind, value in members):
            self.exact = False
            return "."
        for kind, value in members:
            if kind is op.LITERAL:
                parts.append(self._in_class(value))
            elif kind is op.RANGE:
                parts.append(self._range(*value))
            elif kind is op.CATEGORY and value in _CLASSES:
                content, opposite = _CLASSES[value]
                (excluded if opposite else parts).append(content)
            else:
                self.exact = False
                return "."
        if not self.exact and not negated:  # Python's \\s has one more
            parts = [f"{each}\v" if each == _SPACE else each for each in parts]
        if not excluded:
            return f"[{'^' if negated else ''}{''.join(parts)}]"
        if len(excluded) == 1 and not parts:
            return f"[{'' if negated else '^'}{excluded[0]}]"
        self.exact = False
        return "."

    def _in_class(self, code: int) -> str:
        character = chr(code)
        if not self._fold:
            return _escaped(character)
        low = character.lower()
        return _escaped(low) + (
            character.upper() + _FOLDED_TO_ASCII.get(low, "") if low.isalpha() else ""
        )

    def _range(self, first: int, last: int) -> str:
        if not self._fold:
            return f"{_escaped(chr(first))}-{_escaped(chr(last))}"
        return "".join(self._in_class(code) for code in range(first, last + 1))


def _last(kind: Any, value: Any) -> int:
    """The highest character that a member of a class names."""
    return int(value) if kind is op.LITERAL else int(value[1]) if kind is op.RANGE else 0


def _escaped(character: str) -> str:
    return character if character.isalnum() or not character.isascii() else f"\\{character}"
