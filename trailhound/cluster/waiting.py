"""Counts dead letters: by code, and by the day that they wait for.

Those that were dismissed stay stored and no longer wait: they are counted by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch

from trailhound.batching import batched
from trailhound.cluster.queries import Query, both
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names

BLOCKED_CODES = ("day_read_only", "day_closed", "day_unreadable")
"""Codes of dead letters whose day rejects writes: `retry-deadletters --reopen` opens it."""

DAY_FOREIGN = "day_foreign"
"""Code of dead letters whose day has an index, or an alias, that Trailhound has not made."""

DISMISSED: Query = {"exists": {"field": "dismissed.at"}}
"""Dead letters that were dismissed."""
WAITING: Query = {"bool": {"must_not": [DISMISSED]}}
"""All others."""

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
    """The waiting dead letters in the index by code, most first. Raises `ClusterError`."""
    by_code = {"code": {"terms": {"field": "code", "missing_bucket": True}}}
    oldest = {"oldest": {"min": {"field": "at"}}}
    reader = IndexReader(client, names.deadletter)
    found = [
        Waiting(
            bucket["key"]["code"] or "",
            bucket["doc_count"],
            datetime.fromtimestamp((bucket["oldest"]["value"] or 0) / 1000, UTC),
        )
        for bucket in reader.buckets(WAITING, [by_code], oldest)
    ]
    return sorted(found, key=lambda each: -each.number)


def dismissed(client: OpenSearch, names: Names) -> int:
    """How many dead letters in the index were dismissed. Raises `ClusterError`."""
    return IndexReader(client, names.deadletter).count(DISMISSED)


def days_with_letters(client: OpenSearch, names: Names, days: Iterable[str]) -> dict[str, int]:
    """How many dead letters wait for each of these days (`YYYY.MM.DD`); those with none are left
    out. Raises `ClusterError`.
    """
    number: dict[str, int] = {}
    by_day = {"day": {"terms": {"field": "day"}}}
    reader = IndexReader(client, names.deadletter)
    for group in batched(sorted(set(days)), _DAYS_AT_ONCE):
        for bucket in reader.buckets(both({"terms": {"day": group}}, WAITING), [by_day]):
            number[bucket["key"]["day"]] = bucket["doc_count"]
    return number
