"""Time spans of log queries, and how a span is divided if the row limit cut its answer.

AWS takes seconds, both ends included. Whether the whole last second counts, or only its first
instant, is not documented. So each span is queried up to the second after it: neighbouring spans
overlap by that second, and a row in both is recognised by its pointer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from trailhound.aws.insights_query import POINTER, ROWS, Row

_FILL: Final = 0.75
"""Share of the row limit that parts are planned for: events are not spread evenly."""
_MOST_PARTS: Final = 48


@dataclass(frozen=True, order=True)
class QuerySpan:
    """Whole seconds since 1970, both included."""

    first: int
    last: int

    @property
    def seconds(self) -> int:
        return self.last - self.first + 1

    @property
    def asked(self) -> tuple[int, int]:
        """StartQuery's startTime and endTime."""
        return self.first, self.last + 1

    @property
    def text(self) -> str:
        """Both ends, in UTC.

        >>> QuerySpan(0, 59).text
        '1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z'
        """
        since, until = (
            f"{datetime.fromtimestamp(each, UTC):%Y-%m-%dT%H:%M:%SZ}"
            for each in (self.first, self.last + 1)
        )
        return f"{since} to {until}"


def parts(span: QuerySpan, matched: int) -> list[QuerySpan]:
    """A span in parts, each of which probably has fewer than `ROWS` of the `matched` rows.

    >>> parts(QuerySpan(0, 9), 15_000)
    [QuerySpan(first=0, last=4), QuerySpan(first=5, last=9)]
    """
    wanted = max(2, -(-matched // int(ROWS * _FILL)))
    number = min(wanted, _MOST_PARTS, span.seconds)
    bounds = [span.first + span.seconds * each // number for each in range(number + 1)]
    return [QuerySpan(first, after - 1) for first, after in pairwise(bounds)]


def is_cut(rows: int, matched: float) -> bool:
    """Whether the row limit cut an answer: it has `ROWS` rows, and AWS matched another number."""
    return rows >= ROWS and matched != rows


def distinct(rows: Iterable[Row], seen: set[str]) -> Iterator[Row]:
    """Rows whose event is not in `seen`, which is extended; rows that name no event are all
    kept."""
    for row in rows:
        pointer = row.get(POINTER)
        if pointer is not None:
            if pointer in seen:
                continue
            seen.add(pointer)
        yield row


def divisible(span: QuerySpan, rows: Sequence[Row]) -> bool:
    """Whether the answers for parts of the span can be combined: its rows name their events."""
    return span.seconds > 1 and all(POINTER in row for row in rows)
