"""Events that a backfill indexed and that no scheduled rule looks at.

Scheduled rules cover events that were ingested up to `detections.late_hours` after they happened,
and only while a daemon runs them. Everything else needs `trailhound detect`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.daily_indices import daily_indices
from detections.events.index import EventIndex
from detections.running.pace import pace_of
from detections.span import Span, milliseconds, moment
from trailhound.app.unfinished_backfills import Unfinished
from trailhound.cluster.queries import either
from trailhound.cluster.refreshing import make_searchable, refresh_ahead
from trailhound.errors import NoEventsIndexError
from trailhound.settings import Settings
from trailhound.state.daemons import Daemons
from trailhound.state.jobs import DETECTIONS, Jobs
from trailhound.state.late_events import LateEventsStore

_SILENT: Final = timedelta(minutes=5)
"""Time without a run after which no daemon runs the rules. They run every few seconds; while rules
catch up, a run takes a minute."""


@dataclass(frozen=True, slots=True)
class Undetected:
    """Events that no scheduled rule looks at, and the times of the first and the last of them."""

    events: int
    first: datetime
    last: datetime

    @property
    def days(self) -> tuple[str, str]:
        """The first and last UTC day, for `--since` and `--until` of `trailhound detect`."""
        return f"{self.first:%Y-%m-%d}", f"{self.last:%Y-%m-%d}"

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        since, until = self.days
        return {"events": self.events, "since": since, "until": until}


def undetected(
    client: OpenSearch,
    settings: Settings,
    started: datetime,
    written: Collection[str] = (),
    killed: datetime | None = None,
) -> Undetected | None:
    """The undetected events that were indexed since a moment; None where rules cover all of them.

    `written`: the daily indices that were written to, where they are known. `killed`: when a run
    began that was killed or interrupted, whose events count too.

    Raises `ClusterError` and opensearch-py's exceptions.
    """
    try:
        indices = daily_indices(client, settings)
    except NoEventsIndexError:
        return None
    refresh_ahead(client, written, settings.ingest.in_flight)
    make_searchable(client, indices.expression)
    # In whole milliseconds, as `event.ingested` is, and by the same machine's clock.
    begin = moment(milliseconds(started))
    spans: list[tuple[datetime, datetime | None]] = [(begin, None)]
    if killed is not None and killed < begin:
        spans.append((moment(milliseconds(killed)), begin))
    pace = pace_of(settings) if rules_are_run(client, settings) else None
    late = None if pace is None else pace.late + pace.lookback
    found = EventIndex(client, indices.expression).search(
        {
            "query": either([_ingested(since, until, late) for since, until in spans]),
            "aggs": {
                "first": {"min": {"field": "@timestamp"}},
                "last": {"max": {"field": "@timestamp"}},
            },
        }
    )
    events = int(found["hits"]["total"]["value"]) if found.get("hits") else 0
    if not events:
        return None
    ends = [int(found["aggregations"][name]["value"]) for name in ("first", "last")]
    return Undetected(events, moment(ends[0]), moment(ends[1]))


def _ingested(since: datetime, until: datetime | None, late: timedelta | None) -> dict[str, Any]:
    """The events ingested in a time; with `late` those that had happened so long before it."""
    limits = {"gte": since.isoformat()} | ({"lt": until.isoformat()} if until else {})
    filters: list[dict[str, Any]] = [{"range": {"event.ingested": limits}}]
    if late is not None:
        filters.append({"range": {"@timestamp": {"lt": (since - late).isoformat()}}})
    return {"bool": {"filter": filters}}


def note_searched(client: OpenSearch, settings: Settings, span: Span, began: datetime) -> None:
    """Record that all rules ran over the events of a span, by the time they happened.

    Raises `ClusterError` and opensearch-py's exceptions.
    """
    LateEventsStore(client, settings).searched(span.since, span.until, began)
    unfinished = Unfinished(client, settings)
    unfinished.forget(
        [
            each.id
            for each in unfinished.earlier()
            if each.began < began and _within(undetected(client, settings, each.began), span)
        ]
    )


def _within(left: Undetected | None, span: Span) -> bool:
    return left is None or (span.since <= left.first and left.last < span.until)


def rules_are_run(client: OpenSearch, settings: Settings, now: datetime | None = None) -> bool:
    """Whether a daemon currently runs the scheduled rules."""
    if not Daemons(client, settings).active(now):
        return False
    last = Jobs(client, settings).get(DETECTIONS).last_success
    recent = (now or datetime.now(UTC)) - _SILENT
    return bool(last) and datetime.fromisoformat(last) >= recent
