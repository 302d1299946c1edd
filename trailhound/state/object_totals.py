"""Totals over all objects: records by outcome, objects by state.

Daemons count the same records once more in their own documents; those are left out here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opensearchpy import OpenSearch

from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState

_COUNTS = ("read", "indexed", "duplicates", "dead_lettered", "filtered", "by_folder", "bytes")
_STATES = 10


@dataclass(frozen=True, slots=True)
class ObjectTotals:
    """`objects` by their state (`done`, `failed`, …); the rest are records, and bytes read."""

    objects: Mapping[str, int] = field(default_factory=dict)
    read: int = 0
    indexed: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    filtered: int = 0
    by_folder: int = 0
    bytes: int = 0


def object_totals(client: OpenSearch, settings: Settings) -> ObjectTotals:
    """Of all objects of a namespace, of all times, the latest write included; zeros where there is
    no ledger yet. Raises `ClusterError` and opensearch-py's exceptions."""
    index = Names(settings.prefix).ledger
    lenient = {"ignore_unavailable": "true", "allow_no_indices": "true"}
    client.indices.refresh(index=index, params=lenient)
    aggregations = {
        "states": {"terms": {"field": "state", "size": _STATES}},
        **{name: {"sum": {"field": name}} for name in _COUNTS},
    }
    body = {"query": ObjectState.query(), "aggs": aggregations}
    found = IndexReader(client, index).search(body).get("aggregations")
    if not found:
        return ObjectTotals()
    return ObjectTotals(
        objects={each["key"]: each["doc_count"] for each in found["states"]["buckets"]},
        **{name: int(found[name]["value"]) for name in _COUNTS},
    )
