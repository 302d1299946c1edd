"""Sets of characters as ranges of code points: sorted, disjoint, both ends included."""

from __future__ import annotations

from collections.abc import Iterable

LAST = 0x10FFFF
Ranges = tuple[tuple[int, int], ...]
EVERY: Ranges = ((0, LAST),)


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Any ranges as a set.

    >>> joined([(5, 9), (1, 2), (3, 6)])
    ((1, 9),)
    """
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def complement(ranges: Ranges) -> Ranges:
    """All characters that are not in the set.

    >>> complement(((1, 3),)) == ((0, 0), (4, LAST))
    True
    """
    left: list[tuple[int, int]] = []
    begin = 0
    for low, high in ranges:
        if begin < low:
            left.append((begin, low - 1))
        begin = high + 1
    return (*left, (begin, LAST)) if begin <= LAST else tuple(left)


def one(character: str) -> Ranges:
    """The set of one character."""
    return ((ord(character), ord(character)),)


def both_cases(ranges: Ranges) -> Ranges:
    """With the other case of every ASCII letter in the set."""
    more = list(ranges)
    for low, high in ranges:
        for first, last, other in ((65, 90, 32), (97, 122, -32)):
            begin, end = max(low, first), min(high, last)
            if begin <= end:
                more.append((begin + other, end + other))
    return joined(more)
