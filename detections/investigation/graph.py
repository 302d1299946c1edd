"""The activity graph: who called what on which target, built from aggregations over the index.

The events are divided into views: by how their source is named, and by how their target is. Each
event is in one view, and a composite aggregation of its view gives its edges. An edge knows the
views and keys that it came from, so that its events can be asked for again exactly.

Beside the edges of calls there are those of credentials: a key, or an address that was asked for,
leads to whoever acted with it or from it, and a call that makes a key leads to the key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Final

import networkx as nx

from detections.events.identity import (
    ACCOUNT,
    ADDRESS,
    ARN,
    ISSUER,
    KEY,
    LONG_TERM,
    MADE_KEY,
    NAME,
    RECIPIENT,
    TYPE,
)
from detections.events.index import EventIndex, parts, terms
from detections.incidents.creations import ISSUING
from detections.investigation.nodes import (
    ACTORS,
    ANONYMOUS,
    ASSUMING,
    ROLE_ARN,
    TARGET_LEAVES,
    Node,
    actor_of_fields,
    node,
    of_role_arn,
)
from trailhound.cluster.queries import Query, any_of, either
from trailhound.cluster.reader import Snapshot

_CALL: Final = "eventName"
_OUTCOME: Final = "event.outcome"
_SERVICE: Final = either([{"term": {TYPE: "AWSService"}}, {"term": {"user_type": "aws_service"}}])
_BY_ISSUER: Final[Query] = {
    "bool": {
        "filter": [{"term": {TYPE: "AssumedRole"}}, {"prefix": {ISSUER: "arn:"}}],
        "must_not": [_SERVICE],
    }
}
_NAMELESS: Final[Query] = {
    "bool": {
        "should": [
            {"bool": {"must_not": [{"exists": {"field": NAME}}]}},
            {"term": {NAME: ""}},
            {"terms": {ACCOUNT: sorted(ANONYMOUS)}},
        ],
        "minimum_should_match": 1,
        "must_not": [_SERVICE, _BY_ISSUER],
    }
}
_NAMED: Final[Query] = {"bool": {"must_not": [_SERVICE, _BY_ISSUER, _NAMELESS]}}
_ASSUMES: Final[Query] = {
    "bool": {
        "filter": [
            {"term": {"eventSource": "sts.amazonaws.com"}},
            {"terms": {"eventName": list(ASSUMING)}},
            {"regexp": {"resource.arn": {"value": ROLE_ARN}}},
        ]
    }
}
_MAKES_KEY: Final[Query] = {
    "bool": {
        "filter": [
            {"term": {"eventSource": "iam.amazonaws.com"}},
            {"term": {"eventName": "CreateAccessKey"}},
        ]
    }
}

Values = Mapping[str, str]
Nodes = Callable[[Values], "Node | None"]


@dataclass(frozen=True, slots=True)
class _Side:
    """One way in which a source or a target is named: which events, by which fields, as what."""

    where: Query
    fields: tuple[str, ...]
    node: Nodes
    kind: str = ""
    """Of targets that never act: the kind of their nodes."""


@dataclass(frozen=True, slots=True)
class _View:
    """The events with one kind of source and one of target, and the fields that group them."""

    where: Query
    fields: tuple[str, ...]
    source: Nodes
    target: Nodes

    def event_query(self, values: Sequence[str | None], calls: Sequence[str]) -> Query:
        """The events of the groups of these values and any of these calls. A value of None is any,
        an empty one none."""
        clauses: list[Query] = [self.where]
        for name, value in zip(self.fields, values, strict=True):
            if name == _CALL:
                clauses.append(_has(name, calls))
            elif value is not None:
                clauses.append(_has(name, [value]))
        return {"bool": {"filter": clauses}}


def _has(name: str, values: Sequence[str]) -> Query:
    """A field with one of some values; an empty one is none."""
    named = [value for value in values if value]
    clauses: list[Query] = [{"terms": {name: named}}] if named else []
    if len(named) < len(values):
        clauses.append({"bool": {"must_not": [{"exists": {"field": name}}]}})
        clauses += [] if name == ADDRESS else [{"term": {name: ""}}]
    return either(clauses)


@dataclass(slots=True)
class Edge:
    """All events from one node to another. Times are milliseconds since 1970; `since` and `until`
    are of those that succeeded, None where none did."""

    calls: dict[str, int] = field(default_factory=dict)
    succeeded_calls: set[str] = field(default_factory=set)
    count: int = 0
    failed: int = 0
    first: int = 0
    last: int = 0
    since: int | None = None
    until: int | None = None
    groups: list[tuple[_View, tuple[str, ...]]] = field(default_factory=list)
    """Of those that succeeded, the views and keys by which they are found again."""
    refused: list[tuple[_View, tuple[str, ...]]] = field(default_factory=list)
    """The same of those that failed."""
    risk: int = 0
    """The highest risk score of its events; 0 where the graph was built without."""

    def add(self, bucket: Mapping[str, Any], view: _View, values: tuple[str, ...]) -> None:
        """One group of events of the same call and outcome."""
        about = dict(zip(view.fields, values, strict=True))
        count = int(bucket["doc_count"])
        first, last = int(bucket["first"]["value"]), int(bucket["last"]["value"])
        self.first = min(self.first, first) if self.count else first
        self.last = max(self.last, last)
        self.count += count
        call = about[_CALL]
        self.calls[call] = self.calls.get(call, 0) + count
        if "risk" in bucket:
            self.risk = max(self.risk, int(bucket["risk"]["value"] or 0))
        if about[_OUTCOME] == "failure":
            self.failed += count
            self.refused.append((view, values))
            return
        self.succeeded_calls.add(call)
        self.since = first if self.since is None else min(self.since, first)
        self.until = last if self.until is None else max(self.until, last)
        self.groups.append((view, values))

    def query(self) -> list[Query]:
        """The events that succeeded, as queries of not too many clauses each."""
        return _queries(self.groups)

    def every_query(self) -> list[Query]:
        """The same of all events; no event is in two of them."""
        return _queries([*self.groups, *self.refused], any_outcome=True)


_CLAUSES: Final = 20
"""Sets of groups of a query: each has at most 42 clauses, and an engine takes 1,024 in all."""
_CALLS: Final = 500
"""Calls of such a set: the longest list that is sent."""


def _queries(
    groups: Sequence[tuple[_View, tuple[str, ...]]], *, any_outcome: bool = False
) -> list[Query]:
    """The events of groups, as few queries: groups that differ by their call are one set."""
    sets: dict[tuple[int, tuple[str | None, ...]], tuple[_View, dict[str, None]]] = {}
    for view, values in groups:
        left_open = {_CALL, _OUTCOME} if any_outcome else {_CALL}
        others = tuple(
            None if name in left_open else value
            for name, value in zip(view.fields, values, strict=True)
        )
        _, calls = sets.setdefault((id(view), others), (view, {}))
        calls[values[view.fields.index(_CALL)]] = None
    made = [
        view.event_query(others, part)
        for (_, others), (view, calls) in sets.items()
        for part in parts(sorted(calls), _CALLS)
    ]
    return [either(part) for part in parts(made, _CLAUSES)]


@dataclass(slots=True)
class ActivityGraph:
    """`graph` has an `Edge` at each edge, under `edge`. `nameless`: events that name no source."""

    graph: nx.DiGraph[Node] = field(default_factory=nx.DiGraph)
    nameless: int = 0

    def edge(self, source: Node, target: Node) -> Edge:
        """The edge between two nodes. Raises `KeyError` where there is none."""
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
    """The graph of the events in a span. `keys` and `addresses` are nodes as well; keys of users
    always are. `towards`: of the nodes that never act (`s3:`, `ec2:`, `secret:`, `function:`,
    `resource:`) only those that these texts name, which is all that paths to them need; None for
    all. `risk`: edges have the risk score of their events. Raises `ClusterError`."""
    made = ActivityGraph()
    long_term: Sequence[str] | None = None
    if towards is not None:  # a path comes through a key that was made, or begins with one
        long_term = sorted({*_made_keys(index, span), *keys})
    calls = list(_call_views(towards))
    credentials = list(_credential_views(keys, addresses, long_term))
    limits = [span] if span else []
    queries: list[Query] = [
        {"bool": {"filter": [view.where, *limits]}} for view in (*calls, *credentials)
    ]
    with index.snapshot() as snapshot:
        # Most views are empty: all are asked in one request.
        asked = [{"size": 0, "query": each, "track_total_hits": 1} for each in queries]
        replies = snapshot.searches(asked)
        for number, (view, query) in enumerate(zip((*calls, *credentials), queries, strict=True)):
            if replies[number]["hits"]["total"]["value"]:
                nameless = _add(made, snapshot, view, query, risk=risk)
                made.nameless += nameless if number < len(calls) else 0
    return made


def _add(made: ActivityGraph, snapshot: Snapshot, view: _View, query: Query, *, risk: bool) -> int:
    """Adds a view's edges; how many of its events name no source."""
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
        source, target = view.source(about), view.target(about)
        if source is None:
            nameless += int(bucket["doc_count"])
        if source is None or target is None:
            continue
        if not made.graph.has_edge(source, target):
            made.graph.add_edge(source, target, edge=Edge())
        made.edge(source, target).add(bucket, view, values)
    return nameless


def _sources() -> list[_Side]:
    """Every event is of one of these."""

    def actor(about: Values) -> Node | None:
        return actor_of_fields(
            about.get(TYPE, "AssumedRole"),
            issuer=about.get(ISSUER, ""),
            arn=about.get(ARN, ""),
            account=about.get(ACCOUNT, ""),
            name=about.get(NAME, ""),
            address=about.get(ADDRESS, ""),
        )

    named = (TYPE, ARN, NAME, ACCOUNT)
    return [
        _Side(_BY_ISSUER, (ISSUER,), actor),
        _Side(_SERVICE, (), lambda about: node("service", about["eventSource"])),
        _Side(_NAMED, named, actor),
        _Side(_NAMELESS, (*named, ADDRESS), actor),
    ]


def _targets() -> list[_Side]:
    """Every event is of one of these; one that names several resources has several targets."""
    made = [_Side(_ASSUMES, ("resource.arn",), lambda about: _role(about["resource.arn"]))]
    for service, leaves in TARGET_LEAVES.items():
        earlier: list[Query] = []
        for leaf, kind in leaves:
            name = f"resource.{leaf}"
            there: Query = {"exists": {"field": name}}
            where: Query = {
                "bool": {
                    "filter": [{"term": {"eventSource": service}}, there],
                    "must_not": list(earlier),
                }
            }
            earlier.append(there)
            leaf_kind = "" if kind in ACTORS else kind
            made.append(_Side(where, (name, RECIPIENT), _named(name, kind), leaf_kind))
    others: Query = {"bool": {"must_not": [each.where for each in made]}}
    made.append(_Side(others, (), _other, "resource"))
    return made


def _narrowed(side: _Side, towards: Sequence[str]) -> _Side | None:
    """A target side with only the nodes that texts name; None where they name none of its kind."""
    if not side.kind:
        return side
    clauses: list[Query] = []
    for kind, _, rest in (each.strip().partition(":") for each in towards):
        if kind != side.kind:
            continue
        if kind == "resource":
            # A call that names no bucket is in this view under its own name, as all others.
            service, _, call = rest.rpartition(":")
            both = [any_of(service, ("eventSource",)), any_of(call, ("eventName",))]
            clauses.append({"bool": {"filter": both}})
            continue
        names = {rest, rest.rpartition("@")[0] if "@" in rest else rest}
        clauses += [any_of(name, (side.fields[0],)) for name in sorted(names)]
    if not clauses:
        return None
    return replace(side, where={"bool": {"filter": [side.where, either(clauses)]}})


def _named(name: str, kind: str) -> Nodes:
    def of(about: Values) -> Node | None:
        account = about[RECIPIENT] or about.get(ACCOUNT, "")
        return node(kind, about[name], account) if about[name] else _other(about)

    return of


def _other(about: Values) -> Node:
    return node("resource", f"{about['eventSource']}:{about['eventName']}")


def _role(arn: str) -> Node | None:
    """The role of its own ARN; the session's ARN, which the event has too, is no target."""
    return of_role_arn(arn) if re.fullmatch(ROLE_ARN, arn) else None


def _view(source: _Side, target: _Side, *more: Query) -> _View:
    fields = ("eventSource", _CALL, _OUTCOME, *source.fields, *target.fields)
    return _View(
        {"bool": {"filter": [source.where, target.where, *more]}},
        tuple(dict.fromkeys(fields)),
        source.node,
        target.node,
    )


def _call_views(towards: Sequence[str] | None) -> Iterable[_View]:
    targets = _targets()
    if towards is not None:
        targets = [made for each in targets if (made := _narrowed(each, towards)) is not None]
    for source, target in product(_sources(), targets):
        yield _view(source, target)


def _made_keys(index: EventIndex, span: Query | None) -> Iterable[str]:
    query: Query = {"bool": {"filter": [_MAKES_KEY, *([span] if span else [])]}}
    for bucket in index.buckets(query, [terms("key", MADE_KEY)]):
        yield str(bucket["key"]["key"])


def _credential_views(
    keys: Sequence[str], addresses: Sequence[str], long_term: Sequence[str] | None
) -> Iterable[_View]:
    """Edges of credentials: who made a key, and who acted with it or from an address. `long_term`:
    only the use of these keys; None for that of all keys of users."""
    asked = sorted({each for each in keys if not each.startswith("AKIA")})
    used: Query = either([LONG_TERM, {"terms": {KEY: asked}}]) if asked else LONG_TERM
    if long_term is not None:
        used = {"terms": {KEY: list(long_term)}}
    made = _MAKES_KEY
    if asked:
        issued = [{"terms": {"eventName": list(ISSUING)}}, {"terms": {MADE_KEY: asked}}]
        made = either([made, {"bool": {"filter": issued}}])
    key = _Side({"exists": {"field": MADE_KEY}}, (MADE_KEY,), _key(MADE_KEY))
    for source in _sources():
        yield _view(source, key, made)
        if source.where is _SERVICE:
            continue  # of a service's call the key is nobody's
        for where, name, of in (
            (used, KEY, _key(KEY)),
            ({"terms": {ADDRESS: sorted(addresses)}}, ADDRESS, _address),
        ):
            if name != ADDRESS or addresses:
                yield _view(_Side(where, (name,), of), source)


def _key(name: str) -> Nodes:
    return lambda about: node("key", about[name]) if about[name] else None


def _address(about: Values) -> Node | None:
    return node("ip", about[ADDRESS]) if about[ADDRESS] else None
