"""Gives every alert its incident: alerts written since the last run, and others whose incident
changes with them.

An incident is not a document. Each alert names its incident by the id of the incident's earliest
alert. Every write is guarded by the version of the alert that was read; alerts that are due are
written last. So an interrupted run, or one that another writer overtakes, leaves alerts due, and
the next run completes it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.named_events import NamedEvents
from detections.incidents.alert_index import AlertIndex
from detections.incidents.document import DUE, INCIDENT, MERGED, joined, span, stored
from detections.incidents.facts import EVENTS, AlertEvents
from detections.incidents.joining import LinkedAlert
from detections.incidents.newcomers import Newcomers, Subject, subject_of
from detections.incidents.own_accounts import OwnAccounts, accounts_of
from detections.incidents.raising import FROM
from detections.incidents.reach import IncidentChanges, Stored, decided
from detections.rule import LEVELS
from trailhound.cluster.reader import Hit
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import OVERTAKEN, TRIES
from trailhound.errors import RequestFailedError
from trailhound.internal_errors import Skipped
from trailhound.plural import plural
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.incidents")

AT_ONCE: Final = 500
"""The number of due alerts in a batch, the earliest first."""
_ABOUT_SOMEBODY: Final = LEVELS[LEVELS.index(FROM) :]
"""Levels of alerts of which it is asked whether somebody is new."""
IDS_HELD: Final = 200_000
"""The number of ids of their events in memory at once, some 100 bytes each: a batch ends there."""


@dataclass(slots=True)
class Updated:
    """The numbers of alerts that were due, and of those whose incident changed. `refused`: why
    nothing could be done; empty otherwise."""

    due: int = 0
    changed: int = 0
    refused: str = ""


@dataclass(slots=True)
class _Batch:
    """Alerts that are due, with the links of their events now, and as they were last joined.
    `subjects`: who those are about whose level says what was done, and `outsiders` the accounts
    that they let in. `merged`: alerts that were merged into others; their incidents are joined
    again."""

    due: dict[str, LinkedAlert] = field(default_factory=dict)
    before: dict[str, Stored] = field(default_factory=dict)
    subjects: dict[str, Subject] = field(default_factory=dict)
    outsiders: dict[str, Sequence[str]] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.due or self.merged)


class IncidentUpdater:
    """Joins the alerts of one namespace. Raises `ClusterError` and opensearch-py's exceptions."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        events: NamedEvents | None = None,
        skipped: Skipped | None = None,
    ) -> None:
        """`events`: through which those of alerts are read, if others read them too. `skipped`:
        takes the events that cannot be read."""
        self._skipped = skipped or Skipped(LOG)
        self._client = client
        self._names = Names(settings.prefix)
        self._events = events or NamedEvents(client, self._names.days)
        self._gap = timedelta(hours=settings.detections.incident_gap_hours)
        self._newcomers = Newcomers(self._events.index)
        self._own_accounts = OwnAccounts(self._events.index)
        self._mapped = False

    def run(
        self, may_continue: Callable[[], bool] = lambda: True, ended: datetime | None = None
    ) -> Updated:
        """Join all alerts that are due, or those of them that `ended` before a time;
        `may_continue` is called before each batch."""
        done = Updated()
        if not self._is_mapped():
            done.refused = (
                f"the mapping of {self._names.alerts} has no incidents yet: run `trailhound init`"
            )
            LOG.warning("alerts are not joined: %s", done.refused)
            return done
        overtaken = 0
        while may_continue():
            index = AlertIndex(self._client, self._names, self._gap, self._events, self._skipped)
            batch = self._due(index, ended)
            if not batch:
                break
            if self._join(batch, index, done):
                overtaken = 0
                continue
            overtaken += 1
            if overtaken == TRIES:
                raise RequestFailedError(
                    f"{plural(len(batch.due), 'alert')} could not be joined: others keep "
                    "changing them",
                    hint="check how many daemons and `detect` commands run at once, and try again",
                )
            time.sleep(OVERTAKEN.seconds(overtaken))
        return done

    def _is_mapped(self) -> bool:
        """Whether due alerts can be found: an index of the last release lacks the field."""
        if not self._mapped:
            reply = self._client.indices.get_mapping(
                index=self._names.alerts,
                params={"ignore_unavailable": "true", "allow_no_indices": "true"},
            )
            self._mapped = any(
                DUE in each["mappings"].get("properties", ()) for each in reply.values()
            )
        return self._mapped

    def _due(self, index: AlertIndex, ended: datetime | None) -> _Batch:
        """The next alerts that are due, with the links of their events now. Recently written alerts
        come before those of the last release, which may be many."""
        make_searchable(self._client, self._names.alerts, required=True)
        never = {
            "bool": {"must_not": [{"exists": {"field": INCIDENT}}, {"exists": {"field": MERGED}}]}
        }
        batch, several = _Batch(), []
        if ended is None:
            hits = list(_held(index.due({"term": {DUE: True}}, AT_ONCE)))
            hits = hits or list(_held(index.due(never, AT_ONCE)))
        else:
            before_it = {"range": {"last_seen": {"lt": ended.isoformat()}}}
            both = {"bool": {"filter": [{"term": {DUE: True}}, before_it]}}
            hits = list(_held(index.due(both, AT_ONCE)))
        for hit in hits:
            name, source = hit["_id"], hit["_source"]
            if source.get(MERGED):
                batch.merged[name] = source.get(INCIDENT) or ""
                continue
            before = batch.before[name] = stored(name, source)
            subject = subject_of(source) if source.get("level") in _ABOUT_SOMEBODY else None
            if subject is not None:
                batch.subjects[name] = subject
            if source.get("level") in _ABOUT_SOMEBODY:
                batch.outsiders[name] = accounts_of(source)
            ids = _events(hit)
            more = (source.get("count") or 0) > EVENTS
            events = tuple(ids[:EVENTS])
            several.append(AlertEvents(name, *span(source), events, more, before.alert.links))
        batch.due = index.facts.linked(several)
        return batch

    def _join(self, batch: _Batch, index: AlertIndex, done: Updated) -> int:
        """Join the alerts of a batch. Returns how many were written."""
        made = decided(batch.due, batch.before, index, self._gap, batch.merged.values())
        sharing = index.sharing(batch.due.values())
        new = self._newcomers.of(batch.subjects)
        inside = self._own_accounts.inside(batch.outsiders)
        moved = {
            name: {INCIDENT: incident}
            for name, incident in made.incident.items()
            if name not in batch.due
        }
        written = index.write(moved)
        done.changed += len(written)
        # An incident that another writer changed meanwhile is joined again.
        waiting = {made.incident[name] for name in moved if name not in written}
        writes: dict[str, dict[str, Any]] = {
            name: joined(
                alert.links,
                made.incident[name],
                sharing.usable(alert).addresses,
                [new[name]] if name in new else (),
                inside=name in inside,
            )
            for name, alert in batch.due.items()
            if made.incident[name] not in waiting
        }
        if not waiting:
            writes |= {name: {DUE: False} for name in batch.merged}
        written = index.write(writes)
        done.due += len(written & batch.due.keys())
        done.changed += sum(
            batch.before[name].incident != made.incident[name]
            for name in written & batch.due.keys()
        )
        index.mark_due(self._stale(batch, made, index))
        return len(written)

    def _stale(self, batch: _Batch, made: IncidentChanges, index: AlertIndex) -> set[str]:
        """Alerts that must be joined again: those that another writer added to an incident that is
        now part of another, and those joined by an address that more principals have used since."""
        make_searchable(self._client, self._names.alerts, required=True)
        ids = {made.incident[name] for name in batch.due}
        named = {each.alert.id: each.incident for each in index.named(sorted(ids))}
        gone = made.lost | {name for name in ids if named.get(name) != name}
        stale = {each.alert.id for each in index.members(sorted(gone))} if gone else set()
        alerts = list(batch.due.values())
        sharing = index.sharing(alerts)
        shared = {
            address
            for each in alerts
            for address in {address for address, _ in each.links.addresses}
            - {address for address, _ in sharing.usable(each).addresses}
        }
        if shared:
            stale |= {each.alert.id for each in index.joined_by(sorted(shared), alerts)}
        return stale


def _events(hit: Hit) -> Sequence[str]:
    """The ids of an alert's events."""
    return (hit["_source"].get("evidence") or {}).get("event_id") or ()


def _held(hits: Iterable[Hit]) -> Iterator[Hit]:
    """The first hits, up to the one with which their events are as many as are held at once."""
    number = 0
    for hit in hits:
        yield hit
        number += len(_events(hit))
        if number >= IDS_HELD:
            return
