"""What a correlation counts: an event of a plain rule, or a firing of another correlation.

Times are integer milliseconds since 1970 in UTC, as in the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event in one group.

    `parts` are the positions of the correlation's rules that it matches. `values` are those of
    the field that is counted or measured. `touched`: whether the event is in the evaluated
    span. `session` is set where sessions are counted together: the ARN.
    """

    time: int
    id: str
    parts: frozenset[int] = frozenset()
    values: tuple[Any, ...] = ()
    touched: bool = True
    session: str = ""

    def events(self) -> Iterator[Occurrence]:
        """Itself."""
        yield self


@dataclass(frozen=True, slots=True)
class Firing:
    """A time at which a correlation's condition was met, as a part of another correlation.

    Its events are `log[start:stop]`, the group's events by time: a slice by its ends,
    since the windows of a long burst share most of their events.
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
        """Its plain events; one may be repeated."""
        for index in range(self.start, self.stop):
            yield from self.log[index].events()


Counted = Occurrence | Firing
