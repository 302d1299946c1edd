"""What was done in an incident, step by step: by whom, on which objects, for which outsiders."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from detections.incidents.containment import FIELDS as UNDOING_FIELDS
from detections.incidents.document import is_of_days
from detections.incidents.significance import NAMED
from detections.incidents.undoing.outsiders import outsiders
from detections.incidents.undoing.rows import applies, values_at
from detections.incidents.undoing.table import left_by
from detections.rule import LEVELS
from trailhound.report.collect.events import FIELDS, event_line, texts
from trailhound.report.collect.query import Index, Query
from trailhound.report.event import Event
from trailhound.report.findings import RankedEntry

_EVENTS: Final = 200
"""The events of an alert that are read, the earliest ones."""
_ALERT_FIELDS: Final = ("rule", "level", "attempt", "evidence.event_id", "count")
_SEVERE: Final = LEVELS.index("high")
_ACCOUNT: Final = 12
"""The digits of an account's id."""
_MAKERS: Final = ("CreateUser", "CreateRole", "CreateGroup", "CreatePolicy")
"""Calls that come before what is done with what they make, in the same second too."""


@dataclass(slots=True)
class Step:
    """The events of one principal and call, by the time of the first. `objects` are what they were
    about, `outsiders` whom they let in or gave something to. `matters`: something was left behind
    or given away by one that succeeded, or an alert of level high or above is about it. `more`:
    there are events that were not read."""

    time: datetime
    principal: str
    call: str
    events: int = 0
    failed: int = 0
    objects: dict[str, None] = field(default_factory=dict)
    outsiders: dict[str, None] = field(default_factory=dict)
    matters: bool = False
    more: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """The story of an incident. `calls`: those of its principals in its time, and how many of them
    failed."""

    steps: tuple[Step, ...] = ()
    calls: int = 0
    failed: int = 0


def stories(index: Index, entries: Iterable[RankedEntry]) -> dict[str, Told]:
    """The stories of incidents by their ids. Raises `ClusterError`."""
    return {entry.id: _told(index, entry) for entry in entries}


def _told(index: Index, entry: RankedEntry) -> Told:
    asked: list[Query] = [{"ids": {"values": list(entry.ids)}}]
    alerts = [document for _, document in index.alerts(asked, _ALERT_FIELDS)]
    telling = [each for each in alerts if _tells(each)] or alerts
    severe: set[str] = set()
    more: set[str] = set()
    ids: set[str] = set()
    for alert in telling:
        named = texts((alert.get("evidence") or {}).get("event_id"))[:_EVENTS]
        ids.update(named)
        if LEVELS.index(alert["level"]) >= _SEVERE and alert["rule"].get("id") not in NAMED:
            severe.update(named)
        if int(alert.get("count") or 0) > len(named):
            more.update(named)
    hits = index.all_events(sorted(ids), (*FIELDS, *UNDOING_FIELDS)) if ids else ()
    calls, failed = _calls_of(index, entry)
    return Told(tuple(steps_of(hits, severe, more)), calls, failed)


def _tells(alert: Mapping[str, Any]) -> bool:
    return alert["rule"].get("id") not in NAMED and not is_of_days(alert)


def _calls_of(index: Index, entry: RankedEntry) -> tuple[int, int]:
    """How many calls the principals of an incident made in its time, and how many failed."""
    if not entry.principals:
        return 0, 0
    until = entry.last + timedelta(seconds=1)
    during = {"gte": entry.first.isoformat(), "lt": until.isoformat()}
    query: list[Query] = [
        {"terms": {"user.name": list(entry.principals)}},
        {"range": {"@timestamp": during}},
    ]
    failed = {"failed": {"filter": {"term": {"event.outcome": "failure"}}}}
    found = index.ask(failed, query=query)
    return found["hits"]["total"]["value"], found["aggregations"]["failed"]["doc_count"]


def steps_of(
    hits: Iterable[Mapping[str, Any]],
    severe: Collection[str] = frozenset(),
    more: Collection[str] = frozenset(),
) -> list[Step]:
    """The steps of events, in the order of time. `severe`: the ids of those that an alert of level
    high or above is about; `more`: of alerts that have further ones."""
    made: dict[tuple[str, str], Step] = {}
    for event, source in sorted(((event_line(hit), hit["_source"]) for hit in hits), key=_order):
        key = event.principal, event.call
        step = made.setdefault(key, Step(event.time, *key))
        failed = event.outcome == "failure" or bool(event.error)
        step.events += 1
        step.failed += failed
        step.more = step.more or event.id in more
        objects, left, given = _about(source)
        step.objects |= dict.fromkeys(objects or [each.name for each in event.resources])
        if not failed:
            step.outsiders |= dict.fromkeys(given)
            step.matters = step.matters or left or bool(given) or event.id in severe
    return list(made.values())


def _order(each: tuple[Event, Any]) -> tuple[Any, ...]:
    event, _ = each
    makes = 0 if event.call in _MAKERS else 1 if event.call.startswith("Create") else 2
    return event.time.replace(microsecond=0), makes, event.time, event.id


def _about(source: Mapping[str, Any]) -> tuple[list[str], bool, Sequence[str]]:
    """The objects of an event as its call names them, whether it left something behind, and whom it
    let in."""
    service = str(source.get("eventSource") or "").partition(".")[0]
    rows = [
        undo
        for undo in left_by(service, str(source.get("eventName") or ""))
        if applies(undo, source) and all(values_at(source, each.paths) for each in undo.values)
    ]
    given = dict.fromkeys(name for undo in (*rows, None) for name in outsiders(source, undo))
    named = (
        value for undo in rows for each in undo.values for value in values_at(source, each.paths)
    )
    objects = [each for each in dict.fromkeys(named) if each not in given and not _is_number(each)]
    return objects, bool(rows), list(given)


def _is_number(text: str) -> bool:
    """Whether it numbers something, such as a version."""
    return text.isdigit() and len(text) < _ACCOUNT
