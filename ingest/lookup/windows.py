"""The event history in windows of six hours: each is an object, which is read whole and noted as
done.

Page tokens expire, windows do not: after an interruption the windows that are not done are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, Self

from ingest.objects import Selection, TrailObject

HISTORY: Final = timedelta(days=90)
"""How far the event history goes back. "Viewing recent management events with CloudTrail Event
history", CloudTrail user guide."""
LENGTH: Final = timedelta(hours=6)
SETTLED: Final = timedelta(hours=2)
"""How long after its end a window counts as closed: events arrive some minutes late."""
_MARGIN: Final = timedelta(minutes=5)
"""How much less than 90 days is asked for: a request for anything older is refused."""

Choice = Literal["writes", "all"]
"""`writes` are the events with `readOnly` false. `all` is asked for without a condition, and there
is no choice of reads alone: an event may have no `readOnly`, and would be in neither of the two."""

_NAME = re.compile(
    r"lookup://(\d{12})/CloudTrail/([a-z0-9-]+)/(\d{4})/(\d\d)/(\d\d)/(\d\d)00\.(writes|all)\.json"
)


@dataclass(frozen=True, slots=True)
class LookupWindow:
    """Six hours of one account and region. `start` is UTC, a multiple of six hours."""

    account: str
    region: str
    start: datetime
    choice: Choice

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return self.start + LENGTH

    @property
    def uri(self) -> str:
        """Its name in the ledger. Its folders are those of a trail: selections apply to it."""
        return (
            f"lookup://{self.account}/CloudTrail/{self.region}/{self.start:%Y/%m/%d/%H}00."
            f"{self.choice}.json"
        )

    @classmethod
    def of(cls, uri: str) -> Self | None:
        """The window with this name; None for a name that is not a window's.

        >>> uri = "lookup://111122223333/CloudTrail/eu-west-1/2025/03/01/0600.writes.json"
        >>> LookupWindow.of(uri).uri == uri
        True
        """
        found = _NAME.fullmatch(uri)
        if found is None:
            return None
        account, region, *parts, choice = found.groups()
        year, month, day, hour = map(int, parts)
        start = datetime(year, month, day, hour, tzinfo=UTC)
        return cls(account, region, start, "writes" if choice == "writes" else "all")

    def item(self, now: datetime) -> TrailObject:
        """The window as an object. The etag of one that is not closed yet differs in each run, so
        that it is read again."""
        closed = self.end + SETTLED <= now
        return TrailObject(self.uri, "closed" if closed else f"until {now:%Y-%m-%dT%H:%M:%SZ}", 0)

    def times(self, begun: datetime, now: datetime) -> tuple[datetime, datetime]:
        """The first and the last second to ask for in a run that has begun then; CloudTrail
        includes both. The first is after the last where the history has nothing of it any more: the
        oldest windows are read last, which may be hours later."""
        first = max(self.start, now - HISTORY + _MARGIN)
        return first.replace(microsecond=0), min(self.end - timedelta(seconds=1), begun)


def starts(selection: Selection, now: datetime, oldest: date | None = None) -> Iterator[datetime]:
    """The starts of the windows that hold selected days, the newest first. `oldest` is the first
    day that the retention keeps."""
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    start = start.replace(hour=start.hour - start.hour % 6)
    while start + LENGTH > now - HISTORY + _MARGIN and (oldest is None or start.date() >= oldest):
        if selection.covers(start.date()):
            yield start
        start -= LENGTH


def first_day(now: datetime) -> date:
    """The first UTC day of which the history has events, perhaps not all of them."""
    return (now - HISTORY).date()
