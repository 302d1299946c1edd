"""What the signs of a hunt are made from: whose events they are about, and the lead that the events
of a query give."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from detections.events.identity import ARN, ISSUER, TYPE
from detections.events.index import EventIndex
from detections.investigation.lead import EVIDENCE, ActivityType, Lead
from detections.investigation.scoring import CALLS
from detections.span import moment
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
        reply = self._index.search(
            {
                "query": query,
                "size": EVIDENCE,
                "_source": False,
                "sort": [{"@timestamp": "asc"}],
                "aggs": {**TIMES, "calls": {"terms": {"field": "eventName", "size": CALLS}}},
            }
        )
        found = reply["aggregations"]
        return Lead(
            family=family,
            pattern=pattern,
            score=score,
            identifier=who,
            activity=activity,
            description=description,
            calls=tuple(str(each["key"]) for each in found["calls"]["buckets"]),
            count=reply["hits"]["total"]["value"],
            first=moment(int(found["first"]["value"])),
            last=moment(int(found["last"]["value"])),
            events=tuple(hit["_id"] for hit in reply["hits"]["hits"]),
        )
