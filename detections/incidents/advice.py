"""Reads the events of an incident by which its containment is advised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.index import EventIndex
from detections.incidents.containment import FIELDS, Containment, Event, containment
from detections.incidents.incident_events import events_of_incident
from detections.incidents.undoing import KNOWN
from trailhound.cluster.queries import Query, both, either
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

_MOST: Final = 10_000
"""Changes that are read; an incident has a few dozen of the calls that have a command."""
_NAMES: Final = 1_000
_SESSION: Final = "36h"
"""How long before an incident a key may have opened a session of it: the longest lasts so long."""
_SUCCEEDED: Final[Query] = {
    "bool": {"must_not": [{"term": {"readOnly": True}}, {"exists": {"field": "errorCode"}}]}
}


def contain(
    client: OpenSearch, settings: Settings, incident: Mapping[str, Any], now: datetime
) -> Containment:
    """What to do now about an incident, by the credentials that it names and by what these changed
    in its events. Raises `ClusterError` and opensearch-py's errors."""
    index = EventIndex(client, Names(settings.prefix).days)
    own = events_of_incident(client, settings, incident["id"]).query
    during = {"gte": incident["first_seen"], "lte": incident["last_seen"]}
    opened = {"gte": f"{incident['first_seen']}||-{_SESSION}", "lt": incident["first_seen"]}
    times: list[Query] = [{"range": {"@timestamp": each}} for each in (during, opened)]
    with_key = [{"term": {"userIdentity.accessKeyId": key}} for key in incident["access_keys"]]
    without = [_without_key(name) for name in incident["principals"]]
    if not with_key and not without:
        return Containment()
    changes = both(own, either([*with_key, *without]), _SUCCEEDED)
    listed = {"terms": {"eventName": sorted(KNOWN)}}
    body = {"_source": list(FIELDS)}
    read = index.documents(both(changes, listed), body, limit=_MOST)
    asked = [
        *([both(when, each) for when in times] for each in with_key),
        *([both(own, each)] for each in without),
    ]
    return containment(
        _used(index, asked),
        (hit["_source"] for hit in islice(read, _MOST)),
        _numbers(index, both(changes, {"bool": {"must_not": [listed]}})),
        now,
    )


def _numbers(index: EventIndex, query: Query) -> dict[str, int]:
    """How many events match, by call."""
    names = {"names": {"terms": {"field": "eventName", "size": _NAMES}}}
    found = index.search({"query": query, "aggs": names}).get("aggregations")
    buckets = found["names"]["buckets"] if found else ()
    return {str(each["key"]): int(each["doc_count"]) for each in buckets}


def _without_key(name: str) -> Query:
    """The calls of a principal that were made without an access key, as root in the console."""
    return {
        "bool": {
            "filter": [{"term": {"user.name": name}}],
            "must_not": [{"exists": {"field": "userIdentity.accessKeyId"}}],
        }
    }


def _used(index: EventIndex, asked: Iterable[Iterable[Query]]) -> Iterator[Event]:
    """An event of each holder: the first that any of its queries finds, one query after another."""
    for queries in asked:
        found = (
            hit["_source"]
            for each in queries
            for hit in islice(index.documents(each, {"_source": list(FIELDS)}, limit=1), 1)
        )
        yield from islice(found, 1)
