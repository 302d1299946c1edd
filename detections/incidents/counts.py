"""Searches that count who shares an address or a role, and what a key or role makes by habit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from detections.events.identity import ARN, ISSUER, KEY, NAME
from detections.events.principal import HAS_ARN, OF_ROLE_SESSIONS
from detections.incidents.acting import AT_ONCE, GIVING, WORKLOADS
from detections.incidents.creations import CREATED, ISSUING, LEAVES
from trailhound.cluster.queries import Query, both, either

_MADE_BEFORE: Final = timedelta(days=7)
"""How long before an alert is counted what its keys and roles made: one that deploys does so
again."""
_BURST: Final = timedelta(hours=12)
"""How long before the alert's day this ends. What is made at once with what is looked at is no
habit: an intruder makes some decoys in a minute."""
_AROUND: Final = timedelta(days=2)
"""The day with half a day before and after it."""
_OF_ROLE: Final = "arn:aws{part}:sts::{account}:assumed-role/{role}/"
_PARTITIONS: Final = ("", "-cn", "-us-gov")
SUCCESS: Final = {"term": {"event.outcome": "success"}}
_GIVES: Final[Mapping[str, list[dict[str, Any]]]] = {
    "role": [{"exists": {"field": "grants.accounts"}}]
}
"""What a call of a kind must have to give anything: a role that trusts its own account lets nobody
else in."""
GIFTS: Final = "gifts_"
"""How the names of counts begin that are of gifts alone."""
FLEET: Final = "fleet_"
"""The same of gifts around the day itself."""
_MAKING: Final[Mapping[str, frozenset[str]]] = {
    leaf: frozenset(
        (*(call for call, of in CREATED.items() if of == leaf), *GIVING.get(leaf, ()))
    ).difference(ISSUING)
    for leaf in LEAVES
}
"""The leaf of `resource.*` with what calls make or change -> these calls."""
COUNTED_BY: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "roles": (ISSUER, OF_ROLE_SESSIONS),
    "arns": (ARN, {"bool": {"filter": [HAS_ARN], "must_not": [OF_ROLE_SESSIONS]}}),
    "names": (NAME, {"bool": {"must_not": [HAS_ARN]}}),
}
"""The field that names the principals of a part of the events, and the query for that part."""


def principals(
    asked: Sequence[Mapping[str, Any]], but: Sequence[Mapping[str, Any]], most: int
) -> dict[str, Any]:
    """A search that counts principals: the sessions of a role as one, others by ARN, and those
    without an ARN by name. Whoever may assume a role opens as many sessions as they like."""
    service = {"term": {"user_type": "aws_service"}}
    return {
        "query": {"bool": {"filter": list(asked), "must_not": [*but, service]}},
        "aggs": {
            name: {"filter": where, "aggs": {"of": few_of(field, most)}}
            for name, (field, where) in COUNTED_BY.items()
        },
    }


def made_before(token: str, day: date) -> dict[str, Any]:
    """A search that counts what a key or role made, up to one more than joins, by kind: before a
    day, and what it gives around that."""
    until = datetime.combine(day, time(), UTC) - _BURST
    before = between(until - _MADE_BEFORE, until)
    calls = sorted({call for several in _MAKING.values() for call in several})
    within = between(until - _MADE_BEFORE, until + _AROUND)
    asked = both(_by(token), {"terms": {"eventName": calls}}, SUCCESS, within)
    of_kind = {
        **{leaf: _things(leaf, several, before) for leaf, several in _MAKING.items()},
        **{
            f"{prefix}{leaf}": _things(leaf, several, when, *_GIVES.get(leaf, ()), most=most)
            for leaf, several in GIVING.items()
            for prefix, when, most in (
                (GIFTS, before, WORKLOADS),
                (FLEET, between(until, until + _AROUND), AT_ONCE),
            )
        },
    }
    return {"query": asked, "aggs": of_kind}


def _things(
    leaf: str, calls: Iterable[str], *of: dict[str, Any], most: int = WORKLOADS
) -> dict[str, Any]:
    return {
        "filter": both({"terms": {"eventName": sorted(calls)}}, *of),
        "aggs": {"of": few_of(f"resource.{leaf}", most + 1)},
    }


def _by(token: str) -> Query:
    """The calls with a key, or in sessions of a role, by its token."""
    kind, _, rest = token.partition(":")
    if kind == "key":
        return {"term": {KEY: rest}}
    account, role = rest.split(":", 1)
    return either(
        [
            {"prefix": {ARN: _OF_ROLE.format(part=part, account=account, role=role)}}
            for part in _PARTITIONS
        ]
    )


def few_of(field: str, most: int) -> dict[str, Any]:
    """An aggregation of at most this number of values of a field. `map`: the index has many values,
    for each of which the engine would otherwise keep a count, and few events match."""
    return {"terms": {"field": field, "size": most, "execution_hint": "map"}}


def counted(found: Mapping[str, Any]) -> int:
    """The principals, by the aggregations of `principals`."""
    return sum(len(found[name]["of"]["buckets"]) for name in COUNTED_BY if name in found)


def between(since: datetime, until: datetime) -> dict[str, Any]:
    """The events of a time."""
    # Times of alerts are in whole milliseconds.
    last = until + timedelta(milliseconds=1)
    return {"range": {"@timestamp": {"gte": since.isoformat(), "lte": last.isoformat()}}}


def on_day(day: date) -> dict[str, Any]:
    """The events of a day."""
    start = datetime.combine(day, time(), UTC)
    return {
        "range": {
            "@timestamp": {
                "gte": start.isoformat(),
                "lt": (start + timedelta(days=1)).isoformat(),
            }
        }
    }
