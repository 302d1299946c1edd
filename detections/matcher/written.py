"""A detection's scalars for pySigma, compared as they were written.

`MFAUsed: No` is the text `No`, `recipientAccountId: 001122334455` the twelve digits, `1.10` the
text `1.10` or the number 1.1. Only where Sigma itself defines a type is a value not a text: `null`
means an absent field, `exists` has a boolean, a comparison a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigma import types
from sigma.types import SigmaNumber

from trailhound.settings.written import BOOLEANS, Plain, mapped, number

COMPARED = frozenset({"lt", "lte", "gt", "gte", "minute", "hour", "day", "week", "month", "year"})
"""Modifiers that take numbers."""
LINKING = frozenset({"all", "neq"})
"""Modifiers that take a value of any type as it is."""
SIGMA_NULLS = frozenset({"", "~", "null"})
"""Unquoted scalars that mean an absent field. Sigma writes `null`; `NULL` may be a name."""
_YES = frozenset({"yes", "on", "y"})
_NO = frozenset({"no", "off", "n"})


class NumberText(str):
    """An unquoted number of a rule."""

    __slots__ = ()


class WrittenNumber(SigmaNumber):
    """A number that is equal to a text only where that is written the same."""

    def __init__(self, text: NumberText) -> None:
        super().__init__(number(text))
        self.written = str(text)

    def __str__(self) -> str:
        return self.written

    def to_plain(self) -> Any:
        return NumberText(self.written)


types.type_map[NumberText] = WrittenNumber  # pySigma's registry: a Python type → its own


def written_text(value: SigmaNumber) -> str:
    """The text that a number of a rule is equal to.

    >>> written_text(WrittenNumber(NumberText("1.10"))), written_text(SigmaNumber(7))
    ('1.10', '7')
    """
    return value.written if isinstance(value, WrittenNumber) else str(value.number)


def sigma_values(detection: Mapping[str, Any]) -> dict[str, Any]:
    """A `detection:` (or `filter:`) mapping with every scalar in the type that pySigma needs.

    >>> sigma_values({"s": {"a": Plain("No"), "b|exists": Plain("no"), "c|gte": Plain("010")}})
    {'s': {'a': 'No', 'b|exists': False, 'c|gte': 10}}
    """
    return {
        _key(name): mapped(each, str) if name in ("condition", "rules") else _selection(each)
        for name, each in detection.items()
    }


def _key(name: object) -> Any:
    return str(name) if isinstance(name, str) else name


def _selection(value: Any) -> Any:
    """A selection: fields with values, keywords, or a list of either."""
    if isinstance(value, Mapping):
        return {_key(key): _values(str(key), each) for key, each in value.items()}
    if isinstance(value, list):
        return [_selection(each) for each in value]
    if isinstance(value, Plain):  # a keyword
        return None if value in SIGMA_NULLS else str(value)
    return value


def _values(key: str, value: Any) -> Any:
    field, *names = key.split("|")
    modifiers = set(names) - LINKING
    if isinstance(value, list):
        made: list[Any] = []
        for each in value:
            found = _value(each, field, modifiers)
            made += found if isinstance(found, list) and not isinstance(each, list) else [found]
        return made
    return _value(value, field, modifiers)


def _value(value: Any, field: str, modifiers: set[str]) -> Any:
    if not isinstance(value, str):
        return value
    if "exists" in modifiers:
        return _boolean(value)
    if modifiers & COMPARED:
        return _number(value)
    if not isinstance(value, Plain):
        return value
    if modifiers or not field:  # a modifier of texts, or keywords
        return str(value)
    if value == "~":
        return [None, "~"]
    if value in SIGMA_NULLS:
        return None
    if value in BOOLEANS:
        return BOOLEANS[value]
    return NumberText(value) if number(value) is not None else str(value)


def _boolean(value: str) -> bool | str:
    low = value.lower()
    if low in _YES or low == "true":
        return True
    return False if low in _NO or low == "false" else str(value)


def _number(value: str) -> int | float | str:
    """The decimal number that a text represents; else the text itself, which pySigma rejects."""
    digits = value.replace("_", "").removeprefix("+")
    sign = "-" if digits.startswith("-") else ""
    whole, dot, rest = digits.removeprefix("-").partition(".")
    if whole.isdigit():
        whole = whole.lstrip("0") or "0"
    found = number(f"{sign}{whole}{dot}{rest}")
    return str(value) if found is None else found
