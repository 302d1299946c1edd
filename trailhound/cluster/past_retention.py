"""The days past retention that a daemon's next run removes, for `status` and `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from opensearchpy import OpenSearch

from trailhound.cluster.retention import days_due, lifecycles, storage_of
from trailhound.cluster.templates import Names
from trailhound.plural import plural
from trailhound.settings import Settings

_DOTTED = "%Y.%m.%d"


@dataclass(frozen=True, slots=True)
class PastRetention:
    """The daily indices that are past retention and not removed yet: their number, the first and
    last of them (`YYYY.MM.DD`; empty where there are none), and what becomes of them."""

    kept: int
    """The setting `retention.days`."""
    action: Literal["delete", "close"]
    days: int = 0
    first: str = ""
    last: str = ""
    routine: bool = True
    """Whether there is at most the day that midnight made too old."""

    def as_dict(self) -> dict[str, Any]:
        """As `status --json` prints it."""
        return {
            "retention_days": self.kept,
            "action": self.action,
            "days": self.days,
            "first": self.first or None,
            "last": self.last or None,
        }

    def describe(self) -> str:
        """In one sentence.

        >>> PastRetention(30, "close", 1, "2025.01.01", "2025.01.01").describe()
        "1 day (2025.01.01) is past retention.days (30): a daemon's next run closes it to searches"
        """
        if not self.days:
            return f"no day is past retention.days ({self.kept:,})"
        one = self.days == 1
        named = self.first if one else f"{self.first} to {self.last}"
        does = "deletes" if self.action == "delete" else "closes"
        them = "it with its events" if one else "them with their events"
        if self.action == "close":
            them = "it to searches" if one else "them to searches"
        return (
            f"{plural(self.days, 'day')} ({named}) {'is' if one else 'are'} past retention.days "
            f"({self.kept:,}): a daemon's next run {does} {them}"
        )


def read_past_retention(
    client: OpenSearch, settings: Settings, today: date
) -> PastRetention | None:
    """The days that `trailhound.cluster.retention.enforce` would remove on `today` (UTC), without
    those that a foreign policy manages; None if no number of days is kept. Raises
    opensearch-py's exceptions."""
    retention = settings.retention
    if retention.days is None:
        return None
    due, _ = days_due(client, settings, today)
    past = {index: tier for index, tier in due.items() if tier == "past"}
    if past:
        acting = next(
            each
            for each in lifecycles(client, settings, storage_of(client, settings))
            if each.can("past")
        )
        managed = set(acting.plan(past).managed)
        past = {index: tier for index, tier in past.items() if index not in managed}
    if not past:
        return PastRetention(retention.days, retention.action)
    names = Names(settings.prefix)
    days = sorted(names.day_of(index) or "" for index in past)
    newest = f"{today - timedelta(days=retention.days + 1):{_DOTTED}}"
    return PastRetention(
        retention.days, retention.action, len(days), days[0], days[-1], days == [newest]
    )
