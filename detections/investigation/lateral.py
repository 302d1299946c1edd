"""Lateral movement, by address as defined, and by the real chains of roles: sessions opened one
with another's credentials, of any length, across accounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from detections.alerts.document import stamp
from detections.events.identity import ADDRESS, MADE_KEY, TYPE
from detections.events.index import EventIndex, terms
from detections.events.light import Mapped
from detections.incidents.actors import at
from detections.incidents.creations import ISSUING
from detections.investigation.nodes import of_role_arn, target_nodes, texts
from detections.investigation.sessions import FIELDS, Hop, Sessions, session_of
from detections.span import moment
from trailhound.cluster.queries import Query, both

MOST_CALLS: Final = 100
"""The most calls named for an address."""
MOST_CHAINED: Final = 20_000
"""The most calls with a session's credentials that are read for chains."""
_LEAST: Final = 3
"""The least number of successful AssumeRole calls from an address: more than two."""
_FIELDS: Final = (*FIELDS, "@timestamp", "eventName", "event.outcome", "resource")
_SUCCEEDED: Final[Query] = {"term": {"event.outcome": "success"}}
_REFUSED: Final[Query] = {"term": {"event.outcome": "failure"}}


@dataclass(slots=True)
class Movement:
    """The successful AssumeRole calls of an address. `roles` has the role of each call; `refused`
    is the number of failed calls."""

    address: str
    count: int
    roles: list[str]
    timeline: list[dict[str, str]]
    refused: int = 0

    @property
    def risk(self) -> int:
        """2 for each call, at most 10."""
        return min(2 * self.count, 10)

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "type": "lateral_movement",
            "source_ip": self.address,
            "role_chain": self.roles,
            "timeline": self.timeline,
            "risk_score": self.risk,
            "count": self.count,
            "refused": self.refused,
        }


@dataclass(slots=True)
class RoleChain:
    """A chain of sessions, each opened with the credentials of the one before, from the first actor
    to the last role."""

    origin: str
    traced: bool
    roles: tuple[str, ...]
    hops: tuple[Hop, ...]
    count: int = 1
    """How often it happened, through the same roles."""
    first: str = ""
    last: str = ""

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "type": "role_chain",
            "origin": self.origin,
            "traced": self.traced,
            "role_chain": list(self.roles),
            "count": self.count,
            "first_seen": self.first,
            "last_seen": self.last,
            "timeline": [hop.as_json() for hop in self.hops],
        }


@dataclass(slots=True)
class Lateral:
    """The result. `more`: the number of chained calls beyond `MOST_CHAINED`, which were not read.
    `total_movements` and `total_chains` include those beyond the limit."""

    movements: list[Movement] = field(default_factory=list)
    chains: list[RoleChain] = field(default_factory=list)
    more: int = 0
    total_movements: int = 0
    total_chains: int = 0


def lateral(index: EventIndex, span: Query | None = None, limit: int | None = None) -> Lateral:
    """The lateral movement in a span, the highest score and the longest chain first; at most
    `limit` of each kind. Raises `ClusterError`."""
    made = Lateral()
    limits = [span] if span else []
    found = sorted(_counted(index, limits), key=lambda each: (-each[1], each[0]))
    made.total_movements = len(found)
    made.movements = [_movement(index, limits, *each) for each in found[:limit]]
    chains, made.more = _chains(index, limits)
    made.total_chains = len(chains)
    made.chains = chains[:limit]
    return made


def _counted(index: EventIndex, span: list[Query]) -> Iterator[tuple[str, int, int]]:
    """Each address (AWS services have none) that assumed roles more than twice, with the numbers of
    successful and of failed calls."""
    asked: Query = {"bool": {"filter": [{"term": {"eventName": "AssumeRole"}}, *span]}}
    outcomes = {"succeeded": {"filter": _SUCCEEDED}, "refused": {"filter": _REFUSED}}
    for bucket in index.buckets(asked, [terms("address", ADDRESS)], outcomes):
        succeeded, refused = (bucket[each]["doc_count"] for each in outcomes)
        if succeeded >= _LEAST:
            yield str(bucket["key"]["address"]), succeeded, refused


def _movement(
    index: EventIndex, span: list[Query], address: str, succeeded: int, refused: int
) -> Movement:
    own = both({"term": {"eventName": "AssumeRole"}}, _SUCCEEDED, {"term": {ADDRESS: address}})
    roles, timeline = [], []
    for hit in index.documents(both(own, *span), {"_source": Mapped(_FIELDS)}, limit=MOST_CALLS):
        source = hit["_source"]
        # A call without the ARN of its role leads to no role.
        role = next((each.full for each in target_nodes(source) if each.kind == "role"), "")
        roles += [role] if role else []
        timeline.append(
            {
                "time": stamp(moment(int(hit["sort"][0]))),
                "event": hit["_id"],
                "principal": at(source, "user", "name"),
                "role": role,
                "outcome": at(source, "event", "outcome"),
            }
        )
    return Movement(address, succeeded, roles, timeline, refused)


def _chains(index: EventIndex, span: list[Query]) -> tuple[list[RoleChain], int]:
    asked: Query = {
        "bool": {
            "filter": [
                {"terms": {"eventName": list(ISSUING)}},
                _SUCCEEDED,
                {"term": {TYPE: "AssumedRole"}},
                {"exists": {"field": MADE_KEY}},
                *span,
            ]
        }
    }
    total = index.count(asked)
    hits = list(index.documents(asked, {"_source": Mapped(_FIELDS)}, limit=MOST_CHAINED))
    traces = Sessions(index).trace(hit["_source"] for hit in hits)
    ends: dict[str, tuple[Hop, ...]] = {}
    about: dict[str, tuple[str, bool]] = {}
    for hit in hits:
        session = session_of(hit["_source"])
        if session is None or not (trace := traces[session]).hops:
            continue
        for key in texts((hit["_source"].get("resource") or {}).get("access_key")):
            last = _last_hop(hit, key, trace.hops[-1])
            ends[key] = (*trace.hops, last)
            about[key] = (trace.origin.full, trace.traced)
    inner = {hop.key for hops in ends.values() for hop in hops[:-1]}
    made: dict[tuple[str, tuple[str, ...]], RoleChain] = {}
    for key, hops in sorted(ends.items(), key=lambda each: (each[1][0].time, each[0])):
        if key in inner:
            continue
        origin, traced = about[key]
        roles = tuple(_role(hop) for hop in hops)
        known = made.get((origin, roles))
        if known is None:
            made[origin, roles] = RoleChain(
                origin, traced, roles, hops, first=hops[0].time, last=hops[-1].time
            )
        else:
            known.count += 1
            known.last = max(known.last, hops[-1].time)
    chains = sorted(made.values(), key=lambda it: (-len(it.roles), it.first, it.roles))
    return chains, total - len(hits)


def _last_hop(hit: Mapping[str, Any], key: str, before: Hop) -> Hop:
    source = hit["_source"]
    leaves = source.get("resource") or {}
    to = next((each for each in texts(leaves.get("arn")) if ":assumed-role/" in each), "")
    by = of_role_arn(before.to) or before.by
    return Hop(
        event=hit["_id"],
        time=str(source["@timestamp"]),
        call=at(source, "eventName"),
        account=at(source, "recipientAccountId"),
        by=by,
        to=to,
        key=key,
    )


def _role(hop: Hop) -> str:
    role = of_role_arn(hop.to)
    return role.full if role else hop.to or hop.call
