"""The facts about events that alerts need, read from the daily indices in batches."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.burst import FAILED, Fact, moment
from detections.alerts.text import one_line
from detections.events.index import EventIndex
from detections.finding import Finding
from detections.matcher.event_values import leaves
from trailhound.batching import batched
from trailhound.cluster.templates import Names

CALLS = 100
"""The number of most frequent calls in an alert."""
_AT_ONCE = 1_000
LONGEST_VALUE = 1_000
"""The most characters kept of an entity: callers choose names, of thousands of characters too."""
LONGEST_CALL = 128
"""The most characters kept of a call's name; AWS's names are shorter."""

FIELDS = (
    "@timestamp",
    "eventName",
    "errorCode",
    "event.outcome",
    "user.name",
    "userIdentity.arn",
    "userIdentity.accountId",
    "source.ip",
    "sourceIPAddress",
    "recipientAccountId",
    "trail.account",
    "awsRegion",
    "resource",
)


def read_facts(client: OpenSearch, names: Names, findings: Sequence[Finding]) -> dict[str, Fact]:
    """The facts of every event that findings name, by `_id`.

    An event that is gone (its day was deleted) is left out. Raises `ClusterError`.
    """
    facts: dict[str, Fact] = {}
    for part in _parts(findings):
        events = sorted({event for finding in part for event in finding.events})
        since = min(finding.first_seen for finding in part)
        until = max(finding.last_seen for finding in part)
        for ids in batched(events, _AT_ONCE):
            facts |= _read(client, names.days, ids, since, until)
    return facts


def _parts(findings: Sequence[Finding]) -> Iterator[list[Finding]]:
    """The findings in parts for one request each. Neighbours in time are together, so that each
    request searches few days."""
    part: list[Finding] = []
    events = 0
    for finding in sorted(findings, key=lambda each: each.first_seen):
        if part and events + len(finding.events) > _AT_ONCE:
            yield part
            part, events = [], 0
        part.append(finding)
        events += len(finding.events)
    if part:
        yield part


def _read(
    client: OpenSearch, index: str, events: list[str], since: datetime, until: datetime
) -> dict[str, Fact]:
    when = {"gte": moment(since).isoformat(), "lte": until.isoformat()}
    query = {"bool": {"filter": [{"ids": {"values": events}}, {"range": {"@timestamp": when}}]}}
    facts: dict[str, Fact] = {}
    for hit in EventIndex(client, index).documents(query, {"_source": list(FIELDS)}):
        # The same `_id` may be in several days: one is the event, the others are forged.
        facts.setdefault(hit["_id"], fact_of(hit["_source"]))
    return facts


def fact_of(source: Mapping[str, Any]) -> Fact:
    """The facts of one event, of which `FIELDS` are read."""
    address = _at(source, "source.ip") or _at(source, "sourceIPAddress")
    entities = {
        "principal": _texts([_at(source, "user.name")]),
        "arn": _texts([_at(source, "userIdentity.arn")]),
        "address": frozenset(text for text in _texts([address]) if _is_address(text)),
        "account": _texts(
            [
                _at(source, "recipientAccountId") or _at(source, "userIdentity.accountId"),
                _at(source, "trail.account"),
            ]
        ),
        "region": _texts([_at(source, "awsRegion")]),
        "resource": _texts(leaves(source.get("resource"))),
    }
    time = datetime.fromisoformat(str(source["@timestamp"]))
    return Fact(
        moment(time),
        {kind: values for kind, values in entities.items() if values},
        next(iter(_texts([_at(source, "eventName")])), "")[:LONGEST_CALL],
        _failed(source),
    )


def _failed(source: Mapping[str, Any]) -> bool | None:
    """Whether the call failed; None if the event does not say."""
    failed = FAILED.get(str(_at(source, "event.outcome")))
    return True if failed is None and source.get("errorCode") else failed


def _at(source: Mapping[str, Any], path: str) -> Any:
    found: Any = source
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _texts(values: Iterable[Any]) -> frozenset[str]:
    return frozenset(
        one_line(value, LONGEST_VALUE) for value in values if isinstance(value, str) and value
    )


def _is_address(text: str) -> bool:
    """Whether a field of type `ip` accepts the text."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
