"""Days of a report of which no events are shown: those without any, and those that are closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from detections.events.index import BY_DAY
from trailhound.report.collect.query import Index


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Closed days of the report's time (`YYYY-MM-DD`), and closed indices that may hold events of
    it and have no day in their name."""

    days: frozenset[str] = frozenset()
    unnamed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What was not searched: the days, then the other indices."""
        return (*sorted(self.days), *self.unnamed)


def closed_days(index: Index, client: OpenSearch) -> ClosedDays:
    """The closed days of the window, and closed indices without a day in their name. Raises
    opensearch-py's exceptions."""
    rows = client.cat.indices(
        index=index.names.days,
        format="json",
        params={"h": "index,status", "expand_wildcards": "all"},
    )
    unnamed: list[str] = []
    days: set[str] = set()
    for name in sorted(str(row["index"]) for row in rows if row["status"] != "open"):
        found = index.names.day_of(name)
        if found is None:
            unnamed.append(name)
            continue
        day = found.replace(".", "-")
        since, until = index.window.since, index.window.until
        if (until is None or day < until.strftime("%Y-%m-%dT%H:%M")) and (
            since is None or day >= since.strftime("%Y-%m-%d")
        ):
            days.add(day)
    return ClosedDays(frozenset(days), tuple(unnamed))


def empty_days(index: Index, since: datetime, until: datetime) -> list[str]:
    """Days from `since` up to `until` without an event, as `YYYY-MM-DD`."""
    reply = index.ask({"days": BY_DAY})
    buckets = reply["aggregations"]["days"]["buckets"]
    having = {datetime.fromtimestamp(each["key"] / 1000, UTC).date() for each in buckets}
    day, last = since.date(), (until - timedelta(microseconds=1)).date()
    empty = []
    while day <= last:
        if day not in having:
            empty.append(day.isoformat())
        day += timedelta(days=1)
    return empty
