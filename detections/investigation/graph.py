"""The activity graph: who called what on which target, built from aggregations over the index.

A composite aggregation of each view of the events (`views.py`) gives its edges. An edge keeps the
views and keys that it came from, so that exactly its events can be queried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import networkx as nx

from detections.events.index import EventIndex
from detections.investigation.nodes import Node
from detections.investigation.views import CALL, OUTCOME, View, made_keys, occupied, views
from trailhound.batching import batched
from trailhound.cluster.queries import Query, both, either
from trailhound.cluster.snapshot import Snapshot


@dataclass(slots=True)
class Edge:
    """All events from one node to another. Times are milliseconds since 1970; `since` and `until`
    are those of successful events, None without any."""

    calls: dict[str, int] = field(default_factory=dict)
    succeeded_calls: set[str] = field(default_factory=set)
    count: int = 0
    failed: int = 0
    first: int = 0
    last: int = 0
    since: int | None = None
    until: int | None = None
    groups: list[tuple[View, tuple[str, ...]]] = field(default_factory=list)
    """The views and keys of successful events."""
    refused: list[tuple[View, tuple[str, ...]]] = field(default_factory=list)
    """The views and keys of failed events."""
    risk: int = 0
    """The highest risk score of its events; 0 if the graph was built without risk."""

    def add(self, bucket: Mapping[str, Any], view: View, values: tuple[str, ...]) -> None:
        """Add a group of events with the same call and outcome."""
        about = dict(zip(view.fields, values, strict=True))
        count = int(bucket["doc_count"])
        first, last = int(bucket["first"]["value"]), int(bucket["last"]["value"])
        self.first = min(self.first, first) if self.count else first
        self.last = max(self.last, last)
        self.count += count
        call = about[CALL]
        self.calls[call] = self.calls.get(call, 0) + count
        if "risk" in bucket:
            self.risk = max(self.risk, int(bucket["risk"]["value"] or 0))
        if about[OUTCOME] == "failure":
            self.failed += count
            self.refused.append((view, values))
            return
        self.succeeded_calls.add(call)
        self.since = first if self.since is None else min(self.since, first)
        self.until = last if self.until is None else max(self.until, last)
        self.groups.append((view, values))

    def query(self) -> list[Query]:
        """Queries for the successful events, each with a limited number of clauses."""
        return _queries(self.groups)

    def every_query(self) -> list[Query]:
        """Queries for all events; no event matches two of them."""
        return _queries([*self.groups, *self.refused], any_outcome=True)


_CLAUSES: Final = 20
"""Sets of groups in a query: each has at most 42 clauses, and an engine allows 1,024."""
_CALLS: Final = 500
"""The most calls in such a set."""


def _queries(
    groups: Sequence[tuple[View, tuple[str, ...]]], *, any_outcome: bool = False
) -> list[Query]:
    """Few queries for the events of groups; groups that differ only by call are one set."""
    sets: dict[tuple[int, tuple[str | None, ...]], tuple[View, dict[str, None]]] = {}
    for view, values in groups:
        left_open = {CALL, OUTCOME} if any_outcome else {CALL}
        others = tuple(
            None if name in left_open else value
            for name, value in zip(view.fields, values, strict=True)
        )
        _, calls = sets.setdefault((id(view), others), (view, {}))
        calls[values[view.fields.index(CALL)]] = None
    made = [
        view.event_query(others, part)
        for (_, others), (view, calls) in sets.items()
        for part in batched(sorted(calls), _CALLS)
    ]
    return [either(part) for part in batched(made, _CLAUSES)]


GROUPS: Final = 60_000
"""Groups in a page. Each page reads all events of its view; the engine allows 65,535 buckets."""


@dataclass(slots=True)
class ActivityGraph:
    """The graph: each edge of `graph` has an `Edge` under `edge`. `nameless`: the number of events
    without a source."""

    graph: nx.DiGraph[Node] = field(default_factory=nx.DiGraph)
    nameless: int = 0

    def edge(self, source: Node, target: Node) -> Edge:
        """The edge between two nodes. Raises `KeyError` if there is none."""
        found: Edge = self.graph.edges[source, target]["edge"]
        return found


def build(
    index: EventIndex,
    span: Query | None = None,
    *,
    keys: Sequence[str] = (),
    addresses: Sequence[str] = (),
    towards: Sequence[str] | None = None,
    risk: bool = False,
) -> ActivityGraph:
    """The graph of the events in a span. `keys` and `addresses` become nodes too; keys of users
    always are. `towards`: limits the nodes that never act (`s3:`, `ec2:`, `secret:`, `function:`,
    `resource:`) to those that these texts name, which is enough for paths to them; None for all.
    `risk`: edges get the risk score of their events. Raises `ClusterError`."""
    made = ActivityGraph()
    long_term: Sequence[str] | None = None
    if towards is not None:  # a path goes through a created key, or begins with a key
        long_term = sorted({*made_keys(index, span), *keys})
    limits = [span] if span else []
    if not index.count(limits[0] if limits else {"match_all": {}}):
        return made
    with index.snapshot() as snapshot:
        for view in occupied(snapshot, views(keys, addresses, towards, long_term), limits):
            nameless = _add(made, snapshot, view, both(view.where, *limits), risk=risk)
            made.nameless += 0 if view.other.kind in ("key", "ip") else nameless
    return made


def _add(made: ActivityGraph, snapshot: Snapshot, view: View, query: Query, *, risk: bool) -> int:
    """Adds the edges of a view. Returns the number of events without a source."""
    nameless = 0
    sources = [{name: {"terms": {"field": name, "missing_bucket": True}}} for name in view.fields]
    times = {
        "first": {"min": {"field": "@timestamp"}},
        "last": {"max": {"field": "@timestamp"}},
        **({"risk": {"max": {"field": "risk_score"}}} if risk else {}),
    }
    interned: dict[str, str] = {}
    for bucket in snapshot.buckets(query, sources, times):
        values = tuple(
            interned.setdefault(str(value or ""), str(value or ""))
            for value in bucket["key"].values()
        )
        about = dict(zip(view.fields, values, strict=True))
        source, target = view.ends(about)
        if source is None:
            nameless += int(bucket["doc_count"])
        if source is None or target is None:
            continue
        if not made.graph.has_edge(source, target):
            made.graph.add_edge(source, target, edge=Edge())
        made.edge(source, target).add(bucket, view, values)
    return nameless
