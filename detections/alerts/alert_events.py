"""The events of an alert, as a clause of a search."""

from __future__ import annotations

from dataclasses import dataclass, field

from opensearchpy import OpenSearch

from detections.alerts.absent_events import NamedAt, named_at
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
    named: NamedAt = field(default_factory=NamedAt)
    """What its alerts name, by day, whether the clause names it or not."""


def events_of(client: OpenSearch, settings: Settings, identifier: str) -> OfAlert:
    """The events that an alert names, or, if it has more, those that its stored query finds.

    `identifier` is the alert's id or a unique prefix of it.

    Raises `UsageError` where there is no such alert, and opensearch-py's errors.
    """
    alert = AlertStore(client, settings).named(identifier)
    evidence = alert["evidence"]
    ids, named = list(evidence.get("event_id", ())), named_at([alert])
    if "query" in evidence and alert["count"] > len(ids):
        return OfAlert(evidence["query"], bool(evidence.get("query_exact")), named=named)
    # An eventID may be in use on another day as well: one of the two events is forged.
    when = {"range": {"@timestamp": {"gte": alert["first_seen"], "lte": alert["last_seen"]}}}
    query = both({"ids": {"values": ids}}, when)
    return OfAlert(query, alert["count"] <= len(ids), tuple(ids), named)
