"""Gives every alert its incident: those that were written since the last run, and all others whose
incident changes with them.

An incident is no document. Each alert names the incident that it belongs to, by the id of that
one's earliest alert, so whatever an incident is follows from its alerts. Every write is guarded by
the version of the alert that the decision was made on; alerts that are due are written last. So a
run that ends in between, or that another writer overtakes, leaves alerts due, and the next one
completes it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.incidents.document import (
    DUE,
    FIELDS,
    INCIDENT,
    joined,
    linked_alert,
    span,
)
from detections.incidents.facts import EVENTS, AlertEvents, Facts
from detections.incidents.joining import LinkedAlert, incidents
from detections.incidents.reach import reached
from trailhound.cluster.reader import BY_SEQUENCE, Hit, IndexReader
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import OVERTAKEN, TRIES
from trailhound.errors import RequestFailedError
from trailhound.settings import Settings
from trailhound.state.store import bulk

LOG = logging.getLogger("trailhound.incidents")

AT_ONCE: Final = 200
"""Due alerts of one batch, the earliest first."""
_PAGE: Final = 50
"""Alerts of one reply that name their events: up to 10,000 each."""
_IDS_AT_ONCE: Final = 1_000

_NOT_MERGED: Final = {"exists": {"field": "merged_into"}}


@dataclass(slots=True)
class Updated:
    """What a run did: alerts that were due, alerts whose incident changed. `refused`: why nothing
    could be done, else empty."""

    due: int = 0
    changed: int = 0
    refused: str = ""


@dataclass(slots=True)
class _Batch:
    """Alerts by id as they were read: links, the incident that they name, and their version."""

    alerts: dict[str, LinkedAlert] = field(default_factory=dict)
    incident: dict[str, str] = field(default_factory=dict)
    guards: dict[str, dict[str, int]] = field(default_factory=dict)

    def keep(self, hit: Hit) -> None:
        name = hit["_id"]
        self.incident[name] = hit["_source"].get(INCIDENT) or ""
        self.guards[name] = {
            "if_seq_no": hit["_seq_no"],
            "if_primary_term": hit["_primary_term"],
        }


class IncidentUpdater:
    """Joins the alerts of one namespace. Raises `ClusterError` and opensearch-py's exceptions."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._names = Names(settings.prefix)
        self._gap = timedelta(hours=settings.detections.incident_gap_hours)
        self._mapped = False

    def run(self, may_continue: Callable[[], bool] = lambda: True) -> Updated:
        """Join all alerts that are due; `may_continue` is asked before each batch."""
        done = Updated()
        if not self._is_mapped():
            done.refused = (
                f"the mapping of {self._names.alerts} has no incidents yet: run `trailhound init`"
            )
            LOG.warning("alerts are not joined: %s", done.refused)
            return done
        overtaken = 0
        while may_continue():
            facts = Facts(self._client, self._names)
            batch = self._due(facts)
            if not batch.alerts:
                break
            written = self._join(batch, facts, done)
            if written:
                overtaken = 0
                continue
            overtaken += 1
            if overtaken == TRIES:
                raise RequestFailedError(
                    f"{len(batch.alerts)} alerts could not be joined: others keep changing them",
                    hint="check how many daemons and `detect` commands run at once, and try again",
                )
            time.sleep(OVERTAKEN.seconds(overtaken))
        return done

    def _is_mapped(self) -> bool:
        """Whether what is due can be found: an index of the last release has no such field."""
        if not self._mapped:
            reply = self._client.indices.get_mapping(
                index=self._names.alerts,
                params={"ignore_unavailable": "true", "allow_no_indices": "true"},
            )
            self._mapped = any(
                DUE in each["mappings"].get("properties", ()) for each in reply.values()
            )
        return self._mapped

    def _due(self, facts: Facts) -> _Batch:
        """The next alerts that are due, with the links of their events as they are now."""
        self._client.indices.refresh(index=self._names.alerts)
        reader = IndexReader(
            self._client,
            self._names.alerts,
            order=[{"first_seen": "asc"}, *BY_SEQUENCE],
            hits_page=_PAGE,
        )
        never = {"bool": {"must_not": [{"exists": {"field": INCIDENT}}]}}
        due = {"bool": {"should": [{"term": {DUE: True}}, never], "minimum_should_match": 1}}
        batch, several = _Batch(), []
        request = {
            "_source": [*FIELDS, "count", "evidence.event_id"],
            "seq_no_primary_term": True,
        }
        query = {"bool": {"filter": [due], "must_not": [_NOT_MERGED]}}
        for hit in reader.documents(query, request, limit=AT_ONCE):
            batch.keep(hit)
            source = hit["_source"]
            ids = (source.get("evidence") or {}).get("event_id") or []
            more = (source.get("count") or 0) > EVENTS
            several.append(AlertEvents(hit["_id"], *span(source), tuple(ids[:EVENTS]), more))
        batch.alerts = facts.linked(several)
        return batch

    def _join(self, batch: _Batch, facts: Facts, done: Updated) -> int:
        """Join the alerts of a batch. How many of them were written."""
        due = dict(batch.alerts)
        everything = self._connected(batch, facts)
        of = {
            name: each.id
            for each in incidents(everything.values(), facts.sharing(()), self._gap)
            for name in each.alerts
        }
        moved = {
            name: {INCIDENT: of[name]}
            for name in everything
            if name not in due and batch.incident[name] != of[name]
        }
        written = self._write(moved, batch)
        done.changed += len(written)
        # An incident that another writer changed meanwhile is joined again from what it wrote.
        open_still = {of[name] for name in moved if name not in written}
        writes = {
            name: joined(alert.links, of[name])
            for name, alert in due.items()
            if of[name] not in open_still
        }
        written = self._write(writes, batch)
        done.due += len(written)
        done.changed += sum(batch.incident[name] != of[name] for name in written)
        return len(written)

    def _connected(self, batch: _Batch, facts: Facts) -> dict[str, LinkedAlert]:
        """The due alerts, all that they join, and all of the incidents that any of these was in:
        what it no longer joins becomes an incident of its own."""
        start = dict(batch.alerts)
        while True:
            found, _ = reached(
                start.values(),
                lambda wave: self._linked(wave, batch),
                facts.sharing,
                self._gap,
            )
            named = {batch.incident[name] for name in found} - {""}
            others = {
                each.id: each
                for each in self._members(sorted(named), batch)
                if each.id not in found
            }
            if not others:
                return found
            start = found | others

    def _linked(self, wave: Sequence[LinkedAlert], batch: _Batch) -> Iterator[LinkedAlert]:
        """Stored alerts that have any of these links, around their time."""
        own = {token for each in wave for token in each.links.own}
        created = {token for each in wave for token in each.links.created}
        used = {token for each in wave for token in each.links.used}
        addresses = {address for each in wave for address, _ in each.links.addresses}
        wanted = {
            "links.own": own | created,
            "links.used": created,
            "links.created": own | created | used,
            "links.address": addresses,
        }
        terms = [{"terms": {name: sorted(values)}} for name, values in wanted.items() if values]
        if not terms:
            return
        since = min(each.first for each in wave) - self._gap
        until = max(each.last for each in wave) + self._gap
        yield from self._read(
            [
                {"range": {"last_seen": {"gte": since.isoformat()}}},
                {"range": {"first_seen": {"lte": until.isoformat()}}},
                {"bool": {"should": terms, "minimum_should_match": 1}},
            ],
            batch,
        )

    def _members(self, ids: Sequence[str], batch: _Batch) -> Iterator[LinkedAlert]:
        for at in range(0, len(ids), _IDS_AT_ONCE):
            yield from self._read([{"terms": {INCIDENT: ids[at : at + _IDS_AT_ONCE]}}], batch)

    def _read(self, clauses: Sequence[Mapping[str, Any]], batch: _Batch) -> Iterator[LinkedAlert]:
        reader = IndexReader(self._client, self._names.alerts)
        request = {"_source": list(FIELDS), "seq_no_primary_term": True}
        query = {"bool": {"filter": list(clauses), "must_not": [_NOT_MERGED]}}
        for hit in reader.documents(query, request):
            name = hit["_id"]
            if name in batch.alerts:
                continue
            if name not in batch.guards:
                batch.keep(hit)
            yield linked_alert(name, hit["_source"])

    def _write(self, changes: Mapping[str, Mapping[str, Any]], batch: _Batch) -> set[str]:
        """Change fields of alerts that nobody has changed since they were read; which ones."""
        names = list(changes)
        written: set[str] = set()
        for at in range(0, len(names), _IDS_AT_ONCE):
            lines: list[Mapping[str, Any]] = []
            for name in names[at : at + _IDS_AT_ONCE]:
                lines += [
                    {"update": {"_id": name, **batch.guards[name]}},
                    {"doc": changes[name]},
                ]
            for each in bulk(self._client, self._names.alerts, lines, allowed={404, 409}):
                if each["status"] < 300:
                    written.add(each["_id"])
        return written
