"""A rule's regular expression in Lucene's dialect: an equivalent one where possible, else a wider
one.

The matcher searches for Sigma's `re` in the text, with RE2 (see `sigma_values`) or, where RE2 does
not support the syntax, with Python's `re`. Lucene matches whole terms and has neither anchors nor
look-around, nor flags. What it cannot express is left out, so that it can only match more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import re2  # type: ignore[import-untyped]
from sigma.modifiers import SigmaEndswithModifier, SigmaStartswithModifier
from sigma.types import SigmaRegularExpression, SigmaRegularExpressionFlag

from detections.backend.character_sets import EVERY, LAST, Ranges, complement
from detections.backend.determinize import too_complex
from detections.backend.lucene import LONGEST, literal
from detections.backend.regex_syntax import (
    Alternatives,
    Assertion,
    Atomic,
    Characters,
    Dialect,
    Flags,
    Node,
    Repeat,
    Sequence,
    TextEnd,
    TextStart,
    UnknownSyntaxError,
    Unread,
    parse,
)

MOST_COPIES = 300
"""Most states for counted repetition, which Lucene unrolls; it rejects some thousands."""


@dataclass(frozen=True, slots=True)
class Translated:
    """`pattern` matches all texts that the expression is found in; if `exact`, no others."""

    pattern: str
    exact: bool


EVERYTHING = Translated(".*", exact=False)


def translated(value: SigmaRegularExpression, modifiers: Iterable[type]) -> Translated:
    """The expression for Lucene; `startswith` and `endswith` among `modifiers` anchor it."""
    source = str(value.regexp.to_plain_regex())
    letters = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
    linear = _is_re2(f"(?{letters}:{source})" if letters else source)
    start, end = SigmaStartswithModifier in modifiers, SigmaEndswithModifier in modifiers
    try:
        tree = parse(source, Dialect.RE2 if linear else Dialect.PYTHON, _flags(value))
        for most_copies in (MOST_COPIES, 1):  # second time: `x{2,5}` as `x*`
            translation = _Translation(exact=linear, most_copies=most_copies)
            pattern = translation.whole(tree, start, end)
            if len(pattern) <= LONGEST and not too_complex(pattern):
                return Translated(pattern, translation.exact)
    except (UnknownSyntaxError, RecursionError):
        pass
    return EVERYTHING


def _flags(value: SigmaRegularExpression) -> Flags:
    return Flags(
        ignore_case=SigmaRegularExpressionFlag.IGNORECASE in value.flags,
        multi_line=SigmaRegularExpressionFlag.MULTILINE in value.flags,
        dot_all=SigmaRegularExpressionFlag.DOTALL in value.flags,
    )


def _is_re2(source: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(source, options)
    except re2.error:
        return False
    return True


class _Translation:
    """Of one expression. `exact` becomes false with the first thing Lucene cannot express."""

    def __init__(self, *, exact: bool, most_copies: int) -> None:
        self.exact = exact
        self._most_copies = most_copies
        self._copies = 1

    def whole(self, node: Node, at_start: bool, at_end: bool) -> str:
        """The expression with `.*` at each end where it has no anchor.

        An anchor is recognised at the ends of the expression, or of each of its alternatives.
        """
        if isinstance(node, Alternatives):
            return "|".join(self.whole(each, at_start, at_end) for each in node.branches)
        items = node.items if isinstance(node, Sequence) else (node,)
        newline = False
        while items and isinstance(items[0], TextStart):
            at_start, items = True, items[1:]
        while items and isinstance(last := items[-1], TextEnd):
            newline = last.newline and (newline or not at_end)
            at_end, items = True, items[:-1]
        tail = "\n?" if newline else "" if at_end else ".*"
        return f"{'' if at_start else '.*'}{self._written(Sequence(items))}{tail}"

    def _written(self, node: Node) -> str:
        match node:
            case Characters(ranges, approximate):
                self.exact = self.exact and not approximate
                return self._characters(ranges)
            case Sequence(items):
                return "".join(map(self._written, items)) or "()"
            case Alternatives(branches):
                return f"({'|'.join(map(self._written, branches))})"
            case Repeat(body, least, most):
                return self._repeat(body, least, most)
        self.exact = False
        match node:
            case Atomic(body):
                return self._written(body)
            case TextStart() | TextEnd() | Assertion():
                return "()"  # without the condition, more matches
            case Unread():
                return ".*"

    def _repeat(self, node: Node, least: int, most: int | None) -> str:
        within, self._copies = self._copies, 1
        body = f"({self._written(node)})"
        copies = max(1, least if most is None else most) * self._copies
        self._copies = within + copies
        if self._copies > self._most_copies:
            self.exact = False
            self._copies = within + 1
            return f"{body}*"
        match (least, most):
            case (0, None):
                return f"{body}*"
            case (1, None):
                return f"{body}+"
            case (0, 1):
                return f"{body}?"
        return f"{body}{{{least},{'' if most is None else most}}}"

    def _characters(self, ranges: Ranges) -> str:
        if ranges == EVERY:
            return "."
        if not ranges:  # Lucene has no empty class
            self.exact = False
            return "."
        if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
            return literal(chr(ranges[0][0]), fold=False)
        if ranges[-1][1] == LAST:
            return f"[^{_members(complement(ranges))}]"
        return f"[{_members(ranges)}]"


def _members(ranges: Ranges) -> str:
    return "".join(
        _escaped(chr(low))
        if low == high
        else f"{_escaped(chr(low))}{'-' if high > low + 1 else ''}{_escaped(chr(high))}"
        for low, high in ranges
    )


def _escaped(character: str) -> str:
    return character if character.isalnum() or not character.isascii() else f"\\{character}"
