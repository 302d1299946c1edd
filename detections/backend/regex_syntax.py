"""Regular expressions as trees: the syntax of RE2 and of Python's `re` that rules use.

A tree describes which texts an expression finds, not how: there are no captures, and a lazy
repetition is a repetition. Flags, escapes and classes are resolved to sets of characters. Whether
an expression is valid is decided by the engine that runs it (`detections.matcher.sigma_values`):
of an expression that its engine accepts, the tree finds the same texts.

Sources: https://github.com/google/re2/wiki/Syntax and https://docs.python.org/3/library/re.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from detections.backend.character_sets import EVERY, Ranges, both_cases, complement, joined, one


class UnknownSyntaxError(ValueError):
    """The expression uses syntax that is not read here, or is invalid."""


class Dialect(Enum):
    """The engine that runs the expression; they differ in details of one syntax."""

    RE2 = "re2"
    PYTHON = "python"
    """With `re.ASCII`."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What `(?i)`, `(?m)` and `(?s)` switch on."""

    ignore_case: bool = False
    multi_line: bool = False
    dot_all: bool = False


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of a set; `approximate`: the engine accepts fewer."""

    ranges: Ranges
    approximate: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after another."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of them: `a|b`."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`body` at least `least` times, and at most `most` times; None is without limit."""

    body: Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class TextStart:
    """The beginning of the text."""


@dataclass(frozen=True, slots=True)
class TextEnd:
    """The end of the text or, with `newline`, the place before a line break that ends it."""

    newline: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """A condition on the text around a place: a word boundary, the end of a line, look-around."""


@dataclass(frozen=True, slots=True)
class Atomic:
    """`body`, of which the engine tries only the first match: `(?>…)`, `a*+`."""

    body: Node


@dataclass(frozen=True, slots=True)
class Unread:
    """Some text that depends on what was found before: a back-reference, a conditional."""


Node = (
    Characters
    | Sequence
    | Alternatives
    | Repeat
    | TextStart
    | TextEnd
    | Assertion
    | Atomic
    | Unread
)

_DIGIT = joined([(48, 57)])
_WORD = joined([(48, 57), (65, 90), (95, 95), (97, 122)])
_SPACE = {
    Dialect.RE2: joined([(9, 10), (12, 13), (32, 32)]),
    Dialect.PYTHON: joined([(9, 13), (32, 32)]),
}
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SURROGATES = range(0xD800, 0xE000)
_KELVIN, _LONG_S = 0x212A, 0x17F
"""Characters that RE2, ignoring case, accepts for `k` and for `s` besides the other case."""
_MOST = 2**32 - 2
"""The most repetitions that Python accepts."""

_LEADING_FLAGS = re.compile(r"\(\?([ims]+)\)")
_GROUP = re.compile(r"\(\?(?:P<\w+>|([ims]*)(?:-([ims]+))?:)")
_RE2_NAMED = re.compile(r"\(\?<\w+>")
_LOOK_AROUND = re.compile(r"\(\?<?[=!]")
_BACK_REFERENCE = re.compile(r"\(\?P=\w+\)")
_CONDITION = re.compile(r"\(\?\(\w+\)")
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_COUNT = re.compile(r"\{([0-9]*)(?:(,)([0-9]*))?\}")
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})")
_RE2_CODE = re.compile(r"x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})")
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{2}")
_SHORT_OCTAL = re.compile(r"[1-7][0-7]{1,2}|0[0-7]{0,2}")
_OCTAL_IN_CLASS = re.compile(r"[0-7]{1,3}")
_NUMBERED = re.compile(r"[1-9][0-9]?")


def parse(source: str, dialect: Dialect, flags: Flags | None = None) -> Node:
    """The tree of `source`; raises `UnknownSyntaxError`, or `RecursionError` for deep nesting.

    >>> parse("a|b+", Dialect.RE2) == Alternatives((
    ...     Characters(((97, 97),)), Repeat(Characters(((98, 98),)), 1, None)))
    True
    """
    parser = _Parser(source, dialect)
    flags = flags or Flags()
    while found := _LEADING_FLAGS.match(source, parser.at):
        parser.at = found.end()
        flags = _with(flags, found[1], on=True)
    node = parser.alternatives(flags)
    if parser.at < len(source):
        raise UnknownSyntaxError("unbalanced )")
    return node


def _with(flags: Flags, letters: str, *, on: bool) -> Flags:
    names = {"i": "ignore_case", "m": "multi_line", "s": "dot_all"}
    return replace(flags, **{names[letter]: on for letter in letters})


@dataclass(slots=True)
class _Parser:
    source: str
    dialect: Dialect
    at: int = 0

    def alternatives(self, flags: Flags) -> Node:
        """Up to the end of the expression or a closing bracket."""
        branches = [self._sequence(flags)]
        while self._take("|"):
            branches.append(self._sequence(flags))
        return branches[0] if len(branches) == 1 else Alternatives(tuple(branches))

    def _sequence(self, flags: Flags) -> Node:
        items: list[Node] = []
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            if self._match(_COMMENT):
                continue
            item = self._item(flags)
            items.extend(item.items if isinstance(item, Sequence) else [item])
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _item(self, flags: Flags) -> Node:
        """An atom and how often it is repeated."""
        if self._count() is not None:
            raise UnknownSyntaxError("nothing to repeat")
        bracket = self.source.startswith("(", self.at)
        atom = self._atom(flags)
        while self._match(_COMMENT):
            pass
        count = self._count()
        if count is None:
            return atom
        if isinstance(atom, TextStart | TextEnd | Assertion) and not bracket:
            raise UnknownSyntaxError("nothing to repeat")
        repeated: Node = Repeat(atom, *count)
        if not self._take("?") and self._take("+"):
            repeated = Atomic(repeated)
        if self._count() is not None:
            raise UnknownSyntaxError("multiple repeat")
        return repeated

    def _count(self) -> tuple[int, int | None] | None:
        """The count at this place, None where there is none; `{` may be a literal character."""
        for sign, count in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return count
        found = _COUNT.match(self.source, self.at)
        if found is None or found[0] == "{}":
            return None
        least, comma, most = found.groups()
        if not least and self.dialect is Dialect.RE2:
            return None
        self.at = found.end()
        low = int(least or 0)
        high = (int(most) if most else None) if comma else low
        if max(low, high or 0) > _MOST or (high is not None and high < low):
            raise UnknownSyntaxError("repetition out of bounds")
        return low, high

    def _atom(self, flags: Flags) -> Node:
        character = self.source[self.at]
        if character == "(":
            return self._group(flags)
        self.at += 1
        match character:
            case ".":
                return Characters(EVERY if flags.dot_all else complement(one("\n")))
            case "^":
                return Assertion() if flags.multi_line else TextStart()
            case "$":
                newline = self.dialect is Dialect.PYTHON
                return Assertion() if flags.multi_line else TextEnd(newline)
            case "[":
                return self._class(flags)
            case "\\":
                return self._escape(flags)
        return self._characters(one(character), flags)

    def _group(self, flags: Flags) -> Node:
        if self._match(_BACK_REFERENCE):
            return Unread()
        if not self.source.startswith("(?", self.at):
            self.at += 1
            return self._inside(flags)
        if found := self._match(_GROUP):
            on, off = found[1] or "", found[2] or ""
            return self._inside(_with(_with(flags, on, on=True), off, on=False))
        if self.dialect is Dialect.RE2 and self._match(_RE2_NAMED):
            return self._inside(flags)
        if self._match(_LOOK_AROUND):
            self._inside(flags)
            return Assertion()
        if self._match(_CONDITION):
            self._inside(flags)
            return Unread()
        if self._take("(?>"):
            return Atomic(self._inside(flags))
        raise UnknownSyntaxError(f"unknown group at {self.at}")

    def _inside(self, flags: Flags) -> Node:
        node = self.alternatives(flags)
        if not self._take(")"):
            raise UnknownSyntaxError("missing )")
        return node

    def _escape(self, flags: Flags) -> Node:
        python = self.dialect is Dialect.PYTHON
        if self._take("A"):
            return TextStart()
        if self._take("Z" if python else "z"):
            return TextEnd(newline=False)
        if self._take("b") or self._take("B"):
            return Assertion()
        if found := self._match(_OCTAL if python else _SHORT_OCTAL):
            return self._characters(self._code(found[0], 8), flags)
        if python and self._match(_NUMBERED):
            return Unread()
        ranges, category = self._escaped(flags)
        return Characters(ranges) if category else self._characters(ranges, flags)

    def _escaped(self, flags: Flags) -> tuple[Ranges, bool]:
        """An escape for a character or, then true, for a category of characters."""
        if self.at >= len(self.source):
            raise UnknownSyntaxError("bad escape at the end")
        codes = _CODE if self.dialect is Dialect.PYTHON else _RE2_CODE
        if found := self._match(codes):
            return self._code(next(filter(None, found.groups())), 16), False
        letter = self.source[self.at]
        self.at += 1
        if letter.lower() in "dsw":
            return self._category(letter, flags), True
        if letter in _CONTROLS:
            return one(_CONTROLS[letter]), False
        if letter.isascii() and letter.isalnum():
            raise UnknownSyntaxError(f"unknown escape \\{letter}")
        return one(letter), False

    def _category(self, letter: str, flags: Flags) -> Ranges:
        ranges = {"d": _DIGIT, "w": _WORD, "s": _SPACE[self.dialect]}[letter.lower()]
        if letter.lower() == "w" and flags.ignore_case and self.dialect is Dialect.RE2:
            ranges = joined([*ranges, (_KELVIN, _KELVIN), (_LONG_S, _LONG_S)])
        return ranges if letter.islower() else complement(ranges)

    def _code(self, digits: str, base: int) -> Ranges:
        code = int(digits, base)
        if code > EVERY[0][1] or code in _SURROGATES:
            raise UnknownSyntaxError("not the code of a character")
        return ((code, code),)

    def _class(self, flags: Flags) -> Node:
        negated = self._take("^")
        named: list[Ranges] = []
        members: list[Ranges] = []
        first = True
        while first or not self._take("]"):
            first = False
            low, category = self._member(flags)
            if category:
                named.append(low)
                continue
            if self._range_follows():
                self.at += 1
                high, category = self._member(flags)
                if category or high[0][0] < low[0][0]:
                    raise UnknownSyntaxError("bad range")
                low = ((low[0][0], high[0][1]),)
            members.append(low)
        own = self._characters(joined(each for part in members for each in part), flags)
        if own.approximate:
            return own
        ranges = joined([*own.ranges, *(each for part in named for each in part)])
        return Characters(complement(ranges) if negated else ranges)

    def _range_follows(self) -> bool:
        """Whether a `-` makes a range here; at the end of a class it does not."""
        return (
            self.source.startswith("-", self.at) and self.source[self.at + 1 : self.at + 2] != "]"
        )

    def _member(self, flags: Flags) -> tuple[Ranges, bool]:
        if self.at >= len(self.source):
            raise UnknownSyntaxError("missing ]")
        if self.source.startswith("[:", self.at):
            raise UnknownSyntaxError("a named class")
        character = self.source[self.at]
        self.at += 1
        if character != "\\":
            return one(character), False
        if found := self._match(_OCTAL_IN_CLASS):
            return self._code(found[0], 8), False
        if self.dialect is Dialect.PYTHON and self._take("b"):
            return one("\b"), False
        return self._escaped(flags)

    def _characters(self, ranges: Ranges, flags: Flags) -> Characters:
        """With the other case as the dialect ignores it: Python for ASCII letters, RE2 for all."""
        if not flags.ignore_case:
            return Characters(ranges)
        if self.dialect is Dialect.PYTHON:
            return Characters(both_cases(ranges))
        if any(high > 127 for _, high in ranges):
            return Characters(EVERY, approximate=True)
        return Characters(joined([*both_cases(ranges), *_beyond_ascii(ranges)]))

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.source, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def _take(self, text: str) -> bool:
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False


def _beyond_ascii(ranges: Ranges) -> Iterator[tuple[int, int]]:
    for letters, other in ((b"kK", _KELVIN), (b"sS", _LONG_S)):
        if any(low <= letter <= high for letter in letters for low, high in ranges):
            yield other, other
