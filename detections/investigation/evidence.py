"""The evidence of edges of an activity graph: calls, outcomes, addresses, tools, times, and the
most significant events. It is read only for edges that are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from detections.events.index import SORT, EventIndex
from detections.incidents.actors import account_of, at
from detections.investigation.graph import ActivityGraph, Edge
from detections.investigation.nodes import Node, texts
from trailhound.batching import batched
from trailhound.cluster.queries import MOST_CLAUSES, Query, both, clauses, either

MOST_EVENTS: Final = 5
"""The most events named for an edge: those with the highest risk score, then the earliest."""
MOST_VALUES: Final = 20
"""The number of most frequent calls, addresses, tools, names and errors named for an edge."""
MOST_SPANS: Final = 120
"""The most spans into which the time of all edges is divided."""
_LENGTHS: Final = tuple(
    1_000 * seconds
    for seconds in (1, 10, 60, 300, 900, 3_600, 3 * 3_600, 6 * 3_600, 43_200, 86_400)
)
"""Possible lengths of such a span in milliseconds; longer ones are whole days."""
_SEARCHES: Final = 4
"""Searches in one request."""
_PACK: Final = 15
"""The most edges in one search; the fastest of 1, 5, 15 and 60."""
_FAILED: Final[Query] = {"term": {"event.outcome": "failure"}}
_NAMED: Final[Mapping[str, str]] = {
    "addresses": "sourceIPAddress",
    "user_agents": "userAgent",
    "principals": "user.name",
    "errors": "errorCode",
}
_SOURCE: Final = (
    *("eventName", "eventSource", "@timestamp", "event.outcome", "errorCode", "risk_score"),
    *("sourceIPAddress", "userAgent", "user.name", "awsRegion", "recipientAccountId"),
    *("userIdentity.accountId", "userIdentity.accessKeyId", "resource"),
)

Pair = tuple[Node, Node]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """One event of an edge. `time`: milliseconds since 1970."""

    id: str
    time: int
    call: str
    failed: bool
    error: str
    risk: int
    address: str
    agent: str
    principal: str
    account: str
    region: str
    key: str
    on: tuple[str, ...]


@dataclass(slots=True)
class CallCount:
    """All events of one call. Times are milliseconds since 1970."""

    count: int = 0
    failed: int = 0
    risk: int = 0
    first: int = 2**62
    last: int = 0


@dataclass(slots=True)
class SpanCount:
    """All events of one span of time; the highest risk score of those that succeeded or failed."""

    succeeded: int = 0
    failed: int = 0
    risk: int = 0
    failed_risk: int = 0


@dataclass(slots=True)
class EdgeEvidence:
    """The evidence of an edge. `calls` and `named` are the most frequent values; `more` is the
    number of events with other values or none. `spans`: by number of span."""

    calls: dict[str, CallCount] = field(default_factory=dict)
    named: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in _NAMED}
    )
    more: Counter[str] = field(default_factory=Counter)
    spans: dict[int, SpanCount] = field(default_factory=dict)
    events: list[NamedEvent] = field(default_factory=list)


@dataclass(slots=True)
class GraphEvidence:
    """The evidence of all edges. Span `n` begins at `start` + `n` × `length`, in milliseconds since
    1970."""

    edges: dict[Pair, EdgeEvidence] = field(default_factory=dict)
    start: int = 0
    length: int = _LENGTHS[0]
    spans: int = 0


def span_length(first: int, last: int) -> int:
    """The length in milliseconds of at most `MOST_SPANS` spans; a whole number of seconds, minutes,
    hours or days.

    >>> span_length(0, 30_000), span_length(0, 86_400_000), span_length(0, 400 * 86_400_000)
    (1000, 900000, 345600000)
    """
    for length in _LENGTHS:
        if last // length - first // length < MOST_SPANS:
            return length
    day = _LENGTHS[-1]
    days = 1
    while last // (day * days) - first // (day * days) >= MOST_SPANS:
        days += 1
    return day * days


def collect(
    index: EventIndex,
    graph: ActivityGraph,
    pairs: Sequence[Pair],
    span: Query | None = None,
    progress: Progress | None = None,
) -> GraphEvidence:
    """The evidence of these edges. `span`: the clause that the graph was built with. Raises
    `ClusterError`."""
    made = GraphEvidence()
    if not pairs:
        return made
    edges = {pair: graph.edge(*pair) for pair in pairs}
    first = min(edge.first for edge in edges.values())
    last = max(edge.last for edge in edges.values())
    made.length = span_length(first, last)
    made.start = first // made.length * made.length
    made.spans = last // made.length - first // made.length + 1
    made.edges = {pair: EdgeEvidence() for pair in pairs}
    limits = [span] if span else []
    asked = [
        (pair, {"bool": {"filter": [query, _between(edge)]}})
        # Edges of the same time together, so that a search covers few days.
        for pair, edge in sorted(edges.items(), key=lambda each: (each[1].first, each[1].last))
        for query in edge.every_query()
    ]
    done = 0
    for packs in batched(list(_packed(asked)), _SEARCHES):
        if progress is not None:
            progress("reading the evidence", done, len(asked))
        bodies = [_body([query for _, query in pack], limits, made.length) for pack in packs]
        for pack, reply in zip(packs, index.searches(bodies), strict=True):
            for place, (pair, _) in enumerate(pack):
                bucket = reply["aggregations"]["edges"]["buckets"][str(place)]
                _add(made, made.edges[pair], bucket)
        done += sum(map(len, packs))
    for each in made.edges.values():
        distinct = {event.id: event for event in each.events}
        each.events = sorted(
            distinct.values(), key=lambda event: (-event.risk, event.time, event.id)
        )[:MOST_EVENTS]
    return made


def _between(edge: Edge) -> Query:
    """The time of an edge as a clause, so that other days are not searched."""
    times = {"gte": edge.first, "lte": edge.last, "format": "epoch_millis"}
    return {"range": {"@timestamp": times}}


def _packed(asked: Sequence[tuple[Pair, Query]]) -> Iterator[list[tuple[Pair, Query]]]:
    """The edges in packs for one search each, since every search has to ask every day."""
    pack: list[tuple[Pair, Query]] = []
    held = 0
    for pair, query in asked:
        size = clauses(query)
        if pack and (held + size > MOST_CLAUSES or len(pack) == _PACK):
            yield pack
            pack, held = [], 0
        pack.append((pair, query))
        held += size
    if pack:
        yield pack


def _body(queries: Sequence[Query], limits: Sequence[Query], length: int) -> dict[str, Any]:
    risk = {"risk": {"max": {"field": "risk_score"}}}
    failed = {"failed": {"filter": _FAILED, "aggs": risk}}
    times = {
        "first": {"min": {"field": "@timestamp"}},
        "last": {"max": {"field": "@timestamp"}},
    }
    succeeded = {"succeeded": {"filter": {"bool": {"must_not": [_FAILED]}}, "aggs": risk}}
    of_each = {
        "calls": {
            "terms": {"field": "eventName", "size": MOST_VALUES},
            "aggs": {**failed, **risk, **times},
        },
        "spans": {
            "date_histogram": {
                "field": "@timestamp",
                "fixed_interval": f"{length}ms",
                "min_doc_count": 1,
            },
            "aggs": {**failed, **succeeded},
        },
        "events": {
            "top_hits": {
                "size": MOST_EVENTS,
                "sort": [{"risk_score": {"order": "desc", "missing": "_last"}}, *SORT],
                "_source": list(_SOURCE),
            }
        },
        **{name: {"terms": {"field": path, "size": MOST_VALUES}} for name, path in _NAMED.items()},
    }
    named = {str(place): query for place, query in enumerate(queries)}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": both(either(queries), *limits),
        "aggs": {"edges": {"filters": {"filters": named}, "aggs": of_each}},
    }


def _add(made: GraphEvidence, edge: EdgeEvidence, found: Mapping[str, Any]) -> None:
    total = int(found["doc_count"])
    for bucket in found["calls"]["buckets"]:
        call = edge.calls.setdefault(str(bucket["key"]), CallCount())
        call.count += bucket["doc_count"]
        call.failed += bucket["failed"]["doc_count"]
        call.risk = max(call.risk, _whole(bucket["risk"]))
        call.first = min(call.first, _whole(bucket["first"]))
        call.last = max(call.last, _whole(bucket["last"]))
    for bucket in found["spans"]["buckets"]:
        number = (int(bucket["key"]) - made.start) // made.length
        span = edge.spans.setdefault(number, SpanCount())
        span.succeeded += bucket["succeeded"]["doc_count"]
        span.failed += bucket["failed"]["doc_count"]
        span.risk = max(span.risk, _whole(bucket["succeeded"]["risk"]))
        span.failed_risk = max(span.failed_risk, _whole(bucket["failed"]["risk"]))
    for name in ("calls", *_NAMED):
        buckets = found[name]["buckets"]
        edge.more[name] += total - sum(each["doc_count"] for each in buckets)
        if name in edge.named:
            for each in buckets:
                edge.named[name][str(each["key"])] += each["doc_count"]
    edge.events += [_event(hit) for hit in found["events"]["hits"]["hits"]]


def _whole(metric: Mapping[str, Any]) -> int:
    return int(metric["value"] or 0)


def _event(hit: Mapping[str, Any]) -> NamedEvent:
    source = hit["_source"]
    leaves = source.get("resource")
    named = [
        value
        for leaf, values in sorted((leaves if isinstance(leaves, Mapping) else {}).items())
        if leaf != "arn"
        for value in texts(values)
    ]
    return NamedEvent(
        id=hit["_id"],
        time=int(hit["sort"][1]),
        call=at(source, "eventName"),
        failed=at(source, "event", "outcome") == "failure",
        error=at(source, "errorCode"),
        risk=int(source.get("risk_score") or 0),
        address=at(source, "sourceIPAddress"),
        agent=at(source, "userAgent"),
        principal=at(source, "user", "name"),
        account=account_of(source),
        region=at(source, "awsRegion"),
        key=at(source, "userIdentity", "accessKeyId"),
        on=tuple(dict.fromkeys(named)),
    )
