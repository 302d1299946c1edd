"""Views of the events: by how their source and their target are named.

Each event is in one view of calls, and a composite aggregation of each view groups its events.
Further views are about credentials: a key or a requested address leads to those who acted with it
or from it, and a call that creates a key leads to the key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

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
from detections.events.index import EventIndex, terms
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
from trailhound.cluster.queries import Query, any_of, both, either
from trailhound.cluster.snapshot import Snapshot

CALL: Final = "eventName"
OUTCOME: Final = "event.outcome"
_STS: Final = "sts.amazonaws.com"
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
            {"term": {"eventSource": _STS}},
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
Clauses = Callable[[Values], "list[Query]"]


def _always(*clauses: Query) -> Clauses:
    """A value that is the same for all groups."""
    return lambda _: list(clauses)


_NOTHING: Final = _always()


@dataclass(frozen=True, slots=True)
class Side:
    """A way in which a source or target is named: a query for the events, the fields, the node."""

    where: Query
    fields: tuple[str, ...]
    node: Nodes
    kind: str = ""
    """The kind of node, for targets that never act and for credentials."""
    beyond: Clauses = _NOTHING
    """The part of `where` that does not follow from a group's values, call and service. Looking up
    events by values is cheap; the patterns of `where` would be expanded in every shard."""


@dataclass(frozen=True, slots=True)
class View:
    """The events with a kind of actor and a kind of target or credential, and the fields that group
    them. A credential `leads` to the actor."""

    actor: Side
    other: Side
    leads: bool = False

    @property
    def where(self) -> Query:
        """The query for the events of the view."""
        return both(self.actor.where, self.other.where)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that group the events."""
        first, second = (self.other, self.actor) if self.leads else (self.actor, self.other)
        fields = ("eventSource", CALL, OUTCOME, *first.fields, *second.fields)
        return tuple(dict.fromkeys(fields))

    def ends(self, about: Values) -> tuple[Node | None, Node | None]:
        """The source and the target of a group."""
        found = self.actor.node(about), self.other.node(about)
        return found[::-1] if self.leads else found

    def event_query(self, values: Sequence[str | None], calls: Sequence[str]) -> Query:
        """A query for the events of groups with these values and any of these calls, which belong
        to one service. None stands for any value, an empty text for no value."""
        about = {**dict(zip(self.fields, values, strict=True)), CALL: calls[0]}
        known = {name: value or "" for name, value in about.items()}
        clauses: list[Query] = [*self.actor.beyond(known), *self.other.beyond(known)]
        for name, value in about.items():
            if name == CALL:
                clauses.append(_has(name, calls))
            elif value is not None:
                clauses.append(_has(name, [value]))
        return {"bool": {"filter": clauses}}


def _has(name: str, values: Sequence[str]) -> Query:
    """A clause for a field with one of these values; an empty text stands for no value."""
    found = [value for value in values if value]
    clauses: list[Query] = [{"terms": {name: found}}] if found else []
    if len(found) < len(values):
        clauses.append({"bool": {"must_not": [{"exists": {"field": name}}]}})
        clauses += [] if name == ADDRESS else [{"term": {name: ""}}]
    return either(clauses)


def views(
    keys: Sequence[str],
    addresses: Sequence[str],
    towards: Sequence[str] | None,
    long_term: Sequence[str] | None,
) -> list[View]:
    """All views. `towards`: limits targets that never act to those that these texts name; None for
    all. `long_term`: limits the use of keys to these; None for all keys of users."""
    targets = _targets()
    if towards is not None:
        targets = [few for each in targets if (few := _narrowed(each, towards)) is not None]
    sources = _sources()
    made = [View(source, target) for source in sources for target in targets]
    return [*made, *_credentials(sources, keys, addresses, long_term)]


def occupied(snapshot: Snapshot, every: Sequence[View], limits: Sequence[Query]) -> list[View]:
    """The views that have events, which are few. One search finds out, at the cost of one view."""
    sides = {id(view.other): view.other for view in every}
    actors = {id(view.actor): view.actor for view in every}
    nested: dict[str, Any] = {
        "by": {"filters": {"filters": {str(name): side.where for name, side in actors.items()}}}
    }
    reply = snapshot.search(
        both(either([side.where for side in sides.values()]), *limits),
        track_total_hits=False,
        aggs={
            "on": {
                "filters": {"filters": {str(name): side.where for name, side in sides.items()}},
                "aggs": nested,
            }
        },
    )
    found = reply["aggregations"]["on"]["buckets"]
    return [
        view
        for view in every
        if found[str(id(view.other))]["by"]["buckets"][str(id(view.actor))]["doc_count"]
    ]


def nodes_of(
    index: EventIndex,
    span: Query | None,
    *,
    did: Query | None,
    target: Query | None,
) -> set[Node]:
    """The nodes of events: who made those of `did`, with which keys and from which addresses, and
    what those of `target` are about."""
    made: set[Node] = set()
    limits = [span] if span else []
    credentials = [
        Side({"exists": {"field": KEY}}, (KEY,), _key(KEY)),
        Side({"exists": {"field": ADDRESS}}, (ADDRESS,), _address),
    ]
    asked = [(did, each) for each in (*_sources(), *credentials)]
    keys = Side({"exists": {"field": MADE_KEY}}, (MADE_KEY,), _key(MADE_KEY))
    asked += [(target, each) for each in (*_targets(), keys)]
    for query, side in asked:
        if query is None:
            continue
        fields = dict.fromkeys(("eventSource", "eventName", *side.fields))
        if side.kind != "resource" and side.fields:
            del fields["eventName"]
        sources = [{name: {"terms": {"field": name, "missing_bucket": True}}} for name in fields]
        for bucket in index.buckets(both(query, side.where, *limits), sources):
            about = {name: str(value or "") for name, value in bucket["key"].items()}
            if (found := side.node({"eventName": "", ACCOUNT: "", **about})) is not None:
                made.add(found)
    return made


def made_keys(index: EventIndex, span: Query | None) -> Iterator[str]:
    """The keys of users that were created in a span."""
    for bucket in index.buckets(
        both(_MAKES_KEY, *([span] if span else [])), [terms("key", MADE_KEY)]
    ):
        yield str(bucket["key"]["key"])


def _sources() -> list[Side]:
    """The kinds of sources; every event has exactly one."""

    def actor(about: Values) -> Node | None:
        return actor_of_fields(
            about.get(TYPE, "AssumedRole"),
            issuer=about.get(ISSUER, ""),
            arn=about.get(ARN, ""),
            account=about.get(ACCOUNT, ""),
            name=about.get(NAME, ""),
            address=about.get(ADDRESS, ""),
        )

    not_service: Query = {"bool": {"must_not": [_SERVICE]}}
    not_issued: Query = {"bool": {"must_not": [_BY_ISSUER]}}
    assumed: Query = {"term": {TYPE: "AssumedRole"}}
    named = (TYPE, ARN, NAME, ACCOUNT)
    return [
        Side(_BY_ISSUER, (ISSUER,), actor, beyond=_always(assumed, not_service)),
        Side(
            _SERVICE,
            (),
            lambda about: node("service", about["eventSource"]),
            beyond=_always(_SERVICE),
        ),
        Side(
            _NAMED,
            named,
            actor,
            beyond=lambda about: [
                not_service,
                *([not_issued] if about[TYPE] == "AssumedRole" else []),
            ],
        ),
        Side(_NAMELESS, (*named, ADDRESS), actor, beyond=_always(_NAMELESS)),
    ]


def _targets() -> list[Side]:
    """The kinds of targets; every event has one kind, but several targets if it names several
    resources."""
    made = [Side(_ASSUMES, ("resource.arn",), lambda about: _role(about["resource.arn"]))]
    of_service: dict[str, list[Query]] = {_STS: [_ASSUMES]}
    for service, leaves in TARGET_LEAVES.items():
        earlier: list[Query] = []
        for leaf, kind in leaves:
            name = f"resource.{leaf}"
            there: Query = {"exists": {"field": name}}
            before = [{"bool": {"must_not": list(earlier)}}] if earlier else []
            where = both({"term": {"eventSource": service}}, there, *before)
            earlier.append(there)
            made.append(
                Side(
                    where,
                    (name, RECIPIENT),
                    _named(name, kind),
                    "" if kind in ACTORS else kind,
                    beyond=_always(*before),
                )
            )
        of_service[service] = [{"bool": {"should": earlier, "minimum_should_match": 1}}]
    others: Query = {"bool": {"must_not": [each.where for each in made]}}

    def unnamed(about: Values) -> list[Query]:
        named = of_service.get(about["eventSource"], [])
        return [{"bool": {"must_not": named}}] if named else []

    made.append(Side(others, (), _other, "resource", beyond=unnamed))
    return made


def _narrowed(side: Side, towards: Sequence[str]) -> Side | None:
    """A kind of targets limited to the nodes that texts name; None if they name none of its
    kind."""
    if not side.kind:
        return side
    clauses: list[Query] = []
    for kind, _, rest in (each.strip().partition(":") for each in towards):
        if kind != side.kind:
            continue
        if kind == "resource":
            # A call without a bucket is in this view under its own name, like all other calls.
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
    """The role of a role's ARN; the session's ARN, which events have too, is not a target."""
    return of_role_arn(arn) if re.fullmatch(ROLE_ARN, arn) else None


def _credentials(
    sources: Sequence[Side],
    keys: Sequence[str],
    addresses: Sequence[str],
    long_term: Sequence[str] | None,
) -> Iterator[View]:
    """The views of credentials: who created a key, and who acted with it or from an address."""
    asked = sorted({each for each in keys if not each.startswith("AKIA")})
    used: Query = either([LONG_TERM, {"terms": {KEY: asked}}]) if asked else LONG_TERM
    if long_term is not None:
        used = {"terms": {KEY: list(long_term)}}
    made = _MAKES_KEY
    if asked:
        issued = [{"terms": {"eventName": list(ISSUING)}}, {"terms": {MADE_KEY: asked}}]
        made = either([made, {"bool": {"filter": issued}}])
    key = Side(both({"exists": {"field": MADE_KEY}}, made), (MADE_KEY,), _key(MADE_KEY), "key")
    using = Side(used, (KEY,), _key(KEY), "key")
    here = Side({"terms": {ADDRESS: sorted(addresses)}}, (ADDRESS,), _address, "ip")
    for source in sources:
        yield View(source, key)
        if source.where is _SERVICE:
            continue  # the key of a service's call belongs to no principal
        yield View(source, using, leads=True)
        if addresses:
            yield View(source, here, leads=True)


def _key(name: str) -> Nodes:
    return lambda about: node("key", about[name]) if about[name] else None


def _address(about: Values) -> Node | None:
    return node("ip", about[ADDRESS]) if about[ADDRESS] else None
