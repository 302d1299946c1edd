"""Sets `trail.integrity` of events that are in the index already, once their object was verified.

A document is written again with that one member of `trail` changed and every other byte as it was:
an update by the engine would round the record's numbers. Events of days that are read-only or
closed are not changed; these days are named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import msgspec
from opensearchpy import OpenSearch

from detections.events.index import EventIndex
from ingest.bulk import replies
from ingest.sources.layout import place_of
from trailhound.cluster.blocks import index_state
from trailhound.cluster.raw_documents import raw_documents
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.errors import RequestFailedError
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.objects import ObjectVerdict, names_in_events

_AT_ONCE: Final = 500
_TRIES: Final = 5
_DAYS: Final = 31
"""How many days of an object's folder are looked at: at most a month's."""
_TEXT: Final = rb'"(?:[^"\\]|\\.)*+"'
_BEGIN: Final = re.compile(
    rb'\{"object":%b(?:,"account":%b)?+,"position":\d++,"integrity":"(\w++)"' % (_TEXT, _TEXT)
)
"""How the member `trail` that we write begins."""

Target = tuple[str, str]


class _Document(msgspec.Struct):
    trail: msgspec.Raw = msgspec.Raw()


_documents = msgspec.json.Decoder(_Document)


def with_integrity(source: bytes, verdict: ObjectVerdict) -> bytes | None:
    """A stored document with another `trail.integrity`; None where it is not written as we write
    it.

    >>> stored = b'{"a":1.10,"trail":{"object":"x","position":0,"integrity":"unverified"}}'
    >>> with_integrity(stored, "tampered")
    b'{"a":1.10,"trail":{"object":"x","position":0,"integrity":"tampered"}}'
    """
    try:
        trail = bytes(_documents.decode(source).trail)
    except msgspec.MsgspecError:
        return None
    begin = _BEGIN.match(trail)
    # The record may hold the same text, but before ours: what follows ours holds no object.
    at = source.rfind(b'"trail":' + trail)
    if begin is None or at < 0:
        return None
    first, last = (at + len(b'"trail":') + edge for edge in begin.span(1))
    return source[:first] + verdict.encode() + source[last:]


class EventMarker:
    """Marks the events of objects. Raises `ClusterError` and opensearch-py's exceptions."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._names = Names(settings.prefix)
        self.marked = 0
        """Events that were changed."""

    def mark(self, uri: str, verdict: ObjectVerdict) -> list[str]:
        """Mark all events of an object. Returns the indices whose events could not be marked, each
        with the reason: `cloudtrail-2025.03.01: read-only (3 events)`."""
        make_searchable(self._client, self._names.days)
        query = {
            "bool": {
                "filter": [{"terms": {"trail.object": list(names_in_events(uri))}}],
                "must_not": [{"term": {"trail.integrity": verdict}}],
            }
        }
        hits = EventIndex(self._client, self._names.days).documents(query, {"_source": False})
        refused: dict[tuple[str, str], int] = {}
        found = ((hit["_index"], hit["_id"]) for hit in hits)
        while targets := list(islice(found, _AT_ONCE)):
            for number in range(_TRIES):
                targets = self._write(targets, verdict, refused, last=number == _TRIES - 1)
                if not targets:
                    break
        return [
            *(
                f"{index}: {reason} ({plural(number, 'event')})"
                for (index, reason), number in sorted(refused.items())
            ),
            *self._closed(uri),
        ]

    def _write(
        self,
        targets: Sequence[Target],
        verdict: ObjectVerdict,
        refused: dict[tuple[str, str], int],
        *,
        last: bool,
    ) -> list[Target]:
        """Write documents with their new member. Returns those that another writer changed
        meanwhile."""
        lines: list[bytes] = []
        sent: list[Target] = []

        def refuse(target: Target, reason: str) -> None:
            key = target[0], reason
            refused[key] = refused.get(key, 0) + 1

        for target, found in zip(targets, raw_documents(self._client, targets), strict=True):
            if found.error is not None:
                refuse(target, "cannot be read")
                continue
            if not found.found:
                continue  # deleted since
            changed = with_integrity(bytes(found.source), verdict)
            if changed is None:
                refuse(target, "not in Trailhound's form")
                continue
            action: Mapping[str, Any] = {
                "index": {
                    "_index": target[0],
                    "_id": target[1],
                    "if_seq_no": found.seq_no,
                    "if_primary_term": found.primary_term,
                }
            }
            lines += [msgspec.json.encode(action), changed.replace(b"\n", b" ")]
            sent.append(target)
        if not sent:
            return []
        reply = replies.post_bulk(self._client, b"\n".join(lines) + b"\n")
        again: list[Target] = []
        for target, result in zip(sent, replies.read(reply, len(sent)), strict=True):
            match result.disposition:
                case replies.Disposition.INDEXED:
                    self.marked += 1
                case replies.Disposition.DAY_BLOCKED:
                    refuse(target, "read-only")
                case replies.Disposition.MISSING_INDEX:
                    pass  # deleted since
                case replies.Disposition.CONFLICT | replies.Disposition.RETRY if not last:
                    again.append(target)
                case _:
                    raise RequestFailedError(
                        f"the event {target[1]} of {target[0]} could not be marked: "
                        f"{result.reason}",
                        hint="see the cluster's health, then run the same command again",
                    )
        return again

    def _closed(self, uri: str) -> list[str]:
        """The closed days that may have events of the object: those of its folder and the days
        before, since events are delivered late."""
        place = place_of(uri)
        if place is None or place.span is None:
            return []
        day, last = place.span[0] - timedelta(days=1), place.span[1]
        closed: list[str] = []
        while day <= last and (last - day).days <= _DAYS:
            index = self._names.day(f"{day:%Y.%m.%d}")
            if index_state(self._client, index).closed:
                closed.append(f"{index}: closed")
            day += timedelta(days=1)
        return closed
