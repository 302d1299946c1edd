"""Signs of probing: calls that are refused until one succeeds, or of which many were tried."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

from detections.events.index import EventIndex, terms
from detections.investigation.lead import Lead
from detections.investigation.sign_reader import ACTORS, FAILED, SUCCEEDED, SignReader
from detections.span import Span, moment
from trailhound.cluster.queries import Query, both, either

WINDOW: Final = timedelta(hours=1)
FAILURES: Final = 3
"""The least number of failures of a call before a success, within `WINDOW`."""
MOST_SEQUENCES: Final = 500
"""The most pairs of principal and call whose events are read, those with the most failures."""
DENIED: Final = 10
"""The least number of different calls that are denied within `WINDOW`."""
_RANGES: Final = 500
"""The most time ranges in one query."""
_REFUSED: Final[Query] = either(
    [
        {"prefix": {"errorCode": "AccessDenied"}},
        {"wildcard": {"errorCode": {"value": "*UnauthorizedOperation"}}},
    ]
)
_DENIED: Final[Query] = either(
    [
        _REFUSED,
        {"bool": {"filter": [FAILED, {"term": {"eventSource": "signin.amazonaws.com"}}]}},
    ]
)
"""Denied calls and sign-ins. A missing object or a throttled call does not count."""


class Probing:
    """Finds probing in a span. Raises `ClusterError`."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self._read = SignReader(index)
        self.unread = 0
        """Pairs of principal and call beyond `MOST_SEQUENCES`, whose events were not read."""

    def failed_then_succeeded(self, span: Span) -> Iterator[Lead]:
        """At least `FAILURES` failures of a call by a principal, then a success, within
        `WINDOW`."""
        outcomes = {"denied": {"filter": _DENIED}, "succeeded": {"filter": SUCCEEDED}}
        candidates: list[tuple[int, str, str, str, Query]] = []
        for name, of in ACTORS:
            asked = both(span.query(), of)
            sources = [terms("call", "eventName"), terms("who", name)]
            for bucket in self._index.buckets(asked, sources, outcomes):
                tried, won = (bucket[each]["doc_count"] for each in ("denied", "succeeded"))
                if tried >= FAILURES and won:
                    who, call = str(bucket["key"]["who"]), str(bucket["key"]["call"])
                    candidates.append((tried, who, call, name, asked))
        candidates.sort(key=lambda each: (-each[0], *each[1:4]))
        self.unread += max(0, len(candidates) - MOST_SEQUENCES)
        chosen = candidates[:MOST_SEQUENCES]
        times = self._dense_refusals(chosen)
        for tried, who, call, name, asked in chosen:
            if not (ranges := times.get((name, who, call))):
                continue
            query = both(asked, {"term": {"eventName": call}}, {"term": {name: who}})
            decisive = both(query, either([_DENIED, SUCCEEDED]), either(_clauses(ranges)))
            recent: deque[datetime] = deque()
            for when, outcome in self._read.events(decisive, "event.outcome"):
                while recent and when - recent[0] > WINDOW:
                    recent.popleft()
                if outcome == "failure":
                    recent.append(when)
                elif len(recent) >= FAILURES:
                    others = f" ({tried:,} refusals in all)" if tried > len(recent) else ""
                    yield self._read.lead(
                        "sequence",
                        "failed_then_succeeded",
                        6,
                        who,
                        f"{call} was refused {len(recent):,} times, and then succeeded{others}",
                        both(query, either([_DENIED, SUCCEEDED]), *_clauses([(recent[0], when)])),
                    )
                    break

    def _dense_refusals(
        self, candidates: Sequence[tuple[int, str, str, str, Query]]
    ) -> dict[tuple[str, str, str], list[tuple[datetime, datetime]]]:
        """For each candidate (field, principal, call), the times in which a success may follow
        `FAILURES` failures: `WINDOW` from the first of failures that are near enough together.

        The failures of all candidates are read together; for most, nothing else has to be read.
        """
        made: dict[tuple[str, str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
        for name, of_field in groupby(sorted(candidates, key=itemgetter(3)), key=itemgetter(3)):
            part = list(of_field)
            recent: dict[tuple[str, str], deque[datetime]] = {
                (who, call): deque(maxlen=FAILURES) for _, who, call, _, _ in part
            }
            query = both(
                part[0][4],
                _DENIED,
                {"terms": {name: sorted({who for who, _ in recent})}},
                {"terms": {"eventName": sorted({call for _, call in recent})}},
            )
            asked = {"_source": False, "docvalue_fields": [name, "eventName"]}
            for hit in self._index.documents(query, asked):
                fields = hit.get("fields", {})
                who, call = (str((fields.get(each) or [""])[0]) for each in (name, "eventName"))
                times = recent.get((who, call))
                if times is None:
                    continue
                times.append(moment(int(hit["sort"][0])))
                if len(times) == FAILURES and times[-1] - times[0] <= WINDOW:
                    ranges = made[name, who, call]
                    since = times[0]
                    if ranges and since <= ranges[-1][1]:
                        since = ranges.pop()[0]
                    ranges.append((since, times[0] + WINDOW))
        return made

    def enumeration(self, span: Span) -> Iterator[Lead]:
        """At least `DENIED` different calls of a principal that are denied within `WINDOW`."""
        for name, of in ACTORS:
            asked = both(span.query(), of, _REFUSED)
            distinct = {"calls": {"cardinality": {"field": "eventName"}}}
            for bucket in self._index.buckets(asked, [terms("who", name)], distinct):
                # The engine's number is approximate, so candidates near the limit are read.
                if bucket["calls"]["value"] < DENIED * 0.8:
                    continue
                who = str(bucket["key"]["who"])
                query = both(asked, {"term": {name: who}})
                window: deque[tuple[datetime, str]] = deque()
                for when, call in self._read.events(query, "eventName"):
                    window.append((when, call))
                    while when - window[0][0] > WINDOW:
                        window.popleft()
                    different = {call for _, call in window}
                    if len(different) >= DENIED:
                        yield self._read.lead(
                            "enumeration",
                            "permission_enumeration",
                            7,
                            who,
                            f"{DENIED} or more different calls were denied within an hour",
                            query,
                        )
                        break


def _clauses(ranges: Sequence[tuple[datetime, datetime]]) -> list[Query]:
    """Time ranges as clauses; one clause that covers all, if there are too many."""
    few = ranges if len(ranges) <= _RANGES else [(ranges[0][0], ranges[-1][1])]
    return [
        {"range": {"@timestamp": {"gte": since.isoformat(), "lte": until.isoformat()}}}
        for since, until in few
    ]
