"""What the engine accepts of a value, by where in a document it is.

Each limit was tried on the engine, 2.19 and 3.8; tests/integration/test_repair.py tries them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from trailhound.cluster.mappings import IMMENSE_TERM

LONGEST_NUMBER = 1_000
"""Digits; the engine's JSON reader stops there (Jackson StreamReadConstraints.maxNumberLength)."""

DEEPEST = 200
"""Levels below a field. The engine's reader stops at 1,000 in all, Python's near that."""

LONGEST_KEY = 30_000
"""Bytes of a key; with its path it must stay under Lucene's term limit."""


@dataclass(slots=True)
class TooDeep:
    """A value that is nested too deep to be read, as text."""

    raw: bytes


def depth_of(value: Any) -> int:
    """Levels of nesting, found without nesting calls."""
    depth, level = 0, [value]
    while level:
        level = [
            below
            for item in level
            if isinstance(item, dict | list)
            for below in (item.values() if isinstance(item, dict) else item)
        ]
        depth += 1
    return depth


def exact_number(text: str) -> Any:
    """A number under its own text, so that none is rounded on its way."""
    return (
        int(text) if text.lstrip("-").isdigit() and len(text) < 19 else msgspec.Raw(text.encode())
    )


def is_refused_name(key: str) -> bool:
    """Names the engine refuses in mapped objects: empty, or with an empty part between dots."""
    return not key.strip() or (("." in key) and not all(part.strip() for part in key.split(".")))


def size_of(text: str) -> int:
    """In bytes, as the engine's terms are measured."""
    return len(text.encode())


def fits_keyword(value: Any) -> bool:
    """Scalars, and lists of them, that make terms short enough."""
    if isinstance(value, list):
        return len(value) <= 10_000 and all(fits_keyword(item) for item in value)
    if isinstance(value, str):
        return size_of(value) <= IMMENSE_TERM
    return not isinstance(value, dict | TooDeep) and is_readable(value, 0)


def is_readable(value: Any, depth: int) -> bool:
    """Whether the engine's JSON reader gets through this value at all."""
    if isinstance(value, TooDeep) or depth > DEEPEST:
        return False
    if isinstance(value, msgspec.Raw):
        return len(bytes(value)) < LONGEST_NUMBER
    if isinstance(value, dict):
        return all(
            len(key) < LONGEST_KEY and is_readable(item, depth + 1) for key, item in value.items()
        )
    if isinstance(value, list):
        return all(is_readable(item, depth + 1) for item in value)
    return True


def fits_flat_list(values: list[Any], room: int) -> bool:
    """Whether every text of a list below a flat_object is shorter than `room`, in bytes."""
    return all(
        fits_flat_list(item, room) if isinstance(item, list) else size_of(item) < room
        for item in values
        if isinstance(item, list | str)
    )
