"""The events of an incident, as clauses of a search."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from opensearchpy import OpenSearch

from detections.alerts.absent_events import FIELDS, named_at
from detections.alerts.alert_events import OfAlert
from detections.alerts.store import AlertQuery, AlertStore
from detections.incidents.further_events import HOLDERS, further_events, readable_events
from detections.incidents.store import IncidentStore
from trailhound.batching import batched
from trailhound.cluster.queries import Query, either
from trailhound.settings import Settings

_IDS_AT_ONCE: Final = 10_000


def events_of_incident(client: OpenSearch, settings: Settings, identifier: str) -> OfAlert:
    """The events that the alerts of an incident name, or, of alerts with more, those that their
    stored queries find. `identifier` is the id of the incident or of an alert in it, or a unique
    prefix.

    Raises `UsageError` if there is no such incident, and opensearch-py's errors.
    """
    name = IncidentStore(client, settings).named(identifier)
    ids: dict[str, None] = {}
    queries: list[Query] = []
    exact = True
    fields = (*FIELDS, "evidence.query", "evidence.query_exact")
    alerts = [
        each
        for _, each in AlertStore(client, settings).documents(AlertQuery(incident=name), fields)
    ]
    for alert in alerts:
        evidence = alert["evidence"]
        own = evidence.get("event_id", ())
        if "query" in evidence and alert["count"] > len(own):
            queries.append(evidence["query"])
            exact = exact and bool(evidence.get("query_exact"))
        else:
            ids |= dict.fromkeys(own)
            exact = exact and alert["count"] <= len(own)
    parts = batched(list(ids), _IDS_AT_ONCE)
    query = either([*({"ids": {"values": part}} for part in parts), *queries])
    return OfAlert(query, exact, named=named_at(alerts))


def story_of_incident(client: OpenSearch, settings: Settings, identifier: str) -> OfAlert:
    """The events that the alerts of an incident name, and what its principals did beside these:
    with the same keys, and in the sessions that were opened with them. Raises as
    `events_of_incident` does, and `ClusterError`."""
    named = events_of_incident(client, settings, identifier)
    store = IncidentStore(client, settings)
    incident = store.get(store.named(identifier), HOLDERS)
    gap = timedelta(hours=settings.detections.incident_gap_hours)
    index = readable_events(client, settings)
    index.refresh()
    further = further_events(index, incident, gap, named.query)
    query = either([named.query, further.query])
    return replace(named, query=query, exact=named.exact and not further.left_out)
