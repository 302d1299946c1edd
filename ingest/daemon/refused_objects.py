"""The last objects, as far as the cluster refused all of their events.

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

from ingest.object_progress import MOST_CODES, ObjectProgress
from ingest.objects import TrailObject
from ingest.sources.layout import Place, place_of
from trailhound.cluster.queries import Query, both, either
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names
from trailhound.cluster.waiting import BLOCKED_CODES
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState

_MANY = 3
"""So many objects in a row of which the cluster accepts no event are no single object's fault."""
_LATE = timedelta(days=2)
"""An object of an earlier day than these says nothing of the days on which events arrive."""
_REASON_SHOWN = 300
"""Characters of a dead letter's reason that are shown."""
_LOOKED_AT = 100
"""The last objects of the ledger that are looked at."""
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
                    {
                        "bool": {
                            "filter": [{"range": {"dead_lettered": {"gt": 0}}}],
                            "must_not": [{"range": {"duplicates": {"gt": 0}}}],
                        }
                    },
                ]
            ),
        ]
    }
}
"""Objects that show whether events get in: all others say neither."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """What is known of refused objects: their names, and the number and one reason of their dead
    letters, by code."""

    objects: set[str] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)


def earlier_refusals(client: OpenSearch, settings: Settings) -> Refusals:
    """Those of the objects that were finished last, up to one of which an event was indexed.

    Objects whose dead letters were indexed or deleted since are left out. Raises `ClusterError`.
    """
    names = Names(settings.prefix)
    ledger, letters = IndexReader(client, names.ledger), IndexReader(client, names.deadletter)
    ledger.refresh()
    newest = ledger.search(
        {
            "query": _SHOW,
            "sort": list(_NEWEST),
            "size": _LOOKED_AT,
            "_source": ["uri", "indexed", "finished_at"],
        }
    )
    refused: dict[str, datetime] = {}
    for hit in newest.get("hits", {}).get("hits", ()):
        if hit["_source"].get("indexed"):
            break
        refused[hit["_source"]["uri"]] = datetime.fromisoformat(hit["_source"]["finished_at"])
    return _counted(letters, refused) if refused else Refusals()


def _counted(letters: IndexReader, refused: Mapping[str, datetime]) -> Refusals:
    """The dead letters that are left of these objects, each with the time when it was finished."""
    by_code = {"codes": {"terms": {"field": "code", "size": MOST_CODES}}}
    objects = {"terms": {"field": "object", "size": len(refused)}, "aggs": by_code}
    letters.refresh()
    found = letters.search(
        {"query": {"terms": {"object": list(refused)}}, "aggs": {"objects": objects}}
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
                "query": both({"terms": {"object": list(known.objects)}}, {"term": {"code": code}}),
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
    """The last objects, as far as all of their events became dead letters. This lasts until an
    event is indexed, and not for some time. An object of duplicates says neither, nor does a late
    one whose day takes no writes: the retention makes days read-only.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = Refusals()

    def begin(self, earlier: Refusals) -> None:
        """Take over what earlier processes left. Called before an object is added."""
        with self._lock:
            self._known = earlier

    def add(self, run: ObjectProgress) -> None:
        """Add an object whose records all have an outcome."""
        with self._lock:
            known = self._known
            if run.counts.indexed:
                self._known = Refusals()
            elif (
                run.counts.dead_lettered
                and not run.counts.duplicates
                and not run.retry
                and not _is_late(run.dead_codes, run.place, datetime.now(UTC))
            ):
                if len(known.objects) < _MANY:
                    known.objects.add(run.item.uri)
                for code, number in run.dead_codes.items():
                    if code in known.codes or len(known.codes) < MOST_CODES:
                        known.codes[code] += number
                        known.reasons[code] = run.dead_reasons[code][:_REASON_SHOWN]

    @property
    def message(self) -> str:
        """How many dead letters there were, and the most frequent reason with its latest text;
        empty for fewer than `_MANY` objects."""
        with self._lock:
            known = self._known
            if len(known.objects) < _MANY:
                return ""
            ((code, number),) = known.codes.most_common(1)
            return (
                f"no event gets in: the last {_MANY} objects or more brought "
                f"{known.codes.total():,} dead letters and nothing else, most of all {code} "
                f"({number:,}): {known.reasons.get(code, '')}"
            )
