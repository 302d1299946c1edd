"""Reads the events that alerts name, in parts of a bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.compiled import has_moved
from detections.events.index import EventIndex
from detections.matcher.moved import put_back
from trailhound.cluster.reader import HITS_PAGE
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

_AT_ONCE: Final = 1_000
"""Ids in one request."""
_ENTIRE: Final = 100
"""Complete events in one reply; each has up to 256 KB."""


@dataclass(frozen=True, slots=True)
class EventIds:
    """Ids of events, all of which are within a time."""

    ids: tuple[str, ...]
    first: str
    last: str


def in_parts(alerts: Iterable[Mapping[str, Any]]) -> Iterator[EventIds]:
    """The event ids of alerts, in groups for one request, with the span of their times."""
    pairs = (
        (event, each["first_seen"], each["last_seen"])
        for each in sorted(alerts, key=lambda each: str(each["first_seen"]))
        for event in each["evidence"]["event_id"]
    )
    while part := list(islice(pairs, _AT_ONCE)):
        ids = tuple(dict.fromkeys(event for event, _, _ in part))
        yield EventIds(ids, min(first for _, first, _ in part), max(last for _, _, last in part))


def read_events(
    client: OpenSearch, settings: Settings, part: EventIds, fields: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events by id, with the values that a repair moved back in place."""
    when = {"range": {"@timestamp": {"gte": part.first, "lte": part.last}}}
    query = {"bool": {"filter": [{"ids": {"values": list(part.ids)}}, when]}}
    page = _ENTIRE if not fields else HITS_PAGE
    index = EventIndex(client, Names(settings.prefix).days, hits_page=page)
    for hit in index.documents(query, {"_source": list(fields) or True}):
        source = hit["_source"]
        yield hit["_id"], put_back(source) if has_moved(source) else dict(source)
