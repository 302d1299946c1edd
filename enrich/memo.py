"""A cache, bounded in entries and in the size of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key", str, bytes)
Value = TypeVar("Value")


class Memo(dict[Key, Value]):
    """`memo[key]` computes a missing value and keeps it; a hit costs one dictionary look-up.

    Values that come from events are hostile: an attacker can make every address or user agent a
    new one. So at `limit` entries it is emptied (cheaper than keeping an order of use on every
    hit), and keys longer than `longest` are computed each time and never kept.

    >>> sizes = Memo(len, limit=100)
    >>> sizes["four"], len(sizes)
    (4, 1)
    """

    def __init__(self, compute: Callable[[Key], Value], *, limit: int, longest: int = 1024) -> None:
        super().__init__()
        self._compute: Callable[[Key], Value] = compute
        self._limit = limit
        self._longest = longest

    def __missing__(self, key: Key) -> Value:
        value: Value = self._compute(key)
        if len(key) <= self._longest:
            if len(self) >= self._limit:
                self.clear()
            self[key] = value
        return value
