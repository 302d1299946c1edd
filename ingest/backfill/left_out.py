"""What a backfill would leave out of the objects that it reads, as far as their names show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from ingest.bulk.days import Days
from ingest.documents.day_limit import (
    KEPT_DAYS,
    NEAR_DAYS,
    TOO_MANY_NEW_DAYS,
    day_of_name,
)
from ingest.objects import TrailObject
from ingest.sources.layout import Place
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.errors import ClusterBlockedError
from trailhound.plural import plural
from trailhound.settings import Settings

_DOTTED: Final = "%Y.%m.%d"


@dataclass(slots=True)
class LeftOut:
    """Objects by what their names say; sizes in bytes. Only their content says the rest: events
    that are older or younger than the name, and what the setting `filter:` drops (`filtered`).

    `past` objects were delivered before `oldest` (`YYYY-MM-DD`), the first day that the retention
    keeps, so that all of their records would be filtered. `undated` ones show no day: each makes at
    most `undated_days` new daily indices, and further events wait in the dead letters. `new_days`
    are the days (`YYYY.MM.DD`) without an index that the others are of.
    """

    oldest: str
    undated_days: int
    filtered: bool
    until: date | None = None
    """The last day that is selected: the folder after it is read for events of this day alone."""
    past: int = 0
    past_bytes: int = 0
    undated: int = 0
    new_days: set[str] = field(default_factory=set)
    no_room: str = ""
    """Why the run would stop, or what daemons would leave in the dead letters: the cluster has no
    room for the days that are listed."""

    @classmethod
    def of(cls, settings: Settings, oldest: str, until: date | None = None) -> LeftOut:
        return cls(oldest, settings.ingest.new_days_per_export, bool(settings.filter), until)

    def add(self, item: TrailObject, place: Place | None) -> None:
        """Count an object that would be read."""
        span = place.span if place is not None else None
        day = day_of_name(item.uri)
        if span is not None and span[1].isoformat() < self.oldest:
            self.past += 1
            self.past_bytes += item.size
        elif day is not None:
            self.new_days.add(min(day, self.until or day).strftime(_DOTTED))
        elif span is None:
            self.undated += 1

    def compare(
        self, client: OpenSearch, settings: Settings, retry_policy: RetryPolicy, listed: set[str]
    ) -> None:
        """Leave out the days that have an index. `listed`: the days that the run would reserve
        while it lists. Raises `ClusterError`."""
        if not (self.new_days or listed):
            return
        days = Days(client, settings, retry_policy)
        self.new_days = {day for day in self.new_days if not days.exists(day)}
        if missing := sum(1 for day in listed if not days.exists(day)):
            try:
                days.check_shard_limit(missing)
            except ClusterBlockedError as error:
                self.no_room = f"{error.message}; {error.hint}"

    def compare_delivered(
        self, client: OpenSearch, settings: Settings, retry_policy: RetryPolicy
    ) -> None:
        """`compare` for objects that daemons are to read: they reserve no days, and keep the last
        room for days around today (`ingest.documents.day_limit`). Raises `ClusterError`."""
        if not self.new_days:
            return
        days = Days(client, settings, retry_policy)
        self.new_days = {day for day in self.new_days if not days.exists(day)}
        today = datetime.now(UTC)
        near = {
            (today + timedelta(days=each)).strftime(_DOTTED)
            for each in range(-NEAR_DAYS, NEAR_DAYS + 1)
        }
        far = len(self.new_days - near)
        if far and not days.has_room(far + KEPT_DAYS):
            self.no_room = (
                f"no room for {plural(far, 'new day')} beside the {KEPT_DAYS} that are kept for "
                "those around today (cluster.max_shards_per_node): events of what has no room "
                f"wait in the dead letters as {TOO_MANY_NEW_DAYS}; raise "
                "cluster.max_shards_per_node, add a node, or select fewer days with --since"
            )

    def as_dict(self) -> dict[str, Any]:
        """As `--dry-run --json` prints it; days as `YYYY-MM-DD`."""
        return {
            "past_retention_objects": self.past,
            "past_retention_bytes": self.past_bytes,
            "oldest": self.oldest or None,
            "undated_objects": self.undated,
            "new_days": len(self.new_days),
            "no_room": self.no_room or None,
            "filter": self.filtered,
        }
