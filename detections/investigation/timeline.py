"""The time line of a subject: what it did and what was done to it, repeated calls folded.

Calls with the same person, identity, call, result, address and tool that are at most `FOLD` apart
are one line, regardless of what they touch and in how many sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import shown as shown_alert
from detections.alerts.document import stamp
from detections.alerts.paging import every
from detections.alerts.twins import TWIN_KEY, folded, with_twins
from detections.alerts.whose import BY_PRINCIPAL
from detections.events.index import EventIndex
from detections.events.light import Mapped
from detections.incidents.actors import account_of, at
from detections.incidents.creations import order_within_second
from detections.incidents.people import People, unnamed, with_name
from detections.incidents.undoing.outsiders import let_in
from detections.investigation.nodes import Node, actor_node, node, texts
from detections.investigation.opened import Opened, opened_by
from detections.investigation.sessions import (
    FIELDS,
    Session,
    Sessions,
    Trace,
    direct,
    session_of,
)
from detections.investigation.subject import Subject
from detections.span import Span
from trailhound.cluster.queries import Query, either
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

Source = Mapping[str, Any]
Progress = Callable[[str, int, int], None]

FOLD: Final = timedelta(hours=1)
"""The longest pause between two calls of one line."""
MOST_LINES: Final = 50_000
"""The most lines; events that would need another line are counted."""
EXPANDED: Final = 10_000
"""The most events that are shown of a line."""
_PAGE: Final = 5_000
_RESOURCES: Final = 10
"""The most resources that a line names; others are counted, up to `_COUNTED`."""
_COUNTED: Final = 10_000
_LATER: Final = ("policy", "access_key", "account", "arn")
"""Kinds of resources that are named last, in this order."""
_SESSIONS: Final = 10_000
_EVENT_FIELDS: Final = (
    *FIELDS,
    "@timestamp",
    "eventName",
    "errorCode",
    "event.outcome",
    "sourceIPAddress",
    "user_agent.name",
    "awsRegion",
    "resource",
    *("grants.accounts", "grants.principals", "grants.public", "grants.unknown"),
    "risk_score",
)
_ALERT_FIELDS: Final = (
    *("rule", "level", "severity", "state", "summary", "first_seen", "last_seen", "count"),
    *("entity", "outcome", "calls", "count_relation", "incident", TWIN_KEY),
    *("links.principal", f"links.{BY_PRINCIPAL}"),
)
RELATIONS: Final = ("evidence", "did", "session", "target")
"""The relations of an event to the subject: an alert names it, the subject made it, a session that
the subject opened made it, or it is about the subject. The first that applies counts."""

_Key = tuple[str, ...]


@dataclass(slots=True)
class Line:
    """A line of folded calls. `number` is stable while the events are the same."""

    number: int
    first: datetime
    last: datetime
    relation: str
    trace: Trace
    actor: Node
    call: str
    service: str
    outcome: str
    error: str
    address: str
    agent: str
    account: str
    region: str
    count: int = 0
    risk: int = 0
    resources: dict[str, None] = field(default_factory=dict)
    outsiders: dict[str, None] = field(default_factory=dict)
    """Other accounts, principals and everybody, whom its calls let in."""
    sessions: set[Session] = field(default_factory=set)
    event: str = ""
    """The id of its first event."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """The events of an expanded line, at most `EXPANDED`."""

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "kind": "calls",
            "line": self.number,
            "time": stamp(self.first),
            "until": stamp(self.last),
            "count": self.count,
            "relation": self.relation,
            "principal": self.trace.origin.full,
            "traced": self.trace.traced,
            "trace": self.trace.as_json(),
            "as": self.actor.full,
            "sessions": len(self.sessions),
            "call": self.call,
            "service": self.service,
            "outcome": self.outcome,
            "error": self.error,
            "address": self.address,
            "agent": self.agent,
            "account": self.account,
            "region": self.region,
            "risk": self.risk,
            "resources": list(self.resources)[:_RESOURCES],
            "resources_total": len(self.resources),
            "outsiders": list(self.outsiders)[:_RESOURCES],
            "event": self.event,
            "events": self.events,
        }


@dataclass(slots=True)
class Timeline:
    """The lines in order of time, and the alerts that name one of their events. `total` is the
    number of events, `folded` that of events in the lines; the others would have needed more than
    `MOST_LINES`."""

    subject: str
    lines: list[Line] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    folded: int = 0
    opened: int = 0
    """The number of keys of sessions that the subject opened."""
    left_out: list[str] = field(default_factory=list)
    """Which of the subject's sessions are left out, and why."""


class TimelineReader:
    """Reads time lines of one namespace. Raises opensearch-py's exceptions and `ClusterError`."""

    def __init__(self, client: OpenSearch, settings: Settings, index: EventIndex) -> None:
        self._client = client
        self._alerts = Names(settings.prefix).alerts
        self._index = index
        self._sessions = Sessions(index)
        self._people = People(index)

    def read(
        self,
        subject: Subject,
        span: Span | None = None,
        *,
        expand: Collection[int] | None = (),
        most_events: int = EXPANDED,
        progress: Progress = lambda _what, _done, _total: None,
    ) -> Timeline:
        """The time line of a subject in a span of event time. `expand`: numbers of lines whose
        events are kept, at most `most_events` each; None for all lines."""
        made = Timeline(subject.text)
        progress("following sessions", 0, 0)
        opened = Opened()
        if subject.did is not None and subject.follow:
            opened = opened_by(self._index, subject.did, self._sessions)
        made.opened, made.left_out = len(opened.keys), opened.left_out()
        query = query_of(subject, opened, span)
        fold = _Fold(made, expand, most_events)
        alerts: dict[str, dict[str, Any]] = {}
        with self._index.snapshot() as snapshot:
            total = snapshot.count(query)
            hits = snapshot.hits(query, {"_source": Mapped(_EVENT_FIELDS)})
            while page := list(islice(hits, _PAGE)):
                progress("reading events", made.total, total)
                page = self._with_names(page)
                page.sort(key=_in_order_of_time)
                traces = self._sessions.trace(hit["_source"] for hit in page)
                for hit in page:
                    fold.add(hit, traces)
                alerts |= self._alerts_of([hit["_id"] for hit in page])
        made.lines = fold.lines
        found = sorted(alerts.values(), key=lambda each: (each["first_seen"], each["id"]))
        made.alerts = with_twins(found)
        return made

    def _with_names(self, page: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The events, those of people of Identity Center with their names, where these are
        known."""
        ids = {unnamed(hit["_source"]) for hit in page} - {""}
        if not ids:
            return page
        first, last = (str(page[place]["_source"]["@timestamp"]) for place in (0, -1))
        times = datetime.fromisoformat(first), datetime.fromisoformat(last)
        names = self._people.names(ids, *times)
        return [{**hit, "_source": with_name(hit["_source"], names)} for hit in page]

    def _alerts_of(self, events: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The alerts that name one of these events."""
        asked = [{"terms": {"evidence.event_id": list(events)}}]
        merged = [{"exists": {"field": "merged_into"}}]
        return {
            name: shown_alert(name, document) | _key_of_twins(document)
            for name, document in every(
                self._client, self._alerts, asked, but=merged, fields=_ALERT_FIELDS
            )
        }


class _Fold:
    """Folds events, which come in order of time, into lines."""

    def __init__(self, made: Timeline, expand: Collection[int] | None, most: int) -> None:
        self._made = made
        self._expand = expand
        self._most = most
        self._open: dict[_Key, Line] = {}
        self.lines: list[Line] = []

    def add(self, hit: Mapping[str, Any], traces: Mapping[Session, Trace]) -> None:
        source = hit["_source"]
        self._made.total += 1
        session = session_of(source)
        trace = traces[session] if session is not None and session in traces else direct(source)
        actor = actor_node(source) or node("account", account_of(source))
        named = frozenset(hit.get("matched_queries", ()))
        relation = next((each for each in RELATIONS if each in named), RELATIONS[-1])
        when = datetime.fromisoformat(str(source["@timestamp"]))
        address = at(source, "sourceIPAddress")
        values = (
            relation,
            at(source, "eventName"),
            at(source, "eventSource"),
            at(source, "event", "outcome"),
            at(source, "errorCode"),
            at(source, "source", "ip") or address,
            at(source, "user_agent", "name"),
            account_of(source),
            at(source, "awsRegion"),
        )
        key = (trace.origin.full, str(trace.traced), actor.full, *values)
        line = self._open.get(key)
        if line is None or when - line.last > FOLD:
            if len(self.lines) >= MOST_LINES:
                return
            relation, call, service, outcome, error, address, agent, account, region = values
            line = self._open[key] = Line(
                len(self.lines) + 1,
                *(when, when, relation, trace, actor, call, service, outcome, error),
                *(address, agent, account, region),
                event=hit["_id"],
            )
            self.lines.append(line)
        self._made.folded += 1
        line.count += 1
        line.last = max(line.last, when)
        risk = source.get("risk_score")
        line.risk = max(line.risk, risk if isinstance(risk, int) else 0)
        if session is not None and len(line.sessions) < _SESSIONS:
            line.sessions.add(session)
        resources = _resources(source)
        if len(line.resources) < _COUNTED:
            line.resources |= dict.fromkeys(resources)
        if len(line.outsiders) < _COUNTED and line.outcome != "failure":
            line.outsiders |= dict.fromkeys(let_in(source, line.account))
        wanted = self._expand is None or line.number in self._expand
        if wanted and len(line.events) < self._most:
            line.events.append(
                {
                    "id": hit["_id"],
                    "time": stamp(when),
                    "session": at(source, "userIdentity", "arn"),
                    "key": at(source, "userIdentity", "accessKeyId"),
                    "resources": resources,
                }
            )


def _in_order_of_time(hit: Mapping[str, Any]) -> tuple[int, int]:
    """By time; within a second, in which CloudTrail's times end, what makes a thing first."""
    return int(hit["sort"][0]), order_within_second(at(hit["_source"], "eventName"))


def query_of(subject: Subject, opened: Opened, span: Span | None) -> Query:
    """The query for all events of a subject; each clause is named by its relation."""
    named = {
        "evidence": subject.evidence,
        "did": subject.did,
        "session": opened.query(),
        "target": subject.target,
    }
    clauses: list[Query] = [
        {"bool": {"filter": [query], "_name": name}}
        for name, query in named.items()
        if query is not None
    ]
    if span is None:
        return {"bool": {"should": clauses, "minimum_should_match": 1}}
    return {"bool": {"filter": [either(clauses), span.query()]}}


def _resources(source: Source) -> list[str]:
    """The resources of a call: what it changes before what that is given to or shared with, and
    names before ARNs of the same."""
    found = source.get("resource")
    leaves = found if isinstance(found, Mapping) else {}
    named: dict[str, None] = {}
    for leaf, values in sorted(leaves.items(), key=lambda each: (_rank(each[0]), each[0])):
        for value in texts(values):
            if leaf == "arn" and any(value.endswith(each) for each in named):
                continue
            named[value] = None
    return list(named)


def _rank(leaf: str) -> int:
    return _LATER.index(leaf) + 1 if leaf in _LATER else 0


def _key_of_twins(document: Source) -> dict[str, Any]:
    return {TWIN_KEY: document[TWIN_KEY]} if document.get(TWIN_KEY) else {}


def in_order(made: Timeline, *, joined: bool = False) -> Iterator[Line | dict[str, Any]]:
    """Lines and alerts in order of time; an alert comes after the line where it begins. `joined`:
    twins are shown as one alert."""
    alerts = iter(folded(made.alerts) if joined else made.alerts)
    alert = next(alerts, None)
    for line in made.lines:
        while alert is not None and datetime.fromisoformat(alert["first_seen"]) < line.first:
            yield alert
            alert = next(alerts, None)
        yield line
    while alert is not None:
        yield alert
        alert = next(alerts, None)
