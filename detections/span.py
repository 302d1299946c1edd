"""A span of time, by event time or by ingestion time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

Clock = Literal["@timestamp", "event.ingested"]
"""When it happened (history), or when Trailhound sent it (schedules: late files are not missed)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGINNING: Final = _EPOCH
"""Where a span without `--since` begins."""
UNLIMITED: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Where a span without `--until` ends: after the last date that the command line accepts."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` (included) to `until` (left out), both in UTC with a time zone.

    Events that happened before `oldest` are left out: a schedule is not to raise alerts about
    what a backfill of old files has just brought.
    """

    since: datetime
    until: datetime
    clock: Clock = "@timestamp"
    oldest: datetime | None = None

    def query(self) -> dict[str, Any]:
        """As a clause of the query DSL."""
        limits = {"gte": self.since.isoformat(), "lt": self.until.isoformat()}
        asked: dict[str, Any] = {"range": {self.clock: limits}}
        if self.oldest is None:
            return asked
        young = {"range": {"@timestamp": {"gte": self.oldest.isoformat()}}}
        return {"bool": {"filter": [asked, young]}}

    def around(self, before: int, after: int) -> dict[str, Any] | None:
        """Every event from milliseconds before the span to milliseconds after it, as a clause; None
        for a span by another clock, whose events may be of any time.

        >>> from datetime import UTC
        >>> hour = Span(datetime(2025, 1, 1, 6, tzinfo=UTC), datetime(2025, 1, 1, 7, tzinfo=UTC))
        >>> hour.around(3_600_000, 0)["range"]["@timestamp"]
        {'gte': '2025-01-01T05:00:00+00:00', 'lte': '2025-01-01T07:00:00+00:00'}
        """
        if self.clock != "@timestamp":
            return None
        try:
            since = self.since - timedelta(milliseconds=before)
            until = self.until + timedelta(milliseconds=after)
        except OverflowError:
            return None
        return {"range": {"@timestamp": {"gte": since.isoformat(), "lte": until.isoformat()}}}

    def milliseconds(self) -> tuple[int, int]:
        """Both ends in whole milliseconds since 1970, which is how exact the index is.

        By `@timestamp` nothing before `oldest` is in it.

        >>> from datetime import UTC
        >>> Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)).milliseconds()
        (0, 86400000)
        """
        since = self.since
        if self.clock == "@timestamp" and self.oldest is not None:
            since = max(since, self.oldest)
        return _rounded_up(since), _rounded_up(self.until)


ALL_TIME: Final = Span(BEGINNING, UNLIMITED)


def _rounded_up(moment: datetime) -> int:
    """Milliseconds since 1970, rounded up: an event of that millisecond is not earlier."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def milliseconds(when: datetime) -> int:
    """A time in whole milliseconds since 1970, as the index keeps it: the rest is cut off.

    >>> milliseconds(datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC))
    1999
    """
    return (when - _EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """A time of the index, in UTC.

    >>> moment(1500).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return _EPOCH + timedelta(milliseconds=milliseconds)


def duration(seconds: float) -> str:
    """A time for people, in its two largest units.

    >>> duration(0.4), duration(75), duration(7300), duration(200_000)
    ('1 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    left = max(1, round(seconds))
    parts = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number:,} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)
