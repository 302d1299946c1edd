"""Which leads of a hunt are about somebody whom an alert is about.

Alerts count by their links, as incidents do: those whom an alert names among many are not whom it
is about. Alerts on volume (`anomaly` rules) do not count: any busy workload has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import stamp
from detections.alerts.store import levels_from
from detections.investigation.lead import Lead
from detections.span import Span
from trailhound.batching import batched
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

_AT_ONCE: Final = 1_000
"""Subjects in one request."""
_FIELDS: Final = {"ip": "links.address", "user": "entity.arn"}
"""The field of an alert that a lead's identifier is looked for in."""


def mark_alerted(client: OpenSearch, settings: Settings, leads: Sequence[Lead], span: Span) -> None:
    """Set `alerted` of the leads about an address or a user of whom an alert of the span is.
    Raises `ClusterError`."""
    reader = IndexReader(client, Names(settings.prefix).alerts)
    for activity, field in _FIELDS.items():
        about = [each for each in leads if each.activity == activity]
        names = sorted({each.identifier for each in about})
        known = {
            name
            for part in batched(names, _AT_ONCE)
            for name in _alerted(reader, field, part, span)
        }
        for each in about:
            each.alerted = each.identifier in known


def _alerted(reader: IndexReader, field: str, names: Sequence[str], span: Span) -> set[str]:
    query: dict[str, Any] = {
        "bool": {
            "filter": [
                {"terms": {field: list(names)}},
                {"terms": {"level": list(levels_from("medium"))}},
                {"range": {"last_seen": {"gte": stamp(span.since)}}},
                {"range": {"first_seen": {"lt": stamp(span.until)}}},
            ],
            "must_not": [{"term": {"rule.kind": "anomaly"}}, {"exists": {"field": "merged_into"}}],
        }
    }
    named = {"terms": {"field": field, "size": len(names), "include": list(names)}}
    reply = reader.search({"query": query, "size": 0, "aggs": {"named": named}})
    found = reply.get("aggregations") or {"named": {"buckets": []}}
    return {str(each["key"]) for each in found["named"]["buckets"]}
