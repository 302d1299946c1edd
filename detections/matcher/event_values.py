"""What a Sigma field name finds in a decoded CloudTrail record.

A path is dotted (`userIdentity.type`). It is followed through nested objects, through arrays (every
element), and through keys that hold dots themselves: `a.b.c` also finds `{"a.b": {"c": 1}}`.
A path that ends at an object or an array means every value below it, as a term query on
the root of a `flat_object` field does, so `responseElements|contains: Failure` sees all leaves.

Null and absent are the same thing here, as they are in the index; so are `{}` and `[]`, which
hold no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Record = Mapping[str, Any]
ValueTest = Callable[[Any], bool]
"""A test of one scalar: a string, number or boolean, never null."""
RecordTest = Callable[[Record], bool]

_CONTAINERS = (dict, list, tuple, Mapping)


def leaves(value: Any) -> list[Any]:
    """Every scalar at or below `value`, without nulls. Not recursive: the sender determines the
    depth.

    >>> leaves({"a": [1, {"b": "x"}], "c": None, "d": {}})
    [1, 'x']
    """
    found: list[Any] = []
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if type(node) is str:  # most are, and no other test is as cheap
            found.append(node)
        elif isinstance(node, Mapping):
            waiting.extend(reversed(node.values()) if type(node) is dict else node.values())
        elif isinstance(node, (list, tuple)):
            waiting.extend(reversed(node))
        elif node is not None:
            found.append(node)
    return found


def text(value: Any) -> str:
    """A scalar as CloudTrail writes it: `true` for True, `1` for 1, a string as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value)
    except ValueError:  # an integer beyond Python's limit of digits
        return ""


def values_at(path: str) -> Callable[[Record], list[Any]]:
    """A function that gives the scalars a record holds at `path`; empty where there are none.

    >>> values_at("a.b")({"a": [{"b": 1}, {"b": ["x", None]}], "a.b": "dotted"})
    [1, 'x', 'dotted']
    """
    parts = path.split(".")
    last = len(parts)
    steps = [
        [(".".join(parts[start:end]), end) for end in range(start + 1, last + 1)]
        for start in range(last)
    ]

    def collect(record: Record) -> list[Any]:
        found: list[Any] = []
        waiting: list[tuple[Any, int]] = [(record, 0)]
        while waiting:
            node, depth = waiting.pop()
            if depth == last:
                found.extend(leaves(node))
            elif isinstance(node, Mapping):
                waiting.extend(
                    (node[key], end) for key, end in reversed(steps[depth]) if key in node
                )
            elif isinstance(node, (list, tuple)):
                waiting.extend((item, depth) for item in reversed(node))
        return found

    return collect


def any_at(path: str, test: ValueTest) -> RecordTest:
    """Whether any scalar at `path` passes `test`.

    Most records are plain objects without dotted keys; those are read without a list being built.
    """
    collect = values_at(path)
    parts = path.split(".")
    if len(parts) == 1:
        return _any_at_top(path, test)
    levels = [
        (part, tuple(".".join(parts[i : end + 1]) for end in range(i + 1, len(parts))))
        for i, part in enumerate(parts)
    ]

    def match(record: Record) -> bool:
        node: Any = record
        for key, dotted in levels:
            if node.__class__ is not dict:
                if node is None or not isinstance(node, _CONTAINERS):
                    return False
                return any(map(test, collect(record)))
            for longer in dotted:
                if longer in node:
                    return any(map(test, collect(record)))
            node = node.get(key)
        if node.__class__ is str:
            return test(node)
        if node is None:
            return False
        return any(map(test, leaves(node)))

    return match


def _any_at_top(key: str, test: ValueTest) -> RecordTest:
    """`any_at` for a top-level field, by far the most frequent case."""

    def match(record: Record) -> bool:
        value = record.get(key)
        if value.__class__ is str:
            return test(value)
        if value is None:
            return False
        return any(map(test, leaves(value)))

    return match
