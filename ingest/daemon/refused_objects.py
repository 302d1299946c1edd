"""The last objects, as far as none of their events got in: the cluster refused all or nearly all
of them, or the object could not be read.

They are done: no source delivers them again, and a daemon that is started anew learns of them from
the ledger alone.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch

from ingest.counts import Counts
from ingest.deadletters.selection import LetterSelection
from ingest.deadletters.spool import Spool
from ingest.object_progress import MOST_CODES, ObjectProgress
from ingest.objects import TrailObject
from ingest.sources.layout import Place, place_of
from trailhound.cluster.queries import Query, both, either
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names
from trailhound.cluster.waiting import BLOCKED_CODES, WAITING
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState

_MANY = 3
"""So many objects in a row of which no event gets in are no single object's fault."""
_FEW = 9
"""Where so many events are refused for each that gets in, nearly all are."""
_UNREADABLE = "unreadable"
"""The code of objects that could not be read."""
_LATE = timedelta(days=2)
"""An object of an earlier day than these says nothing of the days on which events arrive."""
_REASON_SHOWN = 300
"""Characters of a dead letter's reason that are shown."""
_LOOKED_AT = 100
"""The last objects of the ledger that are looked at, and those whose names are known."""
_REMEMBERED = 10_000
"""Unreadable objects that are remembered."""
_NEWEST: Sequence[Mapping[str, Any]] = ({"finished_at": "desc"}, {"_seq_no": "desc"})
_SHOW: Query = {
    "bool": {
        "filter": [
            ObjectState.query(),
            {"terms": {"state": ["done", "failed"]}},
            {"exists": {"field": "finished_at"}},
            either(
                [
                    {"range": {"indexed": {"gt": 0}}},
                    {"range": {"dead_lettered": {"gt": 0}}},
                    {"term": {"state": "failed"}},
                ]
            ),
        ]
    }
}
"""Objects that may show whether events get in: all others say neither."""


def _gets_in(counts: Counts, *, unread: bool) -> bool | None:
    """Whether an object with these counts shows that events get in; None where it says neither, as
    one of duplicates does. `unread`: it could not be read to its end."""
    if counts.indexed * _FEW > counts.dead_lettered:
        return True
    if counts.duplicates or not (counts.dead_lettered or unread):
        return None
    return False


@dataclass(frozen=True, slots=True)
class Refusals:
    """What is known of refused objects: their names, which of them are `unread`, and the number and
    one reason of their dead letters, by code."""

    objects: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    unread_before: dict[str, str] = field(default_factory=dict)
    """The etags of all objects that could not be read when last tried, by name."""

    def add(self, uri: str, codes: Mapping[str, int], reasons: Mapping[str, str]) -> None:
        """Add an object; of very many, and of very many codes, only the counts grow."""
        if len(self.objects) < _LOOKED_AT:
            self.objects.add(uri)
            if _UNREADABLE in codes:
                self.unread.add(uri)
        for code, number in codes.items():
            if code in self.codes or len(self.codes) < MOST_CODES:
                self.codes[code] += number
                self.reasons[code] = reasons.get(code, "")[:_REASON_SHOWN]


_COUNTED = ("indexed", "duplicates", "dead_lettered")


def earlier_refusals(client: OpenSearch, settings: Settings) -> Refusals:
    """Those of the objects that were finished last, up to one of which an event was indexed.

    Objects whose dead letters were indexed, dismissed or deleted since are left out. Raises
    `ClusterError`.
    """
    names = Names(settings.prefix)
    ledger, letters = IndexReader(client, names.ledger), IndexReader(client, names.deadletter)
    ledger.refresh()
    newest = ledger.search(
        {
            "query": _SHOW,
            "sort": list(_NEWEST),
            "size": _LOOKED_AT,
            "_source": [
                *("uri", "etag", "finished_at", "failed_since", "state", "reason"),
                *_COUNTED,
            ],
        }
    )
    refused: dict[str, datetime] = {}
    unread: dict[str, str] = {}
    entries = [hit["_source"] for hit in newest.get("hits", {}).get("hits", ())]
    # One that is tried again without success is older than its last try.
    entries.sort(key=lambda it: it.get("failed_since") or it["finished_at"], reverse=True)
    before = {it["uri"]: it.get("etag") or "" for it in entries if it["state"] == "failed"}
    for entry in entries:
        failed = entry["state"] == "failed"
        counts = Counts(**{name: entry.get(name) or 0 for name in _COUNTED})
        gets_in = _gets_in(counts, unread=failed)
        if gets_in:
            break
        if gets_in is False and counts.dead_lettered:
            refused[entry["uri"]] = datetime.fromisoformat(entry["finished_at"])
        elif gets_in is False:
            unread[entry["uri"]] = entry.get("reason") or ""
    known = _counted(letters, refused) if refused else Refusals()
    known.unread_before.update(before)
    for uri, reason in unread.items():
        known.add(uri, {_UNREADABLE: 1}, {_UNREADABLE: reason})
    return known


def _waiting_for(client: OpenSearch, settings: Settings, objects: Sequence[str]) -> set[str]:
    """Those of the objects that have dead letters that wait, in the index or in the spool of this
    machine."""
    letters = IndexReader(client, Names(settings.prefix).deadletter)
    letters.refresh()
    asked = both({"terms": {"object": list(objects)}}, WAITING)
    counts = {"objects": {"terms": {"field": "object", "size": len(objects)}}}
    found = letters.search({"query": asked, "aggs": counts}).get("aggregations", {})
    buckets = found.get("objects", {}).get("buckets", ())
    waits = LetterSelection(dismissed=False).matches
    spooled = {str(each["object"]) for each in filter(waits, Spool(settings.spool).letters())}
    return {str(each["key"]) for each in buckets} | spooled.intersection(objects)


def _counted(letters: IndexReader, refused: Mapping[str, datetime]) -> Refusals:
    """The dead letters that are left of these objects, each with the time when it was finished."""
    by_code = {"codes": {"terms": {"field": "code", "size": MOST_CODES}}}
    objects = {"terms": {"field": "object", "size": len(refused)}, "aggs": by_code}
    letters.refresh()
    found = letters.search(
        {
            "query": both({"terms": {"object": list(refused)}}, WAITING),
            "aggs": {"objects": objects},
        }
    )
    known = Refusals()
    for each in found.get("aggregations", {}).get("objects", {}).get("buckets", ()):
        uri = each["key"]
        codes = {code["key"]: int(code["doc_count"]) for code in each["codes"]["buckets"]}
        if not _is_late(codes, place_of(TrailObject(uri, "", 0).path), refused[uri]):
            known.objects.add(uri)
            known.codes.update(codes)
    if known.objects:
        known.reasons.update(_reasons(letters, known))
    return known


def _reasons(letters: IndexReader, known: Refusals) -> dict[str, str]:
    """The reason of the latest dead letter of each code."""
    replies = letters.searches(
        [
            {
                "query": both(
                    {"terms": {"object": list(known.objects)}}, {"term": {"code": code}}, WAITING
                ),
                "sort": [{"at": "desc"}],
                "size": 1,
                "_source": ["reason"],
            }
            for code in known.codes
        ]
    )
    return {
        code: str(hit["_source"]["reason"])[:_REASON_SHOWN]
        for code, reply in zip(known.codes, replies, strict=True)
        for hit in reply["hits"]["hits"]
    }


def _is_late(codes: Collection[str], place: Place | None, read: datetime) -> bool:
    """Whether an object, read at that time, was delivered on a day before the last ones, as far as
    its name says, and its events wait for their days alone."""
    span = place.span if place is not None else None
    late = span is not None and span[1] < (read - _LATE).date()
    return late and {*codes} <= {*BLOCKED_CODES}


class RefusedObjects:
    """The last objects, as far as all or nearly all of their events became dead letters, or they
    could not be read. This lasts until an object's events are indexed, or their dead letters are
    dismissed or retried, and not for some time. An object of duplicates says neither, nor does a
    late one whose day takes no writes: the retention makes days read-only.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = Refusals()
        self._added = 0
        self._unread: dict[str, str] = {}
        """Objects that could not be read before, each with its etag: that one of them cannot be
        read again shows nothing."""

    def begin(self, earlier: Refusals) -> None:
        """Take over what earlier processes left. Called before an object is added."""
        with self._lock:
            self._known = earlier
            self._unread = dict(earlier.unread_before)

    def look_again(self, client: OpenSearch, settings: Settings) -> None:
        """Whether the dead letters still wait: others may have dismissed or retried them. Asks the
        cluster only while no event gets in. Raises `ClusterError` and `SpoolError`."""
        with self._lock:
            known, added = self._known, self._added
            objects = sorted(known.objects - known.unread)
            if len(known.objects) < _MANY or not objects:
                return
        wait = _waiting_for(client, settings, objects)
        if len(wait) + len(known.unread) >= _MANY:
            return
        earlier = earlier_refusals(client, settings)
        with self._lock:
            if self._added == added:
                self._known = earlier

    def add(self, run: ObjectProgress) -> None:
        """Add an object whose records all have an outcome."""
        with self._lock:
            self._added += 1
            unread = bool(run.fault) and not (run.retry or run.archived)
            gets_in = _gets_in(run.counts, unread=unread)
            if gets_in:
                self._known = Refusals()
            elif gets_in is None or run.retry:
                return
            elif not run.counts.dead_lettered:
                uri, etag = run.item.uri, run.item.etag
                if self._unread.get(uri) == etag:
                    return
                if len(self._unread) < _REMEMBERED:
                    self._unread[uri] = etag
                self._known.add(run.item.uri, {_UNREADABLE: 1}, {_UNREADABLE: run.fault})
            elif not _is_late(run.dead_codes, run.place, datetime.now(UTC)):
                self._known.add(run.item.uri, run.dead_codes, run.dead_reasons)

    @property
    def message(self) -> str:
        """How many objects could not be read and how many dead letters there were, with the most
        frequent reasons; empty for fewer than `_MANY` objects."""
        with self._lock:
            known = self._known
            if len(known.objects) < _MANY:
                return ""
            codes = Counter(known.codes)
            unread = codes.pop(_UNREADABLE, 0)
            found = []
            if unread:
                why = known.reasons.get(_UNREADABLE, "")
                found.append(f"{plural(unread, 'object')} could not be read: {why}")
            if codes:
                ((code, number),) = codes.most_common(1)
                found.append(
                    f"{plural(codes.total(), 'dead letter')}, most of all {code} "
                    f"({number:,}): {known.reasons.get(code, '')}"
                )
            return (
                f"no event gets in, or nearly none, of the last {_MANY} objects or more; "
                + "; ".join(found)
            )
