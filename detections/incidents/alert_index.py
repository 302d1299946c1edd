"""Reads and writes the alerts of a namespace for joining."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.named_events import NamedEvents
from detections.incidents.document import DUE, FIELDS, INCIDENT, MERGED, linked_alert, stored
from detections.incidents.facts import EVENTS, Facts
from detections.incidents.joining import LinkedAlert, Sharing
from detections.incidents.reach import Stored
from trailhound.batching import batched
from trailhound.cluster.queries import MOST_CLAUSES, either
from trailhound.cluster.reader import BY_SEQUENCE, Hit, IndexReader
from trailhound.cluster.templates import Names
from trailhound.internal_errors import Skipped
from trailhound.state.store import bulk

_PAGE: Final = 50
"""Alerts in one reply that include their events, up to 10,000 each."""
_AT_ONCE: Final = 1_000
_WAVE: Final = 100
"""Alerts whose links one search looks for: up to 600 terms each, of the 65,536 of a query."""
_NOT_MERGED: Final = {"exists": {"field": MERGED}}
_OF_DUE: Final = (
    *("count", "evidence.event_id", "level"),
    *("entity.arn", "entity.account", "entity.outsider"),
)
_VERSIONED: Final = {"seq_no_primary_term": True}

Changes = Mapping[str, Mapping[str, Any]]


class AlertIndex:
    """An `AlertLookup` (see `reach`) for one batch. An alert is written only if it has not changed
    since it was first read. Raises `ClusterError` and opensearch-py's exceptions."""

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        gap: timedelta,
        events: NamedEvents | None = None,
        skipped: Skipped | None = None,
    ) -> None:
        """`events`: through which those of alerts are read, if others read them too. `skipped`:
        takes the events that cannot be read."""
        self.facts = Facts(events or NamedEvents(client, names.days), skipped, gap)
        self._client = client
        self._index = names.alerts
        self._gap = gap
        self._guards: dict[str, dict[str, int]] = {}

    def due(self, due: Mapping[str, Any], most: int) -> Iterator[Hit]:
        """The earliest matching alerts, with the ids of their earliest events."""
        order = [{"first_seen": "asc"}, *BY_SEQUENCE]
        reader = IndexReader(self._client, self._index, order=order, hits_page=_PAGE)
        request = {"_source": [*FIELDS, *_OF_DUE], **_VERSIONED}
        for hit in reader.documents(due, request, limit=most):
            self._keep(hit)
            if found := (hit["_source"].get("evidence") or {}).get("event_id"):
                hit["_source"]["evidence"]["event_id"] = found[:EVENTS]
            yield hit

    def joining(self, alerts: Sequence[LinkedAlert]) -> Iterator[Stored]:
        """Alerts that have any of these links, around their time."""
        for wave in batched(alerts, _WAVE):
            yield from self._joining(wave)

    def _joining(self, alerts: Sequence[LinkedAlert]) -> Iterator[Stored]:
        own = {token for each in alerts for token in each.links.own}
        created = {token for each in alerts for token in each.links.created | each.links.handed}
        used = {token for each in alerts for token in each.links.used}
        addresses = {address for each in alerts for address, _ in each.links.addresses}
        wanted = {
            "links.own": own | created,
            "links.used": created,
            "links.created": own | created | used,
            "links.address": addresses,
        }
        terms = [{"terms": {name: sorted(values)}} for name, values in wanted.items() if values]
        if terms:
            either = {"bool": {"should": terms, "minimum_should_match": 1}}
            yield from self._read([either, *self._around(alerts)])

    def joined_by(
        self, addresses: Sequence[str], alerts: Sequence[LinkedAlert]
    ) -> Iterator[Stored]:
        """Alerts that were joined by one of these addresses, around the time of others."""
        clause = {"terms": {"links.joined_address": list(addresses)}}
        yield from self._read([clause, *self._around(alerts)])

    def of_keys(self, tokens: Collection[str]) -> Iterator[LinkedAlert]:
        """The alerts that are not due and whose actor has one of these tokens."""
        yield from self._not_due([{"terms": {"links.own": sorted(tokens)}}])

    def of_functions(
        self, functions: Collection[tuple[str, str]], since: datetime
    ) -> Iterator[LinkedAlert]:
        """The alerts since a time that are not due and whose actor may be one of these functions,
        each an account and a name: a session of any role that bears the name."""
        later = {"range": {"last_seen": {"gte": since.isoformat()}}}
        for some in batched(sorted(functions), MOST_CLAUSES):
            named = [
                {"wildcard": {"links.own": f"session:arn:*:sts::{account}:assumed-role/*/{name}:*"}}
                for account, name in some
            ]
            yield from self._not_due([either(named), later])

    def _not_due(self, clauses: Sequence[Mapping[str, Any]]) -> Iterator[LinkedAlert]:
        reader = IndexReader(self._client, self._index)
        but = [_NOT_MERGED, {"term": {DUE: True}}]
        query = {"bool": {"filter": list(clauses), "must_not": but}}
        for hit in reader.documents(query, {"_source": list(FIELDS)}):
            yield linked_alert(hit["_id"], hit["_source"])

    def members(self, incidents: Iterable[str]) -> Iterator[Stored]:
        """All alerts that name one of these incidents."""
        for names in batched(list(incidents), _AT_ONCE):
            yield from self._read([{"terms": {INCIDENT: names}}])

    def named(self, names: Iterable[str]) -> Iterator[Stored]:
        """The existing alerts with these ids."""
        for some in batched(list(names), _AT_ONCE):
            yield from self._read([{"ids": {"values": some}}])

    def sharing(self, alerts: Iterable[LinkedAlert]) -> Sharing:
        """How many principals share what these alerts have, and what earlier ones had."""
        return self.facts.sharing(alerts)

    def write(self, changes: Changes) -> set[str]:
        """Change fields of alerts, unless they changed since they were read. Returns the ids of
        those written."""
        return self._update(changes, self._guards)

    def mark_due(self, names: Iterable[str]) -> None:
        """Mark alerts to be joined again, regardless of their version."""
        self._update({name: {DUE: True} for name in names}, {})

    def _update(self, changes: Changes, guards: Mapping[str, Mapping[str, int]]) -> set[str]:
        written: set[str] = set()
        for names in batched(list(changes), _AT_ONCE):
            lines: list[Mapping[str, Any]] = []
            for name in names:
                lines += [{"update": {"_id": name, **guards.get(name, {})}}, {"doc": changes[name]}]
            for each in bulk(self._client, self._index, lines, allowed={404, 409}):
                if each["status"] < 300:
                    written.add(each["_id"])
        return written

    def _around(self, alerts: Sequence[LinkedAlert]) -> list[dict[str, Any]]:
        since = min(each.first for each in alerts) - self._gap
        until = max(each.last for each in alerts) + self._gap
        return [
            {"range": {"last_seen": {"gte": since.isoformat()}}},
            {"range": {"first_seen": {"lte": until.isoformat()}}},
        ]

    def _read(self, clauses: Sequence[Mapping[str, Any]]) -> Iterator[Stored]:
        reader = IndexReader(self._client, self._index)
        query = {"bool": {"filter": list(clauses), "must_not": [_NOT_MERGED]}}
        for hit in reader.documents(query, {"_source": list(FIELDS), **_VERSIONED}):
            self._keep(hit)
            yield stored(hit["_id"], hit["_source"])

    def _keep(self, hit: Hit) -> None:
        guard = {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
        self._guards.setdefault(hit["_id"], guard)
