"""The alerts that name one of a subject's events.

The search starts from the alerts, of which there are few; there may be millions of events. An alert
of many events names the first of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import stamp
from detections.alerts.paging import every
from detections.alerts.twins import TWIN_KEY
from detections.events.index import EventIndex
from detections.rule import LEVELS
from detections.span import moment
from trailhound.cluster.queries import Query

_FIELDS: Final = (
    *("rule", "level", "severity", "state", "summary", "first_seen", "last_seen"),
    "evidence.event_id",
    TWIN_KEY,
)
_AT_ONCE: Final = 10_000
"""The most events that one search looks up, which is also its limit of hits."""

Alert = dict[str, Any]


def alerts_naming(client: OpenSearch, alerts: str, index: EventIndex, query: Query) -> list[Alert]:
    """The alerts that name an event of `query`, without merged ones, each with its `twins`, if any,
    as `AlertStore.find` has them; the most severe first, then the earliest. Raises
    `ClusterError`."""
    ends = _ends(index, query)
    if ends is None:
        return []
    made: list[Alert] = []
    for batch in _batches(client, alerts, *ends):
        ids = sorted({event for _, events in batch for event in events})
        found = _known(index, query, ids)
        made += [alert for alert, events in batch if not found.isdisjoint(events)]
    return with_twins(
        sorted(
            made, key=lambda each: (-LEVELS.index(each["level"]), each["first_seen"], each["id"])
        )
    )


def with_twins(alerts: Sequence[Alert]) -> list[Alert]:
    """The alerts with their twins among them in place of the key that these share."""
    keys = [each.pop(TWIN_KEY, None) for each in alerts]
    alike: dict[str, list[Alert]] = defaultdict(list)
    for key, alert in zip(keys, alerts, strict=True):
        alike[key or alert["id"]].append(alert)
    made = []
    for key, alert in zip(keys, alerts, strict=True):
        twins = [
            {
                "id": each["id"],
                "rule": {name: each["rule"][name] for name in ("id", "name")},
                "state": each["state"],
            }
            for each in alike[key or alert["id"]]
            if each is not alert
        ]
        made.append(alert | ({"twins": twins} if twins else {}))
    return made


def _ends(index: EventIndex, query: Query) -> tuple[str, str] | None:
    """The times of the first and the last event; None without events."""
    aggregations = {
        "first": {"min": {"field": "@timestamp"}},
        "last": {"max": {"field": "@timestamp"}},
    }
    found = index.search({"query": query, "aggs": aggregations}).get("aggregations") or {}
    values = [found.get(each, {}).get("value") for each in aggregations]
    if None in values:
        return None
    first, last = (stamp(moment(int(each))) for each in values)
    return first, last


def _batches(
    client: OpenSearch, alerts: str, first: str, last: str
) -> Iterator[list[tuple[Alert, Sequence[str]]]]:
    """Alerts of a span with the events that they name, in batches of at most `_AT_ONCE` events."""
    asked: list[Query] = [
        {"range": {"first_seen": {"lte": last}}},
        {"range": {"last_seen": {"gte": first}}},
    ]
    merged = [{"exists": {"field": "merged_into"}}]
    batch: list[tuple[Alert, Sequence[str]]] = []
    held = 0
    for name, document in every(client, alerts, asked, but=merged, fields=_FIELDS):
        events = document.pop("evidence", {}).get("event_id", [])[:_AT_ONCE]
        if batch and held + len(events) > _AT_ONCE:
            yield batch
            batch, held = [], 0
        batch.append(({"id": name, **document}, events))
        held += len(events)
    if batch:
        yield batch


def _known(index: EventIndex, query: Query, ids: Sequence[str]) -> frozenset[str]:
    """The ids of those events that the query matches."""
    reply = index.search(
        {
            "query": {"bool": {"filter": [query, {"ids": {"values": list(ids)}}]}},
            "size": len(ids),
            "_source": False,
        }
    )
    return frozenset(hit["_id"] for hit in reply["hits"]["hits"])
