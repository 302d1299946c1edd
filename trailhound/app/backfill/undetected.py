"""Events that a backfill indexed and that no scheduled rule looks at.

Scheduled rules cover events that were ingested up to `detections.late_hours` after they happened,
from when they began to run on (a new rule begins a few minutes before its first run),
and only while a daemon runs them. Everything else needs `trailhound detect`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.daily_indices import daily_indices
from detections.events.index import EventIndex
from detections.rule import Rule
from detections.running.pace import RulePace, pace_of
from detections.span import Span, milliseconds, moment
from trailhound.app.backfill.unfinished import UnfinishedBackfills
from trailhound.cluster.queries import Query, both, either
from trailhound.cluster.refreshing import make_searchable, refresh_ahead
from trailhound.errors import NoEventsIndexError
from trailhound.settings import Settings
from trailhound.state.backfills import BackfillState
from trailhound.state.daemons import Daemons
from trailhound.state.jobs import DETECTIONS, Jobs
from trailhound.state.late_events import LateEvents, LateEventsStore
from trailhound.state.rule_checkpoints import RuleCheckpoints

_SILENT: Final = timedelta(minutes=5)
"""Time without a run after which no daemon runs the rules. They run every few seconds; while rules
catch up, a run takes a minute."""
_PARTS: Final = 200
"""The most spans of ingestion in a query, and the most parts that they are divided into: each takes
two of `MOST_CLAUSES`."""


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

    def late(self) -> LateEvents:
        """The same, to be kept until `detect` has looked at them."""
        now = datetime.now(UTC)
        return LateEvents(events=self.events, first=self.first, last=self.last, added=now)

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        since, until = self.days
        return {"events": self.events, "since": since, "until": until}


def undetected(
    client: OpenSearch,
    settings: Settings,
    spans: Iterable[Span],
    written: Collection[str] = (),
    *,
    scheduled: bool = True,
) -> Undetected | None:
    """The undetected events that were ingested in some spans; None where rules cover all of them.
    Without `scheduled`, all events of the spans, as if no daemon ran the rules.

    `written`: the daily indices that were written to, where they are known.

    Raises `ClusterError` and opensearch-py's exceptions.
    """
    try:
        indices = daily_indices(client, settings)
    except NoEventsIndexError:
        return None
    refresh_ahead(client, written, settings.ingest.in_flight)
    make_searchable(client, indices.expression)
    joined = _joined(spans)
    clauses = [each.query() for each in joined]
    if scheduled and rules_are_run(client, settings):
        before, after = _divided(joined, _rules_begun(client, settings))
        clauses = [each.query() for each in before] + _late(after, pace_of(settings))
        if not clauses:
            return None
    found = EventIndex(client, indices).search(
        {
            "query": either(clauses),
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


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Spans by the time of ingestion in whole milliseconds, as `event.ingested` is; those that
    overlap as one."""
    made: list[Span] = []
    for each in sorted(spans, key=lambda span: span.since):
        since = moment(milliseconds(each.since))
        until = moment(milliseconds(each.until) + 1)
        if made and since <= made[-1].until:
            since, until = made[-1].since, max(until, made.pop().until)
        made.append(Span(since, until, "event.ingested"))
    if len(made) > _PARTS:  # many runs that were killed, one after another
        return [Span(made[0].since, made[-1].until, "event.ingested")]
    return made


def _rules_begun(client: OpenSearch, settings: Settings) -> datetime:
    """Since when of ingestion all rules that daemons run have looked: since the last of them is
    new. Those of the last release count as having run always."""
    always = datetime.min.replace(tzinfo=UTC)
    known = RuleCheckpoints(client, settings).read().values()
    return max((each.begun or always for each in known if not each.inactive), default=always)


def _divided(spans: Iterable[Span], begun: datetime) -> tuple[list[Span], list[Span]]:
    """What of these spans is before a moment, and what is after it."""
    before: list[Span] = []
    after: list[Span] = []
    for each in spans:
        if each.since < begun:
            before.append(Span(each.since, min(each.until, begun), each.clock))
        if each.until > begun:
            after.append(Span(max(each.since, begun), each.until, each.clock))
    return before, after


def _late(spans: Sequence[Span], pace: RulePace) -> list[Query]:
    """The events of which scheduled rules cover none for certain: ingested that long after they
    happened. Spans are divided, so that what a backfill of hours ingests at its end is compared
    with that time, and not with its begin."""
    whole = sum((each.until - each.since for each in spans), timedelta())
    part = max(pace.lookback, whole / _PARTS)
    clauses: list[Query] = []
    for span in spans:
        since = span.since
        while since < span.until:
            until = min(since + part, span.until)
            happened = (until - pace.late - pace.lookback).isoformat()
            clauses.append(
                both(
                    Span(since, until, "event.ingested").query(),
                    {"range": {"@timestamp": {"lt": happened}}},
                )
            )
            since = until
    return clauses


def note_searched(
    client: OpenSearch, settings: Settings, rules: Collection[Rule], span: Span, began: datetime
) -> list[str]:
    """Record that these rules ran over the events of a span, by the time they happened.

    Returns the titles of rules that daemons run and that are not among them: then the events that
    no rule has looked at stay noted. Empty also if none are noted.

    Raises `ClusterError` and opensearch-py's exceptions.
    """
    late, unfinished = LateEventsStore(client, settings), UnfinishedBackfills(client, settings)
    if late.get() is None and not unfinished.all():
        return []
    ran = {rule.id for rule in rules}
    scheduled = RuleCheckpoints(client, settings).read().values()
    missing = [each.title for each in scheduled if not each.inactive and each.rule_id not in ran]
    if missing:
        return sorted(missing)
    late.mark_searched(span.since, span.until, began)

    def covered(backfills: Sequence[BackfillState]) -> bool:
        spans = unfinished.spans(backfills)
        left = undetected(client, settings, spans)
        if left is None:  # what rules on schedule have looked at was not searched by these
            left = undetected(client, settings, spans, scheduled=False)
        return left is None or (span.since <= left.first and left.last < span.until)

    before = [each for each in unfinished.all() if each.began < began]
    if before and not covered(before):
        before = [each for each in before if covered([each])]
    unfinished.forget(before)
    return []


def rules_are_run(client: OpenSearch, settings: Settings) -> bool:
    """Whether a daemon currently runs the scheduled rules."""
    if not Daemons(client, settings).active():
        return False
    last = Jobs(client, settings).get(DETECTIONS).last_success
    recent = datetime.now(UTC) - _SILENT
    return bool(last) and datetime.fromisoformat(last) >= recent
