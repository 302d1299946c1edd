"""Days that count for learning although perhaps no rule has looked at them.

A day without alerts counts for learning, but if a backfill indexed it late and nobody ran `detect`,
the lack of alerts means nothing. It is not recorded which days `detect` covered, so these are the
days that the schedule can't have covered and that no alert is about.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from opensearchpy import OpenSearch

from detections.alerts.paging import every
from detections.automation.learning import days_between
from detections.events.index import BY_DAY, EventIndex
from detections.running.pace import pace_of
from detections.span import Span, milliseconds, moment
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.rule_checkpoints import RuleCheckpoints

_DAY = timedelta(days=1)


def unsearched_days(
    client: OpenSearch, settings: Settings, span: Span, but_rule: str
) -> list[date]:
    """The days with events, in a span of complete UTC days, that no rule seems to have looked at,
    the earliest first. Alerts of `but_rule` do not count. Raises `ClusterError`."""
    late = pace_of(settings).late
    begun = RuleCheckpoints(client, settings).first_begun()
    found = EventIndex(client, Names(settings.prefix).days).search(
        {
            "size": 0,
            "query": span.query(),
            "aggs": {
                "days": {**BY_DAY, "aggs": {"came": {"min": {"field": "event.ingested"}}}},
            },
        }
    )
    quiet: list[date] = []
    for each in (found.get("aggregations") or {}).get("days", {}).get("buckets", ()):
        day, came = moment(int(each["key"])), each["came"]["value"]
        on_time = came is not None and int(came) < milliseconds(day + _DAY + late)
        if begun is None or not on_time or moment(int(came)) < begun:
            quiet.append(day.date())
    if not quiet:
        return []
    alerted = _alerted(client, settings, span, but_rule)
    return [day for day in quiet if day not in alerted]


def _alerted(client: OpenSearch, settings: Settings, span: Span, but_rule: str) -> set[date]:
    asked = [
        {"range": {"last_seen": {"gte": span.since.isoformat()}}},
        {"range": {"first_seen": {"lt": span.until.isoformat()}}},
    ]
    but = [{"term": {"rule.id": but_rule}}]
    found: set[date] = set()
    fields = ("first_seen", "last_seen")
    for _, alert in every(client, Names(settings.prefix).alerts, asked, but=but, fields=fields):
        first, last = (datetime.fromisoformat(alert[name]) for name in fields)
        found.update(days_between(first, last))
    return found
