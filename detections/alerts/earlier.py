"""How many alerts a rule raised before about the same principal, for alerts of one event.

Alerts of a group need no search: the group's directory lists them (`Directory.before`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import Document
from trailhound.batching import batched
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable

_AT_ONCE = 100


def earlier_alerts(
    client: OpenSearch, index: str, alerts: Mapping[str, Document]
) -> dict[str, Document]:
    """For each new alert, by `_id`, `count` and `relation` of the earlier ones, both stored and
    among the new ones. Raises `ClusterError`."""
    if not alerts:
        return {}
    make_searchable(client, index, required=True)
    counts: dict[str, int] = {}
    for part in batched(list(alerts), _AT_ONCE):
        replies = IndexReader(client, index).searches([_body(alerts[name]) for name in part])
        for name, reply in zip(part, replies, strict=True):
            counts[name] = int(reply["hits"]["total"]["value"])
    seen: dict[tuple[str, ...], list[str]] = {}
    for alert in alerts.values():
        seen.setdefault(about(alert), []).append(alert["first_seen"])
    for times in seen.values():
        times.sort()
    return {
        name: {
            "count": counts[name] + bisect_left(seen[about(alert)], alert["first_seen"]),
            "relation": "eq",
        }
        for name, alert in alerts.items()
    }


def about(alert: Document) -> tuple[str, ...]:
    """The key of alerts that are counted together: the rule and the principals."""
    entity = alert["entity"]
    return alert["rule"]["id"], *(entity.get("arn") or entity.get("principal") or ())


def _body(alert: Document) -> dict[str, Any]:
    entity = alert["entity"]
    clauses: list[dict[str, Any]] = [
        {"term": {"rule.id": alert["rule"]["id"]}},
        {"range": {"first_seen": {"lt": alert["first_seen"]}}},
    ]
    for field in ("arn", "principal"):
        if values := entity.get(field):
            clauses.append({"terms": {f"entity.{field}": list(values)}})
            break
    but = [{"exists": {"field": "merged_into"}}]
    return {
        "query": {"bool": {"filter": clauses, "must_not": but}},
        "track_total_hits": True,
    }
