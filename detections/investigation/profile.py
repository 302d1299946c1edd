"""The profile of a subject: when, where, what, with whom, and what differs now from its own past
weeks.

The engine counts all of it. "Now" is the time of length `RECENT` up to the subject's last event (or
the end of the span); it is compared with the `WEEKS` weeks before (`unusual.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import stamp
from detections.alerts.twins import folded
from detections.events.identity import ACCOUNT, ADDRESS, ISSUER_NAME, NAME, TYPE
from detections.events.index import EventIndex, histogram, terms
from detections.investigation.comparison import RECENT, WEEKS
from detections.investigation.naming import alerts_naming
from detections.investigation.nodes import Node
from detections.investigation.opened import Opened, opened_by
from detections.investigation.sessions import Sessions
from detections.investigation.subject import Subject
from detections.investigation.timeline import query_of
from detections.investigation.unusual import FAILED, FIELDS, Comparison
from detections.span import Span, moment
from trailhound.cluster.queries import Query, both, either
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

MOST: Final = 15
"""The number of most frequent values of a kind that are named."""
NAMES: Final = 100
"""The most values of a kind, and the most alerts, in a profile."""
WITHOUT: Final = ("countries", "cities", "addresses", "tools")
"""Kinds of values that every event could have, so that events without them are counted."""
_HOUR: Final = 3_600_000


@dataclass(slots=True)
class Profile:
    """A profile. `alerts`: those that name one of its events, the most severe first, at most
    `NAMES`; `counts`: by kind (`FIELDS`) the most frequent values with their numbers of events;
    `hours`: events by hour of the day (UTC); `weekdays`: events by day of the week from Monday."""

    subject: str
    principals: list[str] = field(default_factory=list)
    """The users and roles with the subject's name, each with its account."""
    events: int = 0
    failed: int = 0
    first: datetime | None = None
    last: datetime | None = None
    opened: int = 0
    counts: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    without: dict[str, int] = field(default_factory=dict)
    """The numbers of events without a value of a kind (`WITHOUT`), which `counts` leaves out."""
    hours: list[int] = field(default_factory=lambda: [0] * 24)
    weekdays: list[int] = field(default_factory=lambda: [0] * 7)
    peers: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    alerts_total: int = 0
    alerts_folded: int = 0
    """Their number, twins counted once."""
    now: Span | None = None
    before: Span | None = None
    unusual: list[dict[str, Any]] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    """What was not compared, and why."""

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""

        def named(values: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
            return [{"value": value, "events": count} for value, count in values]

        def ends(span: Span | None) -> dict[str, str] | None:
            return {"since": stamp(span.since), "until": stamp(span.until)} if span else None

        return {
            "subject": self.subject,
            "principals": self.principals,
            "events": self.events,
            "failed": self.failed,
            "first_seen": stamp(self.first) if self.first else None,
            "last_seen": stamp(self.last) if self.last else None,
            "opened_sessions": self.opened,
            **{kind: named(values) for kind, values in self.counts.items()},
            "without": self.without,
            "hours": self.hours,
            "weekdays": self.weekdays,
            "peers": {kind: named(values) for kind, values in self.peers.items()},
            "alerts": self.alerts,
            "alerts_total": self.alerts_total,
            "now": ends(self.now),
            "before": ends(self.before),
            "unusual": self.unusual,
            "not_compared": self.cut,
        }


class Profiler:
    """Makes profiles in one namespace. Raises opensearch-py's exceptions and `ClusterError`."""

    def __init__(self, client: OpenSearch, settings: Settings, index: EventIndex) -> None:
        self._client = client
        self._alerts = Names(settings.prefix).alerts
        self._index = index

    def of(
        self,
        subject: Subject,
        span: Span | None = None,
        *,
        recent: timedelta = RECENT,
        weeks: int = WEEKS,
    ) -> Profile:
        """The profile of a subject: of what it did, or, for subjects that never act (a bucket), of
        what was done to it."""
        made = Profile(subject.text)
        opened = Opened()
        if subject.did is not None and subject.follow:
            opened = opened_by(self._index, subject.did, Sessions(self._index))
        made.opened = len(opened.keys)
        made.cut += [f"sessions: {each}" for each in opened.left_out()]
        clauses = [each for each in (subject.did, opened.query()) if each is not None]
        if clauses and not self._index.count(either(clauses)) and subject.target:
            clauses = []
        own = either(clauses or [each for each in (subject.target, subject.evidence) if each])
        asked = both(own, *([span.query()] if span else []))
        self._count(made, asked)
        if made.first is None or made.last is None:
            return made
        made.principals = self._principals(subject, asked)
        self._over_time(made, asked)
        self._peers(made, subject, asked, own)
        found = alerts_naming(
            self._client, self._alerts, self._index, query_of(subject, opened, span)
        )
        made.alerts_total, made.alerts = len(found), found[:NAMES]
        made.alerts_folded = len(folded(found))
        end = min(span.until, datetime.now(UTC)) if span else made.last
        end = min(end, made.last) + timedelta(milliseconds=1)
        made.now = Span(end - recent, end)
        made.before = Span(made.now.since - timedelta(weeks=weeks), made.now.since)
        compared = Comparison(self._index, own, made.now, made.before)
        made.unusual, made.cut = compared.unusual, [*made.cut, *compared.cut]
        if len(made.counts["addresses"]) == NAMES:
            made.cut.append(f"peers: who else used more than its {NAMES} most frequent addresses")
        return made

    def _count(self, made: Profile, asked: Query) -> None:
        aggregations: dict[str, Any] = {
            kind: {"terms": {"field": name, "size": NAMES}} for kind, name in FIELDS.items()
        }
        aggregations |= {
            f"without_{kind}": {"missing": {"field": FIELDS[kind]}} for kind in WITHOUT
        }
        aggregations |= {
            "first": {"min": {"field": "@timestamp"}},
            "last": {"max": {"field": "@timestamp"}},
            "failed": {"filter": FAILED},
        }
        reply = self._index.search({"query": asked, "aggs": aggregations})
        found = reply.get("aggregations")
        if not found or not reply["hits"]["total"]["value"]:
            return
        made.events = reply["hits"]["total"]["value"]
        made.failed = found["failed"]["doc_count"]
        made.first, made.last = (moment(int(found[each]["value"])) for each in ("first", "last"))
        made.counts = {
            kind: [
                (str(each["key"]), each["doc_count"])
                for each in found[kind]["buckets"]
                if each["key"]
            ]
            for kind in FIELDS
        }
        made.without = {
            kind: found[f"without_{kind}"]["doc_count"]
            + sum(each["doc_count"] for each in found[kind]["buckets"] if not each["key"])
            for kind in WITHOUT
        }

    def _principals(self, subject: Subject, asked: Query) -> list[str]:
        """The users and roles that act under a name, which several accounts can have."""
        if subject.did is None or subject.kind not in ("name", "user", "role"):
            return []
        name = subject.text.partition(":")[2] or subject.text
        query = both(asked, subject.did)
        users = both(query, {"term": {TYPE: "IAMUser"}}, {"term": {NAME: name}})
        roles = both(query, {"term": {TYPE: "AssumedRole"}}, {"term": {ISSUER_NAME: name}})
        account = terms("account", ACCOUNT)
        return [
            Node(kind, name, str(bucket["key"]["account"])).full
            for kind, of in (("user", users), ("role", roles))
            for bucket in self._index.buckets(of, [account])
        ]

    def _over_time(self, made: Profile, asked: Query) -> None:
        for bucket in self._index.buckets(asked, [histogram("hour", _HOUR)]):
            hour = moment(int(bucket["key"]["hour"]))
            made.hours[hour.hour] += bucket["doc_count"]
            made.weekdays[hour.weekday()] += bucket["doc_count"]

    def _peers(self, made: Profile, subject: Subject, asked: Query, own: Query) -> None:
        """The principals that used its addresses, that acted on it, and that it acted on."""
        addresses = [value for value, _ in made.counts["addresses"]]
        bodies = {
            "same_address": _top(
                {
                    "bool": {
                        "filter": [{"terms": {ADDRESS: addresses}}],
                        "must_not": [own, {"term": {"user_type": "aws_service"}}],
                    }
                },
                NAME,
            ),
            "acted_on": _top(asked, "resource.user"),
            "assumed": _top(both(asked, {"prefix": {"eventName": "AssumeRole"}}), "resource.role"),
        }
        if subject.target is not None:
            others: Query = {"bool": {"filter": [subject.target], "must_not": [own]}}
            bodies["acted_on_it"] = _top(others, NAME)
        for kind, reply in zip(bodies, self._index.searches(list(bodies.values())), strict=True):
            buckets = (reply.get("aggregations") or {"top": {"buckets": []}})["top"]["buckets"]
            made.peers[kind] = [(str(each["key"]), each["doc_count"]) for each in buckets]


def _top(query: Query, name: str) -> dict[str, Any]:
    return {"query": query, "aggs": {"top": {"terms": {"field": name, "size": MOST}}}}
