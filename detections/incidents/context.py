"""What is beside an incident: the countries of its addresses, what its keys did after its last
alert, and earlier incidents of the same people, keys and resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import stamp
from detections.alerts.paging import every
from detections.events.daily_indices import SkippedDay, daily_indices
from detections.events.identity import ADDRESS, KEY, ON_BEHALF_OF
from detections.events.index import EventIndex
from detections.incidents.acting import ACTS
from detections.incidents.creations import LONGEST
from detections.incidents.document import INCIDENT, LINKS, is_of_days
from detections.incidents.store import Incident, IncidentStore
from detections.rule import LEVELS
from detections.span import Span, moment
from trailhound.cluster.queries import Query, both, either
from trailhound.cluster.templates import Names
from trailhound.errors import NoEventsIndexError
from trailhound.settings import Settings

AFTER: Final = timedelta(days=7)
"""How long after the last alert further calls are counted."""
EARLIER: Final = 5
"""The most earlier incidents that are named."""
_ALERTS: Final = 500
"""The most alerts of earlier incidents that are read, the latest first."""
_TOKENS: Final = 5_000
_ADDRESSES: Final = 100
_NAMED: Final = 5
_COUNTRY: Final = "geolocation.country"
_NOT_MERGED: Final = {"exists": {"field": "merged_into"}}
_TOGETHER: Final = ("own", "created", "used")
_SAID: Final[Mapping[str, str]] = {"key": "the key", "person": ""}
"""How the kinds of links are said that are not said by their own name."""


@dataclass(frozen=True, slots=True)
class FurtherCalls:
    """The calls with the keys of an incident after its last alert, up to `AFTER` later, `failed` of
    which failed; `until` the last. `addresses`: those that no alert of the incident has; `names`
    the most frequent calls. `skipped`: days that could not be searched, of which nothing is known;
    `unknown`: nothing is known at all, since the engine could not answer.
    """

    calls: int = 0
    failed: int = 0
    until: str = ""
    addresses: tuple[str, ...] = ()
    names: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[SkippedDay, ...] = ()
    unknown: bool = False

    def as_json(self) -> dict[str, Any]:
        """As `incidents show --json` prints it."""
        skipped = [{"index": each.index, "reason": each.reason} for each in self.skipped]
        made = asdict(self) | {"addresses": list(self.addresses), "names": dict(self.names)}
        return made | {"skipped": skipped}


@dataclass(frozen=True, slots=True)
class Context:
    """`further`: None if the incident has no key; `earlier`: incidents that ended before it began,
    the most severe first, each with `by`: what they have in common; `more` of them are not named.
    """

    countries: Mapping[str, str] = field(default_factory=dict)
    further: FurtherCalls | None = None
    earlier: tuple[Incident, ...] = ()
    more: int = 0

    def as_json(self) -> dict[str, Any]:
        """As `incidents show --json` prints it."""
        return {
            "countries": dict(self.countries),
            "further": None if self.further is None else self.further.as_json(),
            "earlier": list(self.earlier),
            "earlier_more": self.more,
        }


def context_of(client: OpenSearch, settings: Settings, incident: Incident) -> Context:
    """What is beside an incident, with its `timeline`. Raises `ClusterError` and opensearch-py's
    exceptions."""
    tokens = _tokens(client, settings, incident["id"])
    earlier, more = _earlier(client, settings, incident, tokens)
    try:
        days = daily_indices(client, settings)
    except NoEventsIndexError:
        return Context({}, None, earlier, more)
    index = EventIndex(client, days)
    last = datetime.fromisoformat(incident["last_seen"])
    span = Span(last, last + AFTER)
    addresses = _addresses(incident)
    of_keys = _of_keys(incident, tokens)
    bodies = [_in_countries(addresses, incident)]
    if of_keys is not None:
        bodies.append(_counted(both(of_keys, _later(span))))
    places, *counted = index.answers(bodies)
    further, countries = None, _countries(places)
    if counted:
        further = _further(counted[0], addresses, days.skipped_in(span))
        countries |= _countries(counted[0])
    return Context(countries, further, earlier, more)


def with_countries(incident: Incident, countries: Mapping[str, str]) -> Incident:
    """The incident with the countries of each entry of its time line, where they are known."""
    entries = [
        each | {"countries": sorted({countries[it] for it in each["addresses"] if it in countries})}
        for each in incident["timeline"]
    ]
    return incident | {"timeline": entries}


def _tokens(client: OpenSearch, settings: Settings, name: str) -> dict[str, set[str]]:
    """The links of an incident's alerts."""
    found: dict[str, set[str]] = {kind: set() for kind in _TOGETHER}
    asked = [{"term": {INCIDENT: name}}]
    fields = [f"{LINKS}.{kind}" for kind in _TOGETHER]
    alerts = Names(settings.prefix).alerts
    for _, document in every(client, alerts, asked, but=[_NOT_MERGED], fields=fields):
        for kind in _TOGETHER:
            found[kind].update((document.get(LINKS) or {}).get(kind) or ())
    return found


def _earlier(
    client: OpenSearch, settings: Settings, incident: Incident, tokens: Mapping[str, set[str]]
) -> tuple[tuple[Incident, ...], int]:
    """The incidents that ended before this one began, of the same people and keys, or that created
    what this one is or uses; and the number of others."""
    own = tokens["own"]
    shared = {f"{LINKS}.own": own, f"{LINKS}.created": own | tokens["used"]}
    clauses = [
        {"terms": {name: sorted(values)[:_TOKENS]}} for name, values in shared.items() if values
    ]
    if not clauses:
        return (), 0
    before = {"range": {"last_seen": {"lt": incident["first_seen"]}}}
    found: dict[str, dict[str, Any]] = {}
    for name, document in every(
        client,
        Names(settings.prefix).alerts,
        [either(clauses), before],
        but=[_NOT_MERGED, {"term": {INCIDENT: incident["id"]}}],
        fields=(INCIDENT, "rule.kind", "level", "last_seen", *shared),
        sort=[{"last_seen": "desc"}],
        limit=_ALERTS,
    ):
        if is_of_days(document):
            continue  # what somebody does every day is no earlier incident
        links = document.get(LINKS) or {}
        alike = own.intersection(links.get("own") or ())
        alike |= shared[f"{LINKS}.created"].intersection(links.get("created") or ())
        of_incident = document.get(INCIDENT) or name
        known = found.setdefault(of_incident, {"by": set(), "rank": (0, "")})
        known["by"] |= alike
        rank = LEVELS.index(document["level"]), document["last_seen"]
        known["rank"] = max(known["rank"], rank)
    names = sorted(found, key=lambda each: found[each]["rank"], reverse=True)
    made = {each["id"]: each for each in IncidentStore(client, settings).some(names[:EARLIER])}
    kept = ("id", "title", "level", "state", "first_seen", "last_seen")
    return (
        tuple(
            {key: made[name][key] for key in kept} | {"by": _said(found[name]["by"])}
            for name in names[:EARLIER]
            if name in made
        ),
        len(names) - min(len(names), EARLIER),
    )


def _said(tokens: Iterable[str]) -> list[str]:
    """Links in words; a session only where there is nothing else.

    >>> _said(["user:111122223333:ada", "key:AKIA1", "session:arn:…"])
    ['the key AKIA1', 'user ada']
    """
    made = set()
    for each in tokens:
        kind, _, rest = each.removeprefix(ACTS).partition(":")
        if kind != "session":
            name = rest if kind in ("key", "bucket", "person") else rest.rpartition(":")[2] or rest
            made.add(f"{_SAID.get(kind, kind)} {name}".strip()[:LONGEST])
    return sorted(made)[:_NAMED] or ["the same session"]


def _addresses(incident: Incident) -> set[str]:
    entries = {address for each in incident["timeline"] for address in each["addresses"]}
    return {*incident["addresses"], *sorted(entries)[:_ADDRESSES]}


def _of_keys(incident: Incident, tokens: Mapping[str, set[str]]) -> Query | None:
    """The calls with the keys that an incident used or made, and of the portal's people."""
    made = {each.partition(":")[2] for each in tokens["created"] if each.startswith("key:")}
    keys = sorted({*incident["access_keys"], *made})
    people = {each.partition(":")[2] for each in tokens["own"] if each.startswith("person:")}
    clauses: list[Query] = [{"terms": {KEY: keys}}] if keys else []
    if people:
        portal: Query = {"bool": {"must_not": [{"exists": {"field": KEY}}]}}
        clauses.append(both({"terms": {ON_BEHALF_OF: sorted(people)}}, portal))
    return either(clauses) if clauses else None


def _later(span: Span) -> Query:
    return {"range": {"@timestamp": {"gt": stamp(span.since), "lte": stamp(span.until)}}}


def _in_countries(addresses: Iterable[str], incident: Incident) -> Query:
    during = {"gte": incident["first_seen"], "lte": incident["last_seen"]}
    asked = both({"terms": {ADDRESS: sorted(addresses)}}, {"range": {"@timestamp": during}})
    return {"query": asked, "aggs": _of_addresses()}


def _counted(query: Query) -> Query:
    calls = {"terms": {"field": "eventName", "size": _NAMED}}
    failed = {"filter": {"term": {"event.outcome": "failure"}}}
    last = {"max": {"field": "@timestamp"}}
    aggs = {**_of_addresses(), "calls": calls, "failed": failed, "last": last}
    return {"query": query, "aggs": aggs}


def _of_addresses() -> dict[str, Any]:
    country = {"terms": {"field": _COUNTRY, "size": 1}}
    by_address = {"field": ADDRESS, "size": _ADDRESSES}
    return {"addresses": {"terms": by_address, "aggs": {"country": country}}}


def _countries(reply: Mapping[str, Any] | None) -> dict[str, str]:
    found = (reply or {}).get("aggregations") or {"addresses": {"buckets": ()}}
    return {
        str(each["key"]): str(each["country"]["buckets"][0]["key"])
        for each in found["addresses"]["buckets"]
        if each["country"]["buckets"]
    }


def _further(
    reply: Mapping[str, Any] | None, known: set[str], skipped: Sequence[SkippedDay]
) -> FurtherCalls:
    if reply is None:
        return FurtherCalls(skipped=tuple(skipped), unknown=True)
    total = reply["hits"]["total"]["value"]
    found = reply.get("aggregations")
    if not found or not total:
        return FurtherCalls(skipped=tuple(skipped))
    addresses = (str(each["key"]) for each in found["addresses"]["buckets"])
    return FurtherCalls(
        total,
        found["failed"]["doc_count"],
        stamp(moment(int(found["last"]["value"]))),
        tuple(each for each in addresses if each not in known),
        {str(each["key"]): each["doc_count"] for each in found["calls"]["buckets"]},
        tuple(skipped),
    )
