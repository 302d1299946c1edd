"""Finds out whether a subject without events is in the index at all, and suggests similar names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from detections.events.identity import (
    ISSUER_NAME,
    KEY,
    NAME,
    OF_IDENTITY_CENTER,
    RECIPIENT,
    TYPE,
)
from detections.events.index import EventIndex
from detections.events.selection import by_address, by_principal
from detections.incidents.creations import last_part
from detections.investigation.near_nodes import nearest
from detections.investigation.nodes import KINDS, Node
from detections.investigation.subject import Subject
from trailhound.cluster.queries import Query, any_of, both, either
from trailhound.errors import UsageError

_NAMES: Final[tuple[tuple[str, str, Query], ...]] = (
    ("user", NAME, {"term": {TYPE: "IAMUser"}}),
    ("user", NAME, OF_IDENTITY_CENTER),
    ("user", "resource.user", {"match_all": {}}),
    ("role", ISSUER_NAME, {"match_all": {}}),
    ("s3", "resource.bucket", {"match_all": {}}),
    ("secret", "resource.secret", {"match_all": {}}),
    ("function", "resource.function", {"match_all": {}}),
    ("ec2", "resource.instance", {"match_all": {}}),
    ("key", KEY, {"match_all": {}}),
)
"""Kinds of names that are suggested, with the field and the events of each."""
_NAMES_OF_EVENTS: Final = "see `trailhound events` for the names that events have"
_REGION: Final = "awsRegion"
_NAMED: Final = 20
"""The number of accounts or regions that are named, those with the most events."""
_MOST: Final = 2_000
"""The most names of a kind that are compared."""


def check_known(index: EventIndex, subject: Subject) -> None:
    """Raises `UsageError` with similar names if no event of the index, of any time, is about the
    subject; `ClusterError`."""
    clauses = [each for each in (subject.did, subject.target, subject.evidence) if each]
    if clauses and index.count(either(clauses)):
        return
    kind, colon, name = subject.text.partition(":")
    if not colon or kind not in KINDS:
        kind, name = "", subject.text
    raise UsageError(
        f"no event is by, from, of or on {subject.text}",
        hint=nearest(_nodes(index, name), kind, name),
    )


def unknown_node(index: EventIndex, known: Iterable[Node], text: str) -> UsageError:
    """The error for a node that no event has, with similar names. Raises `ClusterError`."""
    kind, _, name = text.strip().partition(":")
    nodes = {*known, *_nodes(index, name.rpartition("@")[0] or name)}
    return UsageError(f"there is no node {text}", hint=nearest(nodes, kind, name))


def check_values(
    index: EventIndex,
    *,
    principals: Iterable[str] = (),
    accounts: Iterable[str] = (),
    regions: Iterable[str] = (),
) -> None:
    """Raises the first of `unknown_values`. To be called when a search by them found nothing."""
    for error in unknown_values(index, principals=principals, accounts=accounts, regions=regions):
        raise error


def unknown_values(
    index: EventIndex,
    *,
    principals: Iterable[str] = (),
    accounts: Iterable[str] = (),
    regions: Iterable[str] = (),
) -> Iterator[UsageError]:
    """An error for each of these that no event of the index has, of any time, with similar names,
    or the accounts or regions that events have. Patterns are left out. Raises `ClusterError`."""
    for name in principals:
        if "*" not in name and not index.count(by_principal(name)):
            near = nearest(_nodes(index, name), "", name, unknown="")
            yield UsageError(f"no event is by {name}", hint=near or _NAMES_OF_EVENTS)
    for name in accounts:
        if "*" not in name and not index.count(any_of(name, (RECIPIENT, "trail.account"))):
            yield UsageError(f"no event is of the account {name}", hint=_there(index, RECIPIENT))
    for name in regions:
        if "*" not in name and not index.count(any_of(name, (_REGION,))):
            yield UsageError(f"no event is of the region {name}", hint=_there(index, _REGION))


def absent_addresses(index: EventIndex, addresses: Iterable[str]) -> list[str]:
    """A sentence for each address that no event of the index has, of any time. That is an answer,
    and no error: one looks up addresses that others reported. Raises `ClusterError`."""
    return [f"no event is from {each}" for each in addresses if not index.count(by_address(each))]


def _there(index: EventIndex, field: str) -> str:
    """The accounts or regions that have events."""
    aggs = {"values": {"terms": {"field": field, "size": _NAMED}}}
    reply = index.search({"query": {"match_all": {}}, "aggs": aggs})
    found = (reply.get("aggregations") or {"values": {"buckets": []}})["values"]
    there = ", ".join(str(each["key"]) for each in found["buckets"] if each["key"])
    if not there:
        return "the index has no events"
    return f"there are: {there}" + (" and others" if found.get("sum_other_doc_count") else "")


def _nodes(index: EventIndex, name: str) -> list[Node]:
    """Names that are spelled like a name or contain it, and the most frequent names. The suggestion
    is chosen among these."""
    bodies = []
    for _, field, query in _NAMES:
        fuzzy: Query = {"fuzzy": {field: {"value": name, "fuzziness": 2}}}
        alike = either([fuzzy, any_of(f"*{name}*", (field,))])
        for asked in (both(query, alike), both(query)):
            names = {"terms": {"field": field, "size": _MOST}}
            bodies.append({"query": asked, "track_total_hits": False, "aggs": {"names": names}})
    made: dict[Node, None] = {}
    kinds = [kind for kind, _, _ in _NAMES for _ in range(2)]
    for kind, reply in zip(kinds, index.searches(bodies), strict=True):
        found = (reply.get("aggregations") or {"names": {"buckets": []}})["names"]["buckets"]
        # Of a session of Identity Center the name is the last part: the person's.
        names_of_kind = (str(each["key"]) for each in found if each["key"])
        made |= {
            Node(kind, last_part(each) if kind == "user" else each): None for each in names_of_kind
        }
    return list(made)
