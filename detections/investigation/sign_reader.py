"""What the signs of a hunt are made from: whose events they are about, and the lead that the events
of a query give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from detections.events.identity import ARN, ISSUER, TYPE
from detections.events.index import EventIndex
from detections.investigation.lead import EVIDENCE, ActivityType, Lead
from detections.investigation.scoring import CALLS
from detections.span import moment
from trailhound.batching import batched
from trailhound.cluster.queries import Query

NO_SERVICE: Final[Query] = {"bool": {"must_not": [{"term": {"user_type": "aws_service"}}]}}
FAILED: Final[Query] = {"term": {"event.outcome": "failure"}}
SUCCEEDED: Final[Query] = {"term": {"event.outcome": "success"}}
TIMES: Final = {
    "first": {"min": {"field": "@timestamp"}},
    "last": {"max": {"field": "@timestamp"}},
}
ACTORS: Final[tuple[tuple[str, Query], ...]] = (
    (ISSUER, {"term": {TYPE: "AssumedRole"}}),
    (ARN, {"terms": {TYPE: ["IAMUser", "Root", "FederatedUser"]}}),
)
"""Kinds of actors: the field that identifies them, and the query for their events."""
_AT_ONCE: Final = 100
"""Signs whose events are read in one request."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a lead says, and the query for its events."""

    family: str
    pattern: str
    score: int
    who: str
    description: str
    query: Query
    activity: ActivityType = "user"

    def body(self) -> dict[str, Any]:
        """A search for its numbers, its calls and its first events."""
        return {
            "query": self.query,
            "size": EVIDENCE,
            "_source": False,
            "track_total_hits": True,
            "sort": [{"@timestamp": "asc"}],
            "aggs": {**TIMES, "calls": {"terms": {"field": "eventName", "size": CALLS}}},
        }

    def lead(self, reply: Mapping[str, Any]) -> Lead:
        """The lead, by the reply to `body`."""
        found = reply["aggregations"]
        return Lead(
            family=self.family,
            pattern=self.pattern,
            score=self.score,
            identifier=self.who,
            activity=self.activity,
            description=self.description,
            calls=tuple(str(each["key"]) for each in found["calls"]["buckets"]),
            count=reply["hits"]["total"]["value"],
            first=moment(int(found["first"]["value"])),
            last=moment(int(found["last"]["value"])),
            events=tuple(hit["_id"] for hit in reply["hits"]["hits"]),
        )


class SignReader:
    """Reads the events of signs. Raises `ClusterError`."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index

    def events(self, query: Query, name: str) -> Iterator[tuple[datetime, str]]:
        """The time of each event and its value of a field, from doc values."""
        for hit in self._index.documents(query, {"_source": False, "docvalue_fields": [name]}):
            values = hit.get("fields", {}).get(name) or [""]
            yield moment(int(hit["sort"][0])), str(values[0])

    def lead(
        self,
        family: str,
        pattern: str,
        score: int,
        who: str,
        description: str,
        query: Query,
        activity: ActivityType = "user",
    ) -> Lead:
        """A lead with its numbers, its calls and its first events."""
        sign = Sign(family, pattern, score, who, description, query, activity)
        return sign.lead(self._index.search(sign.body()))

    def leads(self, signs: Iterable[Sign]) -> Iterator[Lead]:
        """The leads of several signs, many in a request."""
        for part in batched(list(signs), _AT_ONCE):
            replies = self._index.searches([each.body() for each in part], few_days=True)
            yield from (each.lead(reply) for each, reply in zip(part, replies, strict=True))
