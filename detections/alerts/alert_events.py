"""The events of an alert, as a clause of a search."""

from __future__ import annotations

from dataclasses import dataclass

from opensearchpy import OpenSearch

from detections.alerts.store import AlertStore
from trailhound.cluster.queries import Query, both
from trailhound.settings import Settings


@dataclass(frozen=True, slots=True)
class OfAlert:
    """A clause for the events of an alert. `exact`: it matches all of these and no others."""

    query: Query
    exact: bool
    ids: tuple[str, ...] = ()
    """The events, where the clause names them."""


def events_of(client: OpenSearch, settings: Settings, identifier: str) -> OfAlert:
    """The events that an alert names, or, if it has more, those that its stored query finds.

    `identifier` is the alert's id or a unique prefix of it.

    Raises `UsageError` where there is no such alert, and opensearch-py's errors.
    """
    alert = AlertStore(client, settings).named(identifier)
    evidence = alert["evidence"]
    ids = list(evidence.get("event_id", ()))
    if "query" in evidence and alert["count"] > len(ids):
        return OfAlert(evidence["query"], bool(evidence.get("query_exact")))
    # An eventID may be in use on another day as well: one of the two events is forged.
    when = {"range": {"@timestamp": {"gte": alert["first_seen"], "lte": alert["last_seen"]}}}
    query = both({"ids": {"values": ids}}, when)
    return OfAlert(query, alert["count"] <= len(ids), tuple(ids))
