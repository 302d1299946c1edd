"""YAML and JSON scalars as they were written.

YAML reads `No` as false, `001122334455` as an octal number and `1.10` as 1.1. Values that are
compared with events need the text as written, so an unquoted scalar is kept as `Plain`, and its
reader determines the type. Quoted scalars are ordinary strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

COMPARED = ("filter",)
"""Settings whose scalars are compared with events, as they were written."""
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
"""What YAML 1.2's core schema takes for null."""
BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""What YAML 1.2's core schema takes for a boolean."""
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number as JSON writes it."""
_LONGEST_NUMBER = 400
"""Characters; a double has at most 309 digits before its point."""


class Plain(str):
    """An unquoted scalar; its text is what was written."""

    __slots__ = ()


class _AsWritten(yaml.constructor.SafeConstructor):
    """Builds `Plain` from every unquoted scalar; all else as `yaml.safe_load` does."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if isinstance(node, yaml.ScalarNode) and not node.style and _is_implicit(node.tag):
            return Plain(node.value)
        return super().construct_object(node, deep=deep)


_IMPLICIT = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "timestamp", "value", "str")
)


def _is_implicit(tag: str | None) -> bool:
    return tag in _IMPLICIT


def as_written(node: yaml.Node) -> Any:
    """The value of a node of a YAML document, unquoted scalars as `Plain`. Raises `YAMLError`."""
    return _AsWritten().construct_document(node)


def compose(text: str) -> yaml.Node | None:
    """The only document of a text; None where there is none. Raises `YAMLError`."""
    node: yaml.Node | None = yaml.compose(text, Loader=SafeLoader)
    return node


def load(text: str) -> Any:
    """The only document of a text, as `as_written` gives it. Raises `YAMLError`."""
    node = compose(text)
    return None if node is None else as_written(node)


def load_json(text: str) -> Any:
    """A JSON text with its numbers as `Plain`. Raises `ValueError`."""
    return json.loads(text, parse_int=Plain, parse_float=Plain, parse_constant=Plain)


def number(text: str) -> int | float | None:
    """The number that a text is in JSON; None if it is no number, or not a finite one.

    >>> number("1.10"), number("1e3"), number("007"), number("1e999")
    (1.1, 1000.0, None, None)
    """
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if found is None:
        return None
    if found.lastindex is None:
        return int(text)
    value = float(text)
    return value if value not in (float("inf"), float("-inf")) else None


def mapped(value: Any, scalar: Callable[[Plain], Any]) -> Any:
    """`value` with `scalar` applied to every `Plain` in it; keys become plain strings.

    >>> mapped({"a": [Plain("1"), "1"]}, int)
    {'a': [1, '1']}
    """
    if isinstance(value, Plain):
        return scalar(value)
    if isinstance(value, Mapping):
        return {
            str(key) if isinstance(key, Plain) else key: mapped(each, scalar)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [mapped(each, scalar) for each in value]
    return value


def setting(value: Plain) -> str | None:
    """A scalar of a setting: None for a null, otherwise its text, for pydantic to read."""
    return None if value in NULLS else str(value)


def json_value(value: Plain) -> Any:
    """A scalar as the JSON value that it writes; a text where JSON would write it otherwise.

    >>> [json_value(Plain(each)) for each in ("true", "No", "12", "1.10", "~")]
    [True, 'No', 12, '1.10', None]
    """
    if value in NULLS:
        return None
    if value in BOOLEANS:
        return BOOLEANS[value]
    found = number(value)
    return found if found is not None and repr(found) == str(value) else str(value)
