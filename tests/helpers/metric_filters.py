"""CloudWatch's filter patterns for JSON, in our own reading of their documentation.

What AWS's TestMetricFilter says decides: `trailhound aws alarms --check` asks it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Match = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||!=|=|\(|\)|\{|\})|(?P<path>\$[.\w\[\]]+)|"(?P<text>[^"]*)"
    |%(?P<regex>[^%]+)%|(?P<word>NOT\ EXISTS|EXISTS|IS\ NULL|[\w.:/*-]+))""",
    re.VERBOSE,
)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_ALLOWED = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]*")
"""In a regular expression: "Supported regular expressions (regex) syntax"."""


def matcher(pattern: str) -> Match:
    """The pattern as a test of an event. Raises `ValueError` where AWS would refuse it."""
    if len(pattern) > 1_024:
        raise ValueError("longer than 1,024 characters")
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(pattern.rstrip()):
        found = _TOKEN.match(pattern, place)
        if found is None:
            raise ValueError(f"at {place}: {pattern[place:]}")
        kind = found.lastgroup or ""
        tokens.append((kind, found[kind]))
        place = found.end()
    if tokens[0] != ("op", "{") or tokens[-1] != ("op", "}"):
        raise ValueError("not between braces")
    rest = tokens[1:-1]
    made = _either(rest)
    if rest:
        raise ValueError(f"left over: {rest}")
    return made


def _either(rest: list[tuple[str, str]]) -> Match:
    parts = [_both(rest)]
    while rest and rest[0] == ("op", "||"):
        rest.pop(0)
        parts.append(_both(rest))
    return lambda event: any(part(event) for part in parts)


def _both(rest: list[tuple[str, str]]) -> Match:
    parts = [_one(rest)]
    while rest and rest[0] == ("op", "&&"):
        rest.pop(0)
        parts.append(_one(rest))
    return lambda event: all(part(event) for part in parts)


def _one(rest: list[tuple[str, str]]) -> Match:
    kind, text = rest.pop(0)
    if (kind, text) == ("op", "("):
        inner = _either(rest)
        if rest.pop(0) != ("op", ")"):
            raise ValueError("no closing parenthesis")
        return inner
    if kind != "path":
        raise ValueError(f"no property: {text}")
    steps = [name or int(number) for name, number in _STEP.findall(text)]
    kind, operator = rest.pop(0)
    if operator == "NOT EXISTS":
        return lambda event: not _exists(event, steps)
    if operator == "EXISTS":
        return lambda event: _exists(event, steps)
    if operator not in ("=", "!="):
        raise ValueError(f"no comparison: {operator}")
    kind, value = rest.pop(0)
    test = _test(kind, value)

    def compared(event: Any) -> bool:
        found = _at(event, steps)
        if not isinstance(found, (str, int, float, bool)):
            return False  # what is not there is neither equal nor unequal
        said = str(found).lower() if isinstance(found, bool) else str(found)
        return test(said) == (operator == "=")

    return compared


def _test(kind: str, value: str) -> Callable[[str], bool]:
    if kind == "regex":
        if not _ALLOWED.fullmatch(value):
            raise ValueError(f"characters that a regular expression can't have: {value}")
        found = re.compile(value)
        return lambda text: found.search(text) is not None
    parts = map(re.escape, value.split("*"))
    whole = re.compile(".*".join(parts), re.DOTALL)
    return lambda text: whole.fullmatch(text) is not None


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
