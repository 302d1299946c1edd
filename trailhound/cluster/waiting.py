"""Waiting dead letters: how many, since when, and for which days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from trailhound.cluster.reader import whole
from trailhound.cluster.templates import Names

BLOCKED_CODES = ("day_read_only", "day_closed", "day_unreadable")
"""Codes of dead letters whose day takes no writes: `retry-deadletters --reopen` opens it."""

_CODES = 200
_DAYS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Waiting:
    """Dead letters of one code: their number, and when the oldest of them was written."""

    code: str
    number: int
    oldest: datetime

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "number": self.number, "oldest": self.oldest.isoformat()}


def waiting(client: OpenSearch, names: Names) -> list[Waiting]:
    """The dead letters in the index by code, most first. Raises opensearch-py's exceptions."""
    oldest = {"oldest": {"min": {"field": "at"}}}
    by_code = {"terms": {"field": "code", "size": _CODES, "missing": ""}, "aggs": oldest}
    found = _search(client, names, {"size": 0, "aggs": {"codes": by_code}})
    return [
        Waiting(
            bucket["key"],
            bucket["doc_count"],
            datetime.fromtimestamp((bucket["oldest"]["value"] or 0) / 1000, UTC),
        )
        for bucket in found.get("codes", {}).get("buckets", [])
    ]


def days_with_letters(client: OpenSearch, names: Names, days: Iterable[str]) -> dict[str, int]:
    """How many dead letters wait for each of these days (`YYYY.MM.DD`); those with none are left
    out. Raises opensearch-py's exceptions.
    """
    number: dict[str, int] = {}
    for group in _groups(days):
        body = {
            "size": 0,
            "query": {"terms": {"day": group}},
            "aggs": {"days": {"terms": {"field": "day", "size": len(group)}}},
        }
        buckets = _search(client, names, body).get("days", {}).get("buckets", [])
        number |= {bucket["key"]: bucket["doc_count"] for bucket in buckets}
    return number


def _groups(days: Iterable[str]) -> Iterator[list[str]]:
    every = sorted(set(days))
    for start in range(0, len(every), _DAYS_AT_ONCE):
        yield every[start : start + _DAYS_AT_ONCE]


def _search(client: OpenSearch, names: Names, body: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = whole(client.search(index=names.deadletter, body=body))
    except NotFoundError:
        return {}
    found: dict[str, Any] = reply.get("aggregations") or {}
    return found
