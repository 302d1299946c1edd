"""On which days a rule's hits are, and one of its events with who made the call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.compiled import REPAIRED, Compiled
from detections.events.counting import within
from detections.events.index import BY_DAY, EventIndex
from detections.events.matching import Matching
from detections.finding import Finding
from detections.span import Span
from trailhound.batching import batched
from trailhound.cluster.dialect import dialect_of

_AT_ONCE: Final = 500
_SHOWN: Final = ["@timestamp", "eventName", "user.name"]


@dataclass(frozen=True, slots=True)
class HitExample:
    """An event: its `_id`, its time (ISO 8601), the call, and who made it."""

    event: str
    time: str
    call: str
    principal: str

    def as_dict(self) -> dict[str, str]:
        return {
            "event": self.event,
            "time": self.time,
            "call": self.call,
            "principal": self.principal,
        }


@dataclass(slots=True)
class Hits:
    """Hits by UTC day (`2025-03-01`), and the `_id` of an event of the latest."""

    by_day: Counter[str] = field(default_factory=Counter)
    event: str = ""

    def add(self, other: Hits) -> None:
        """Those of a later time."""
        self.by_day.update(other.by_day)
        self.event = other.event or self.event

    def note(self, finding: Finding) -> None:
        """One more, of a rule that counts or compares."""
        self.by_day[f"{finding.first_seen:%Y-%m-%d}"] += 1
        self.event = finding.events[-1] if finding.events else self.event

    def busiest(self) -> str:
        """The day with the most, in words.

        >>> Hits(Counter({"2025-03-01": 2, "2025-03-03": 5})).busiest()
        '5 on 2025-03-03'
        """
        if not self.by_day:
            return ""
        day, most = min(self.by_day.items(), key=lambda each: (-each[1], each[0]))
        return f"{most:,} on {day}"


class HitDetails:
    """Reads them of one index. Methods raise `ClusterError` and opensearch-py's exceptions."""

    def __init__(self, client: OpenSearch, index: EventIndex) -> None:
        self._dialect = dialect_of(client)
        self._index = index

    def of(self, compiled: Compiled, span: Span) -> Hits:
        """Those of a plain rule in a span."""
        own = compiled.on(self._dialect)
        if own.post_filter is None:
            answer = self._index.search(
                {
                    "query": within(own.query, span),
                    "size": 1,
                    "_source": False,
                    "sort": [{"@timestamp": "desc"}],
                    "aggs": {"days": BY_DAY, "repaired": {"filter": REPAIRED}},
                }
            )
            found = answer["aggregations"]
            if not found["repaired"]["doc_count"]:
                return Hits(
                    Counter({_day(it["key"]): it["doc_count"] for it in found["days"]["buckets"]}),
                    "".join(hit["_id"] for hit in answer["hits"]["hits"]),
                )
        made = Hits()
        with self._index.snapshot(span.query()) as snapshot:
            for hit in Matching(snapshot, own).hits(span.query()):
                made.by_day[_day(hit["sort"][0])] += 1
                made.event = hit["_id"]
        return made

    def examples(self, events: Collection[str]) -> dict[str, HitExample]:
        """The events of these ids."""
        made: dict[str, HitExample] = {}
        for some in batched(sorted(events), _AT_ONCE):
            asked = {"query": {"ids": {"values": some}}, "size": len(some), "_source": _SHOWN}
            for hit in self._index.search(asked)["hits"]["hits"]:
                source: Mapping[str, Any] = hit["_source"]
                made[hit["_id"]] = HitExample(
                    event=hit["_id"],
                    time=str(source.get("@timestamp") or ""),
                    call=str(source.get("eventName") or ""),
                    principal=str((source.get("user") or {}).get("name") or ""),
                )
        return made


def _day(milliseconds: float) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"
