"""What a correlation counts: an event that a rule found, or a moment at which another fired.

Times are whole milliseconds since 1970 in UTC, as the engine keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

GroupKey = tuple[str, ...]
"""The values of a rule's group-by fields, in its order; empty where it groups by none."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event in one group.

    `parts` are the positions of the correlation's rules that it matches. `values` are what it
    holds in the field whose values are counted or measured. `touched` says whether the event lies
    in the span that is asked for.
    """

    time: int
    id: str
    parts: frozenset[int] = frozenset()
    values: tuple[Any, ...] = ()
    touched: bool = True

    def events(self) -> Iterator[Occurrence]:
        """Itself."""
        yield self


@dataclass(frozen=True, slots=True)
class Firing:
    """A moment at which a correlation's condition held, as one of another correlation's parts.

    Its events are `log[start:stop]`, the group's own events in time's order: a slice by its ends,
    since the windows of a long burst share most of what they hold.
    """

    time: int
    log: Sequence[Occurrence | Firing]
    start: int
    stop: int
    parts: frozenset[int] = frozenset()
    values: tuple[Any, ...] = ()

    @property
    def touched(self) -> bool:
        return any(self.log[index].touched for index in range(self.start, self.stop))

    def events(self) -> Iterator[Occurrence]:
        """The events behind it, down to plain ones; one may come more than once."""
        for index in range(self.start, self.stop):
            yield from self.log[index].events()


Counted = Occurrence | Firing
