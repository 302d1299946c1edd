"""Reads from the daily indices what joining needs: events of alerts, who was issued their keys, and
how many principals share an address or a role."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from detections.alerts.named_events import NamedEvents
from detections.events.light import Mapped
from detections.incidents.acting import (
    AT_ONCE,
    FUNCTION_CALLS,
    GIVING,
    ISSUE_FIELDS,
    Functions,
    function_name,
    let_in,
    makers,
)
from detections.incidents.actors import FIELDS, Actor, Source, actor_of, at, texts_at
from detections.incidents.counts import (
    FLEET,
    GIFTS,
    SUCCESS,
    between,
    counted,
    made_before,
    on_day,
    principals,
)
from detections.incidents.creations import ISSUING
from detections.incidents.joining import (
    ADDRESS_PRINCIPALS,
    NO_LINKS,
    ROLE_PEOPLE,
    AddressDay,
    LinkedAlert,
    Links,
    MakerDay,
    Sharing,
)
from detections.incidents.links import issued_to, links_of, of_both
from detections.incidents.people import People, unnamed, with_name
from trailhound.batching import batched, weighed
from trailhound.cluster.queries import both, either
from trailhound.internal_errors import Skipped, is_internal

LOG = logging.getLogger("trailhound.incidents")
EVENTS: Final = 1_000
"""The number of earliest events by which an alert is linked."""
HELD: Final = 10_000
"""Events of alerts in memory at once, some 3 KB each: a batch may have twenty times as many."""
_AT_ONCE: Final = 1_000
_SEARCHES: Final = 100
ADDRESSES: Final = 100
"""Addresses of one day that are counted by one search."""
_BY_ADDRESS: Final = "addresses"
_ISSUED: Final = timedelta(hours=36)
"""The longest validity of temporary credentials: that of GetSessionToken."""
_HOPS: Final = 5
"""The longest chain of roles that is followed, each assumed with the credentials of another."""
KEYS: Final = "resource.access_key"
"""The field with the keys that a call issued, and with its own."""
_FAILED: Final = {"term": {"event.outcome": "failure"}}
ISSUING_CALLS: Final = ({"terms": {"eventName": list(ISSUING)}}, SUCCESS)
"""Clauses for the calls of which `issued` says what they issued to whom."""
MAKING_CALLS: Final = ({"terms": {"eventName": list(FUNCTION_CALLS)}}, SUCCESS)
"""Clauses for the calls that make functions what they are."""
CALL_FIELDS: Final = (*FIELDS, KEYS, *ISSUE_FIELDS)
"""The fields of all these calls that are read."""


def issued(source: Source) -> Iterator[tuple[str, Actor]]:
    """The temporary keys that a call issued, each with the actor who made the call; none where that
    is an AWS service, and where the record names none: its reply may be missing or redacted. A call
    of Roles Anywhere has no actor, only what let it in."""
    actor, by = actor_of(source), frozenset(let_in(source))
    if actor is not None and actor.own:
        actor = replace(actor, by=by)
    elif by and at(source, "user_type") != "aws_service":
        actor = Actor("", by=by)
    else:
        return
    for key in texts_at(source, *KEYS.split(".")):
        if key != actor.key:
            yield key, actor


@dataclass(frozen=True, slots=True)
class AlertEvents:
    """An alert's id, its span, and the ids of its earliest events. `more`: it has others. `before`:
    its stored links."""

    id: str
    first: datetime
    last: datetime
    events: tuple[str, ...]
    more: bool = False
    before: Links = NO_LINKS


_Span = tuple[datetime, datetime]
Found = Mapping[str, Any]
"""The aggregations of a reply; empty where nothing matches."""


class _Count(NamedTuple):
    """A search that counts something, and what takes the aggregations of its reply."""

    body: Mapping[str, Any]
    take: Callable[[Found], None]


class Facts:
    """The reads of one run of the updater; counts are kept. Raises `ClusterError`."""

    def __init__(
        self,
        events: NamedEvents,
        skipped: Skipped | None = None,
        gap: timedelta = _ISSUED,
    ) -> None:
        """`skipped`: takes the events that cannot be read. `gap`: the most time between alerts that
        join."""
        self._gap = gap
        self._skipped = skipped or Skipped(LOG)
        self._index = events.index
        self._named = events
        self._addresses: dict[AddressDay, int] = {}
        self._roles: dict[str, int] = {}
        self._givers: dict[MakerDay, int] = {}
        self._makers: dict[MakerDay, int] = {}
        self._people = People(events.index)

    def linked(self, alerts: Sequence[AlertEvents]) -> dict[str, LinkedAlert]:
        """The alerts with the links of their events, by id. Stored links of events that are gone
        (their day was deleted) stay."""
        parts = weighed(alerts, lambda each: len(each.events[:EVENTS]), HELD)
        return {each.id: each for part in parts for each in self._linked(part)}

    def _linked(self, alerts: Sequence[AlertEvents]) -> Iterator[LinkedAlert]:
        sources = self._named_people(alerts, self._events(alerts))
        chain, functions = self._issuers(alerts, sources.values())
        for each in alerts:
            events = {name: sources[name] for name in each.events[:EVENTS] if name in sources}
            links = self._links_of(each, events, chain, functions)
            yield LinkedAlert(each.id, each.first, each.last, links)

    def _links_of(
        self,
        alert: AlertEvents,
        events: Mapping[str, Source],
        chain: Mapping[str, Actor],
        functions: Functions,
    ) -> Links:
        """The links of an alert; without those of its events that cannot be read."""
        try:
            return _links(alert, list(events.values()), chain, functions)
        except Exception as error:
            if not is_internal(error):
                raise
        readable = []
        for name, source in events.items():
            with self._skipped.around("event", name):
                links_of([source], chain, functions)
                readable.append(source)
        with self._skipped.around("alert", alert.id):
            return _links(alert, readable, chain, functions)
        return alert.before

    def sharing(self, alerts: Iterable[LinkedAlert]) -> Sharing:
        """How many principals share what these alerts have, and what earlier ones had."""
        several = list(alerts)
        days = {each for alert in several for each in alert.links.addresses}
        roles: dict[str, _Span] = {}
        of_days: set[MakerDay] = set()
        for alert in several:
            for token in alert.links.created:
                if token.startswith("role:") and token not in self._roles:
                    _widen(roles, token, alert)
            # Whoever opens sessions alone makes nothing that others could only name.
            if any(not token.startswith("key:ASIA") for token in alert.links.created):
                day = alert.first.date()
                of_days |= {(token, day) for token in makers(alert.links.own)}
        counts = [
            *self._addresses_counted(days - self._addresses.keys()),
            *self._roles_counted(roles),
            *self._makers_counted(of_days - self._makers.keys()),
        ]
        for part in batched(counts, _SEARCHES):
            replies = self._index.searches([each.body for each in part], few_days=True)
            for each, reply in zip(part, replies, strict=True):
                each.take(reply.get("aggregations") or {})
        return Sharing(self._addresses, self._roles, self._givers, self._makers)

    def _events(self, alerts: Sequence[AlertEvents]) -> dict[str, Source]:
        spans = {name: (each.first, each.last) for each in alerts for name in each.events[:EVENTS]}
        return self._named.read(spans)

    def _named_people(
        self, alerts: Sequence[AlertEvents], events: Mapping[str, Source]
    ) -> Mapping[str, Source]:
        """The events, those of people of Identity Center with their names, where these are
        known."""
        ids = {unnamed(each) for each in events.values()} - {""}
        if not ids:
            return events
        within = min(each.first for each in alerts), max(each.last for each in alerts)
        names = self._people.names(ids, *within)
        return {name: with_name(each, names) for name, each in events.items()}

    def _issuers(
        self, alerts: Sequence[AlertEvents], events: Iterable[Source]
    ) -> tuple[Mapping[str, Actor], Functions]:
        """The actors who were issued the temporary keys of these events, and who made the functions
        whose name a session has."""
        keys: dict[str, str] = {}
        for each in events:
            key = at(each, "userIdentity", "accessKeyId")
            if key and key not in keys:  # most events are of few keys
                with self._skipped.around("event of the key", key):
                    actor = actor_of(each)
                    if actor is not None and not actor.person:
                        keys[key] = function_name(each) if actor.role else ""
        since = min((each.first for each in alerts), default=None)
        if since is None:
            return {}, Functions()
        until = max(each.last for each in alerts)
        chain: dict[str, Actor] = {}
        calls: list[Source] = []
        asked: set[str] = set()
        for _ in range(_HOPS):
            keys = {key: name for key, name in keys.items() if key not in asked}
            if not keys:
                break
            asked |= keys.keys()
            issued, made = self._issued(keys, since, until)
            chain |= issued
            calls += made
            keys = {each.key: "" for each in issued.values() if each.key and not each.person}
        return issued_to(chain, _HOPS), Functions(calls)

    def _issued(
        self, keys: Mapping[str, str], since: datetime, until: datetime
    ) -> tuple[dict[str, Actor], list[Source]]:
        """Who was issued these keys; and the calls that made the functions whose names are given
        with them, found by the same search."""
        found: dict[str, Actor] = {}
        calls: list[Source] = []
        request = {"_source": Mapped(CALL_FIELDS)}
        within = between(since - max(_ISSUED, self._gap), until)
        for part in batched(sorted(keys), _AT_ONCE):
            several = [both({"terms": {KEYS: part}}, *ISSUING_CALLS)]
            if names := sorted({keys[key] for key in part} - {""}):
                several.append(both({"terms": {"resource.function": names}}, *MAKING_CALLS))
            for hit in self._index.documents(both(either(several), within), request):
                source = hit["_source"]
                if at(source, "eventName") in FUNCTION_CALLS:
                    calls.append(source)
                    continue
                with self._skipped.around("event", hit["_id"]):
                    for key, actor in issued(source):
                        if key in part:
                            found.setdefault(key, actor)
        return found, calls

    def _addresses_counted(self, days: Iterable[AddressDay]) -> Iterator[_Count]:
        """Counts of the principals that used an address on a day, of many addresses of a day by
        one search. Failed sign-ins do not count, since an attacker could try many names to make
        the address look shared."""
        tried = [{"term": {"eventSource": "signin.amazonaws.com"}}, _FAILED]
        of_day: dict[date, list[str]] = {}
        for address, day in days:
            of_day.setdefault(day, []).append(address)
        for day, addresses in sorted(of_day.items()):
            for some in batched(sorted(addresses), ADDRESSES):
                clauses = [{"terms": {"source.ip": some}}, on_day(day)]
                body = principals(clauses, [{"bool": {"filter": tried}}], ADDRESS_PRINCIPALS + 1)
                each = {address: {"term": {"source.ip": address}} for address in some}
                body["aggs"] = {_BY_ADDRESS: {"filters": {"filters": each}, "aggs": body["aggs"]}}
                yield _Count(body, partial(self._take_addresses, day, some))

    def _take_addresses(self, day: date, addresses: Sequence[str], found: Found) -> None:
        buckets = found.get(_BY_ADDRESS, {}).get("buckets", {})
        for address in addresses:
            self._addresses[address, day] = counted(buckets.get(address, {}))

    def _roles_counted(self, roles: Mapping[str, _Span]) -> Iterator[_Count]:
        """Counts of the people who assumed a role around the time of the alerts that created it."""
        margin = timedelta(days=1)
        for token, (since, until) in roles.items():
            _, account, role = token.split(":", 2)
            asked = [
                {"term": {"resource.role": role}},
                {"term": {"recipientAccountId": account}},
                {"prefix": {"eventName": "AssumeRole"}},
                SUCCESS,
                between(since - margin, until + margin),
            ]
            yield _Count(principals(asked, [], ROLE_PEOPLE + 1), partial(self._take_role, token))

    def _take_role(self, token: str, found: Found) -> None:
        self._roles[token] = counted(found)

    def _makers_counted(self, of_days: Iterable[MakerDay]) -> Iterator[_Count]:
        """Counts of what a key or role made or changed on the days before a day, and of what it
        gave others to act with."""
        for each in sorted(of_days):
            yield _Count(made_before(*each), partial(self._take_maker, each))

    def _take_maker(self, of_day: MakerDay, found: Found) -> None:
        counts = {name: len(each["of"]["buckets"]) for name, each in found.items()}
        fleet = sum(counts.get(f"{FLEET}{leaf}", 0) for leaf in GIVING)
        before = sum(counts.get(f"{GIFTS}{leaf}", 0) for leaf in GIVING)
        self._givers[of_day] = max(before, fleet) if fleet > AT_ONCE else before
        self._makers[of_day] = sum(
            number for name, number in counts.items() if not name.startswith((GIFTS, FLEET))
        )


def _widen(spans: dict[str, _Span], token: str, alert: LinkedAlert) -> None:
    first, last = spans.get(token, (alert.first, alert.last))
    spans[token] = min(first, alert.first), max(last, alert.last)


def _links(
    alert: AlertEvents,
    events: Sequence[Source],
    issuers: Mapping[str, Actor],
    functions: Functions,
) -> Links:
    made = links_of(events, issuers, functions)
    if len(events) < len(alert.events[:EVENTS]):
        made = of_both(alert.before, made)
    if made.acted is None or not alert.more:
        return made
    return replace(made, acted=(made.acted[0], alert.last))
