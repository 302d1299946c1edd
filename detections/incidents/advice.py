"""Reads the events of an incident by which its containment is advised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.identity import KEY, NAME
from detections.events.index import EventIndex, terms
from detections.events.outcome import FAILED, SUCCEEDED
from detections.events.verbs import READING
from detections.incidents.actors import at, texts_at
from detections.incidents.containment import FIELDS, Containment, LeftCalls, containment
from detections.incidents.creations import ISSUING, LEAVES
from detections.incidents.facts import KEYS
from detections.incidents.further_credentials import CALLS
from detections.incidents.further_events import HOLDERS, further_events, readable_events
from detections.incidents.incident_events import events_of_incident
from detections.incidents.parties import parties
from detections.incidents.people import People, ids_of
from detections.incidents.step import Event
from detections.incidents.store import IncidentStore
from detections.incidents.store import made as made_incident
from detections.incidents.undoing.secrets import SECRETS
from detections.incidents.undoing.table import KNOWN
from trailhound.cluster.queries import Query, both, either
from trailhound.settings import Settings

_CHANGES: Final = "calls that leave something behind"
_PROOFS: Final = "calls that issued credentials, signed in or read secrets"
_MOST: Final = 10_000
"""Changes that are read; an incident has a few dozen of the calls that have a command."""
PROVING: Final = frozenset({*CALLS, *(call for _, call in SECRETS)})
"""The calls that prove something though they change nothing."""
_NAMES: Final = 1_000
_SESSION: Final = "36h"
"""How long before an incident a key may have opened a session of it: the longest lasts so long."""
_READ_BY_NAME: Final[Query] = {
    "bool": {
        "filter": [{"regexp": {"eventName": f"({'|'.join(READING)}).*"}}],
        "must_not": [{"exists": {"field": "readOnly"}}],
    }
}
"""Old events do not say whether they only read: their names do."""
_CHANGED: Final[Query] = {
    "bool": {
        "filter": [SUCCEEDED],
        "must_not": [{"term": {"readOnly": True}}, _READ_BY_NAME],
    }
}
_TEMPORARY: Final = "ASIA"
_CALLER: Final = ("userIdentity", "type")
_OUTSIDE: Final = "AWSAccount"
_ISSUED: Final[Query] = both(
    {"terms": {"eventName": sorted({*ISSUING, "CreateSession"})}}, SUCCEEDED
)
"""Calls that issue credentials, also services' own and, by a certificate, Roles Anywhere's."""
_FAILED_SIGN_IN: Final = both({"term": {"eventSource": "signin.amazonaws.com"}}, FAILED)
_LOOKED_AT: Final = 5
"""Events of each other call whose resources are named."""
_OBJECTS: Final = 10
_LATER: Final = frozenset({"account", "arn", "role"})
"""Kinds of resources that are named only where there is no other."""


def contain(
    client: OpenSearch, settings: Settings, incident: Mapping[str, Any], now: datetime
) -> Containment:
    """What to do now about an incident, by the credentials that it names and by what these changed
    in its events. Raises `ClusterError` and opensearch-py's errors."""
    index = readable_events(client, settings)
    own = events_of_incident(client, settings, incident["id"]).query
    alerts = IncidentStore(client, settings).alerts_of(incident["id"])
    sides = parties([document for _, document in alerts])
    whole = made_incident(alerts, HOLDERS)
    incident = whole | {
        name: sides.contained(whole[name]) for name in ("access_keys", "principals")
    }
    during = {"gte": incident["first_seen"], "lte": incident["last_seen"]}
    opened = {"gte": f"{incident['first_seen']}||-{_SESSION}", "lt": incident["first_seen"]}
    times: list[Query] = [{"range": {"@timestamp": each}} for each in (during, opened)]
    keys = incident["access_keys"]
    names = [*incident["principals"], *_people(index, own, incident)]
    if not keys and not names:
        return Containment(aside=sides.sentences)
    with_key: Query = {"terms": {KEY: keys}}
    without = _without_key(names)
    holders = either([with_key, without])
    gap = timedelta(hours=settings.detections.incident_gap_hours)
    further = further_events(index, incident, gap, both(own, holders))
    acted = either([both(either([own, further.did]), holders), further.sessions])
    changes = both(acted, _CHANGED)
    listed = {"terms": {"eventName": sorted(KNOWN)}}
    proving = {"terms": {"eventName": sorted(PROVING)}}
    read = _first(index, both(changes, listed))
    used = [
        *_used(index, KEY, keys, [both(when, with_key) for when in times]),
        *_used(index, NAME, names, [both(own, without)]),
    ]
    proofs = _first(index, both(acted, proving, SUCCEEDED))
    openers = _openers(index, keys, times)
    made = containment(
        used,
        read[:_MOST],
        _left(index, both(changes, {"bool": {"must_not": [listed, proving]}})),
        now,
        openers,
        [*openers.values(), *proofs[:_MOST]],
        sides.order,
    )
    left_out = [
        f"more than {_MOST:,} {calls}: the later ones were not looked at"
        for calls, found in ((_CHANGES, read), (_PROOFS, proofs))
        if len(found) > _MOST
    ]
    return replace(made, left_out=(*left_out, *further.left_out), aside=sides.sentences)


def _first(index: EventIndex, query: Query) -> list[Event]:
    """The earliest events, one more than are looked at."""
    found = index.documents(query, {"_source": list(FIELDS)}, limit=_MOST + 1)
    return [hit["_source"] for hit in islice(found, _MOST + 1)]


def _openers(index: EventIndex, keys: Iterable[str], times: Iterable[Query]) -> dict[str, Event]:
    """The calls that issued temporary keys, by key."""
    temporary = [each for each in keys if each.startswith(_TEMPORARY)]
    if not temporary:
        return {}
    issued = both(either([*times]), {"terms": {KEYS: temporary}}, _ISSUED)
    found: dict[str, Event] = {}
    body = {"_source": [*FIELDS, KEYS]}
    for hit in islice(index.documents(issued, body, limit=_MOST), _MOST):
        source = hit["_source"]
        for key in texts_at(source, *KEYS.split(".")):
            own = key == at(source, "userIdentity", "accessKeyId")
            # The account that was let in has a copy of the call too, which says more of the caller.
            if not own and (key not in found or at(found[key], *_CALLER) == _OUTSIDE):
                found[key] = source
    return found


def _left(index: EventIndex, query: Query) -> LeftCalls:
    """How many events match, by call, and what some of them are about."""
    looked_at = {"top_hits": {"size": _LOOKED_AT, "_source": ["resource"]}}
    names = {"terms": {"field": "eventName", "size": _NAMES}, "aggs": {"some": looked_at}}
    found = index.search({"query": query, "aggs": {"names": names}}).get("aggregations")
    buckets = found["names"]["buckets"] if found else ()
    return LeftCalls(
        {str(each["key"]): int(each["doc_count"]) for each in buckets},
        {str(each["key"]): _objects(each["some"]["hits"]["hits"]) for each in buckets},
    )


def _objects(hits: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of the resources of events: of what can be made before all else."""
    named: dict[str, None] = {}
    for hit in hits:
        resource = hit["_source"].get("resource")
        leaves = resource if isinstance(resource, Mapping) else {}
        for leaf in sorted(leaves, key=lambda each: (each not in LEAVES, each)):
            if leaf not in _LATER or not named:
                named |= dict.fromkeys(each for each in texts_at(leaves, leaf) if each != "*")
    return tuple(named)[:_OBJECTS]


def _people(index: EventIndex, own: Query, incident: Mapping[str, Any]) -> list[str]:
    """The ids of those of its principals who are people of Identity Center: calls of the access
    portal have no key, and name them by their id alone."""
    ids = ids_of(index, own)
    first, last = (datetime.fromisoformat(incident[each]) for each in ("first_seen", "last_seen"))
    names = People(index).names(ids, first, last)
    return [each for each in ids if names.get(each) in incident["principals"]]


def _without_key(names: Sequence[str]) -> Query:
    """The calls of principals that were made without an access key, as root in the console: not by
    whoever failed to sign in."""
    return {
        "bool": {
            "filter": [{"terms": {NAME: list(names)}}],
            "must_not": [{"exists": {"field": KEY}}, _FAILED_SIGN_IN],
        }
    }


def _used(
    index: EventIndex, field: str, holders: Iterable[str], queries: Iterable[Query]
) -> Iterator[Event]:
    """An event of each holder, whom a field names: the earliest of the first query that has any."""
    first = {"size": 1, "sort": [{"@timestamp": "asc"}, {"eventID": "asc"}]}
    one = {"one": {"top_hits": {**first, "_source": list(FIELDS)}}}
    found: dict[str, Event] = {}
    for query in queries:
        for bucket in index.buckets(query, [terms("holder", field)], one):
            (hit,) = bucket["one"]["hits"]["hits"]
            found.setdefault(str(bucket["key"]["holder"]), hit["_source"])
    yield from (found[each] for each in holders if each in found)
