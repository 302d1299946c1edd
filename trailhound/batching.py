"""Long sequences a part at a time: as many ids, queries or documents as one request takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


@overload
def batched(values: list[T], size: int) -> Iterator[list[T]]: ...
@overload
def batched(values: Sequence[T], size: int) -> Iterator[Sequence[T]]: ...
def batched(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive slices of at most `size` values, in their order.

    Like `itertools.batched`, which Python 3.11 lacks, but the slices are of the type of `values`.

    >>> list(batched("abcde", 2))
    ['ab', 'cd', 'e']
    """
    for start in range(0, len(values), size):
        yield values[start : start + size]


def weighed(values: Iterable[T], weight: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Consecutive values whose weights are at most `most` together, or one value that weighs more.

    >>> list(weighed([3, 1, 9, 2, 2], int, 4))
    [[3, 1], [9], [2, 2]]
    """
    part: list[T] = []
    held = 0
    for value in values:
        weighs = weight(value)
        if part and held + weighs > most:
            yield part
            part, held = [], 0
        part.append(value)
        held += weighs
    if part:
        yield part
