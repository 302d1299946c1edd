"""A subject of which there is no event: whether it is in the index at all, and what is near it."""

from __future__ import annotations

from typing import Final

from detections.events.identity import ISSUER_NAME, KEY, NAME, TYPE
from detections.events.index import EventIndex
from detections.investigation.nodes import KINDS, Node
from detections.investigation.paths import nearest
from detections.investigation.subject import Subject
from trailhound.cluster.queries import Query, either
from trailhound.errors import UsageError

_NAMES: Final[tuple[tuple[str, str, Query], ...]] = (
    ("user", NAME, {"term": {TYPE: "IAMUser"}}),
    ("user", "resource.user", {"match_all": {}}),
    ("role", ISSUER_NAME, {"match_all": {}}),
    ("s3", "resource.bucket", {"match_all": {}}),
    ("secret", "resource.secret", {"match_all": {}}),
    ("function", "resource.function", {"match_all": {}}),
    ("ec2", "resource.instance", {"match_all": {}}),
    ("key", KEY, {"match_all": {}}),
)
"""Kinds of names that are near, the field of each and its events."""
_MOST: Final = 2_000
"""Names of a kind that are compared, the most frequent."""


def check_known(index: EventIndex, subject: Subject) -> None:
    """Raises `UsageError` with the nearest names where no event of the index, of any time, is about
    the subject; `ClusterError`."""
    clauses = [each for each in (subject.did, subject.target, subject.evidence) if each]
    if clauses and index.count(either(clauses)):
        return
    kind, colon, name = subject.text.partition(":")
    if not colon or kind not in KINDS:
        kind, name = "", subject.text
    raise UsageError(
        f"no event is by, from, of or on {subject.text}", hint=nearest(_nodes(index), kind, name)
    )


def _nodes(index: EventIndex) -> list[Node]:
    bodies = [
        {
            "query": {"bool": {"filter": [query]}},
            "aggs": {"names": {"terms": {"field": name, "size": _MOST}}},
        }
        for _, name, query in _NAMES
    ]
    made = []
    for (kind, _, _), reply in zip(_NAMES, index.searches(bodies), strict=True):
        found = (reply.get("aggregations") or {"names": {"buckets": []}})["names"]["buckets"]
        made += [Node(kind, str(each["key"])) for each in found if each["key"]]
    return made
