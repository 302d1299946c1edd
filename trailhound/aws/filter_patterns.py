"""CloudWatch's filter patterns for JSON, implemented from "Filter pattern syntax for metric
filters" (CloudWatch Logs user guide).

AWS's TestMetricFilter is authoritative: `trailhound aws alarms --check` calls it, and so does
`trailhound aws check` for patterns that are not supported here.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final

Match = Callable[[Any], bool]

_LONGEST: Final = 1_024
_DEEPEST: Final = 50
"""Parentheses within each other; each takes some calls of the parser, and of the test."""
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||!=|<=|>=|=|<|>|\(|\)|\{|\})|(?P<path>\$[.\w\[\]-]+)|"(?P<text>[^"]*)"
    |%(?P<regex>[^%]+)%
    |(?P<word>NOT\s+EXISTS|EXISTS|IS\s+(?:NULL|TRUE|FALSE)|[^\s"%(){}&|=!<>$]+))""",
    re.VERBOSE | re.IGNORECASE,
)
_STEP: Final = re.compile(r"\.([\w-]+)|\[(\d+)\]")
_ALLOWED: Final = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]*")
"""Characters of a regular expression, by "Supported regular expressions (regex) syntax"."""
_NUMERIC: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_IS: Final = {"IS NULL": None, "IS TRUE": True, "IS FALSE": False}
_END: Final = ("end", "the end")

Token = tuple[str, str]


def matcher(pattern: str) -> Match:
    """The pattern as a test of an event; an empty one matches every event.

    Raises `ValueError` where it is no pattern for JSON, or AWS would refuse it.

    >>> matcher('{ $.eventName = "Delete*" }')({"eventName": "DeleteTrail"})
    True
    """
    if len(pattern) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST:,} characters")
    if not pattern.strip():
        return lambda _event: True
    tokens = _tokens(pattern)
    if tokens[0] != ("op", "{") or tokens[-1] != ("op", "}"):
        raise ValueError("not between braces")
    nesting = accumulate({"(": 1, ")": -1}.get(text, 0) for kind, text in tokens if kind == "op")
    if max(nesting) > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} parentheses within each other")
    rest = [*tokens[1:-1], _END]
    made = _either(rest)
    if rest != [_END]:
        raise ValueError(f"left over: {rest[0][1]}")
    return made


def _tokens(pattern: str) -> list[Token]:
    tokens: list[Token] = []
    place, end = 0, len(pattern.rstrip())
    while place < end:
        found = _TOKEN.match(pattern, place)
        if found is None:
            raise ValueError(f"at {place}: {pattern[place:]}")
        kind = found.lastgroup or ""
        tokens.append((kind, found[kind]))
        place = found.end()
    return tokens


def _either(rest: list[Token]) -> Match:
    parts = [_both(rest)]
    while rest[0] == ("op", "||"):
        rest.pop(0)
        parts.append(_both(rest))
    return lambda event: any(part(event) for part in parts)


def _both(rest: list[Token]) -> Match:
    parts = [_one(rest)]
    while rest[0] == ("op", "&&"):
        rest.pop(0)
        parts.append(_one(rest))
    return lambda event: all(part(event) for part in parts)


def _one(rest: list[Token]) -> Match:
    kind, text = _next(rest)
    if (kind, text) == ("op", "("):
        inner = _either(rest)
        if _next(rest) != ("op", ")"):
            raise ValueError("no closing parenthesis")
        return inner
    if kind != "path":
        raise ValueError(f"no property: {text}")
    steps: list[str | int] = [name or int(number) for name, number in _STEP.findall(text)]
    kind, written = _next(rest)
    compared = " ".join(written.upper().split())
    if kind == "word":
        if compared == "NOT EXISTS":
            return lambda event: not _exists(event, steps)
        if compared == "EXISTS":
            return lambda event: _exists(event, steps)
        if compared in _IS:
            wanted = _IS[compared]
            return lambda event: _exists(event, steps) and _at(event, steps) is wanted
    if kind != "op" or compared not in {"=", "!=", *_NUMERIC}:
        raise ValueError(f"no comparison: {written}")
    kind, value = _next(rest)
    if kind not in ("text", "regex", "word"):
        raise ValueError(f"no value: {value}")
    return _comparison(steps, compared, kind, value)


def _next(rest: list[Token]) -> Token:
    if rest[0] == _END:
        raise ValueError("it ends too early")
    return rest.pop(0)


def _comparison(steps: list[str | int], compared: str, kind: str, value: str) -> Match:
    if compared in _NUMERIC:
        holds, bound = _NUMERIC[compared], float(value)
        return lambda event: _is_number(_at(event, steps)) and holds(_at(event, steps), bound)
    test = _test(kind, value)

    def matches(event: Any) -> bool:
        found = _at(event, steps)
        if not isinstance(found, (str, int, float, bool)):
            return False  # what is not there is neither equal nor unequal
        text = str(found).lower() if isinstance(found, bool) else str(found)
        return test(text) == (compared == "=")

    return matches


def _test(kind: str, value: str) -> Callable[[str], bool]:
    if kind == "regex":
        if not _ALLOWED.fullmatch(value):
            raise ValueError(f"characters that a regular expression can't have: {value}")
        try:
            found = re.compile(value)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return lambda text: found.search(text) is not None
    parts = map(re.escape, value.split("*"))
    whole = re.compile(".*".join(parts), re.DOTALL)
    return lambda text: whole.fullmatch(text) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _at(event: Any, steps: list[str | int]) -> Any:
    for step in steps:
        if isinstance(step, str):
            event = event.get(step) if isinstance(event, dict) else None
        else:
            event = event[step] if isinstance(event, list) and len(event) > step else None
    return event


def _exists(event: Any, steps: list[str | int]) -> bool:
    *before, last = steps
    holder = _at(event, before)
    return isinstance(holder, dict) and last in holder
