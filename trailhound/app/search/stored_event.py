"""One event: the record as CloudTrail wrote it, what was added, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from detections.events.index import EventIndex
from ingest.repair.record import OUR_NAMES
from ingest.repair.restore import restore
from trailhound.cluster.raw_documents import raw_documents
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.errors import RequestFailedError, UsageError
from trailhound.settings import Settings
from trailhound.state.objects import Integrity, ObjectState, names_in_events, short_id
from trailhound.state.store import StateStore

_SHORTEST = 8
"""The fewest characters of a prefix of an eventID."""
_SHOWN = 20
"""The most documents with the same eventID that are named."""


class DuplicateSource(msgspec.Struct, frozen=True):
    """Another file that delivered `events` of this file, and the verdict of a verification on
    it."""

    object: str
    events: int
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event and its provenance.

    `record` is the record's canonical JSON text (keys sorted, every value exact), with what was
    moved to `trail.original` back in place; `added` are the members that Trailhound put beside it.
    `object` is the name of the trail file, or its short id where the ledger has no entry for it.
    `integrity` is the verdict of a verification on that file, None where there is none. `others`
    name further documents with this eventID, as `stored_event` takes them: different records, by
    their ids (marked `trail.conflict`), or by index and id where another day has one of this id.
    """

    id: str
    index: str
    record: bytes
    added: dict[str, Any]
    object: str
    others: tuple[str, ...] = ()
    integrity: Integrity | None = None
    also_by: tuple[DuplicateSource, ...] = ()
    """Other files that delivered events of this file, perhaps this event."""

    def as_json(self) -> bytes:
        """As `--json` prints it: one object; the record's numbers are not rounded."""
        return msgspec.json.encode(
            {
                "id": self.id,
                "index": self.index,
                "object": self.object,
                "integrity": self.integrity,
                "also_by": self.also_by,
                "others": self.others,
                "record": msgspec.Raw(self.record),
                "added": self.added,
            }
        )


def stored_event(client: OpenSearch, settings: Settings, wanted: str) -> StoredEvent:
    """The event with this `_id` or eventID, or with a unique prefix of it. Of several with the same
    eventID, the one that was stored first; `INDEX/ID` is the one of that day. Raises `UsageError`
    if there is none or the prefix is not unique, `ClusterError`, opensearch-py's errors.
    """
    names = Names(settings.prefix)
    day, slash, rest = wanted.partition("/")
    if slash and names.day_of(day):
        wanted = rest
    else:
        day = ""
    named: list[dict[str, Any]] = [{"ids": {"values": [wanted]}}, {"term": {"eventID": wanted}}]
    make_searchable(client, names.days)
    events = EventIndex(client, names.days)
    hits = _found(events, named)
    if not hits and len(wanted) >= _SHORTEST:
        begun = {"range": {"eventID": {"gte": wanted, "lt": f"{wanted}\uffff"}}}
        hits = _found(events, [begun])
        several = sorted({event for _, _, event in hits})
        if len(several) > 1:
            raise UsageError(
                f"several events begin with {wanted!r}: {', '.join(several)}",
                hint="give more of the id",
            )
    if not hits:
        raise UsageError(
            f"no event has the id {wanted!r}",
            hint=f"give at least {_SHORTEST} characters of an eventID, or an `_id` in full"
            if len(wanted) < _SHORTEST
            else "check the id and --namespace; days that are closed are not searched",
        )
    meant = [hit for hit in hits if hit[0] == wanted] or hits
    identifier, index, _ = next((hit for hit in meant if hit[1] == day), meant[0])
    if day and index != day:
        raise UsageError(f"{day} has no event with the id {wanted!r}", hint="check the day")
    (stored,) = raw_documents(client, [(index, identifier)])
    if not stored.found:  # removed, or its day closed, since it was searched for
        raise RequestFailedError(
            f"the event {identifier} can no longer be read from {index}", hint="try again"
        )
    source = bytes(stored.source)
    document: dict[str, Any] = json.loads(source)
    try:
        record = restore(source)
    except (ValueError, LookupError, TypeError) as error:
        raise RequestFailedError(
            f"{index}/{identifier} was written by another tool: {error}",
            hint="read it in Dashboards or Kibana, or with curl",
        ) from None
    uri, entry = _object(client, settings, document)
    return StoredEvent(
        id=identifier,
        index=index,
        record=record,
        added={name: value for name, value in document.items() if name in OUR_NAMES},
        object=uri,
        others=tuple(
            name if name != identifier else f"{where}/{name}"
            for name, where, _ in hits
            if (name, where) != (identifier, index)
        ),
        integrity=entry.integrity if entry is not None else None,
        also_by=tuple(_also_by(client, settings, document)),
    )


def _found(events: EventIndex, either: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Id, index and eventID of events that match one of the clauses, in the order of their ids; of
    several days' events with one id, that which was indexed first is the first."""
    reply = events.search(
        {
            "query": {"bool": {"should": list(either), "minimum_should_match": 1}},
            "size": _SHOWN,
            "_source": ["eventID", "event.ingested"],
        }
    )
    hits = sorted(
        reply.get("hits", {}).get("hits", ()),
        key=lambda hit: (hit["_id"], (hit["_source"].get("event") or {}).get("ingested") or ""),
    )
    return [
        (str(hit["_id"]), str(hit["_index"]), str(hit["_source"].get("eventID"))) for hit in hits
    ]


def _object(
    client: OpenSearch, settings: Settings, document: dict[str, Any]
) -> tuple[str, ObjectState | None]:
    """The name of the trail file and its ledger entry, found by the short id that the event
    holds."""
    held = str((document.get("trail") or {}).get("object") or "")
    entries = StateStore(client, settings, ObjectState).all({"term": {"object": short_id(held)}})
    found = next((each for each in entries if held in names_in_events(each.uri)), None)
    return (held, None) if found is None else (found.uri, found)


def _also_by(
    client: OpenSearch, settings: Settings, document: dict[str, Any]
) -> Iterator[DuplicateSource]:
    """The files that delivered events of this event's file again."""
    held = short_id(str((document.get("trail") or {}).get("object") or ""))
    if not held:
        return
    entries = StateStore(client, settings, ObjectState).all({"term": {"shared.object": held}})
    for each in islice(entries, _SHOWN):
        events = sum(shared.events for shared in each.shared if shared.object == held)
        yield DuplicateSource(each.uri, events, each.integrity.verdict if each.integrity else "")
