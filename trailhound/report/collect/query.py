"""Queries of the index about one span of time, answered exactly or not at all.

A reply that timed out, or lacks a shard, is an error: an incomplete report would not show it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.paging import every
from detections.events.index import EventIndex
from trailhound.cluster.reader import IndexReader, make_searchable
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState

Query = dict[str, Any]
Aggregations = Mapping[str, Any]

PAGE = 10_000
"""Values of a field that come with one request."""


@dataclass(frozen=True, slots=True)
class Window:
    """`since` is included, `until` left out; None is no limit. No accounts are all accounts."""

    since: datetime | None = None
    until: datetime | None = None
    accounts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.since and self.until and self.since >= self.until:
            raise UsageError(
                f"the report's start, {self.since:%F %T} UTC, is not before its end, "
                f"{self.until:%F %T} UTC",
                hint="swap the two dates",
            )

    def clause(self, field: str = "@timestamp") -> list[Query]:
        """The time as clauses of a filter: one, or none without limits."""
        limits = {
            name: moment.isoformat()
            for name, moment in (("gte", self.since), ("lt", self.until))
            if moment is not None
        }
        return [{"range": {field: limits}}] if limits else []

    def events(self) -> list[Query]:
        """Which events are meant."""
        return [*self.clause(), *self.of_accounts()]

    def of_accounts(self) -> list[Query]:
        """Events of the accounts: those delivered to them, and those in their trail's folder."""
        if not self.accounts:
            return []
        names = ("recipientAccountId", "trail.account")
        either = [{"terms": {name: list(self.accounts)}} for name in names]
        return [{"bool": {"should": either, "minimum_should_match": 1}}]


@dataclass(frozen=True, slots=True)
class Tallied:
    """A value of a field: how many events, how many of those by name of a filter, the last one."""

    value: str
    events: int
    of: Mapping[str, int]
    last: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """The first values by falling number of events, and how many values and events in all."""

    distinct: int
    events: int
    first: tuple[Tallied, ...]


class Index:
    """The events and alerts of a namespace, in a window. Methods raise `ClusterError`s."""

    def __init__(self, client: OpenSearch, settings: Settings, window: Window) -> None:
        self.names = Names(settings.prefix)
        self.window = window
        self._client = client

    def refresh(self) -> None:
        """Make everything searchable that has been sent. Raises opensearch-py's exceptions."""
        for index in (self.names.days, self.names.alerts):
            make_searchable(self._client, index)

    def ask(
        self,
        aggregations: Aggregations | None = None,
        *,
        query: Sequence[Query] = (),
        **more: Any,
    ) -> Mapping[str, Any]:
        """A search of the events: exact total, every shard, within the time limit."""
        body = {"query": {"bool": {"filter": [*self.window.events(), *query]}}, **more}
        return self.search(self.names.alias, body, aggregations)

    def all_events(self, ids: Sequence[str], fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Every event that has one of these ids, whenever it was, as hits in the order of time."""
        events = EventIndex(self._client, self.names.alias)
        yield from events.documents({"ids": {"values": ids}}, {"_source": list(fields)})

    def matching(self, ids: Collection[str], query: Sequence[Query]) -> Iterator[str]:
        """Which of the events with these ids match, whenever they were."""
        clauses = [{"ids": {"values": sorted(ids)}}, *query]
        events = EventIndex(self._client, self.names.alias)
        for hit in events.documents({"bool": {"filter": clauses}}, {"_source": False}):
            yield hit["_id"]

    def search(
        self, index: str, body: Mapping[str, Any], aggregations: Aggregations | None = None
    ) -> Mapping[str, Any]:
        """A search of any index of ours; one that does not exist is empty."""
        asked = {**body, "aggs": dict(aggregations)} if aggregations else body
        return IndexReader(self._client, index).search(asked)

    def alerts(
        self, asked: Sequence[Query], fields: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(`_id`, `_source`) of every alert that matches, each once."""
        return every(self._client, self.names.alerts, asked, fields=fields)

    def entries(self, query: Query, fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """These fields of the ledger's entries of objects that match."""
        reader = IndexReader(self._client, self.names.ledger)
        asked = {"bool": {"filter": [ObjectState.query(), query]}}
        for hit in reader.documents(asked, {"_source": list(fields)}):
            yield hit["_source"]

    def tally(
        self,
        field: str,
        filters: Mapping[str, Query],
        rows: int | None,
        *,
        note: str | None = None,
        only: Sequence[Query] = (),
    ) -> Tally:
        """The values of a field, exactly: their number, and the `rows` with the most events.

        `rows` of None are all of them.

        `note` is a field whose most frequent value describes a value. Where one request can't hold
        all values, they are paged through, for a shard's own first ones would not add up.
        """
        inner = _inner(filters, note)
        terms = {"terms": {"field": field, "size": PAGE}, "aggs": inner}
        found = self.ask({"values": terms}, query=only)["aggregations"]["values"]
        cut = found["sum_other_doc_count"] or found["doc_count_error_upper_bound"]
        buckets = found["buckets"]
        if cut:
            buckets = self._all_buckets(field, inner, only)
        first = sorted(buckets, key=lambda each: (-each["doc_count"], str(_key(each))))[:rows]
        return Tally(
            len(buckets),
            sum(each["doc_count"] for each in buckets),
            tuple(_tallied(each, filters, note) for each in first),
        )

    def _all_buckets(
        self, field: str, inner: Aggregations, only: Sequence[Query]
    ) -> list[Mapping[str, Any]]:
        """Every value of a field, by pages in the order of the values."""
        query = {"bool": {"filter": [*self.window.events(), *only]}}
        sources = [{"value": {"terms": {"field": field}}}]
        found = IndexReader(self._client, self.names.alias).buckets(query, sources, inner)
        return [{**each, "key": each["key"]["value"]} for each in found]


_LENIENT = {"ignore_unavailable": "true", "allow_no_indices": "true"}
"""A closed day, or an index that was never created, is reported as a gap, not an error."""


def moment(milliseconds: float | None) -> datetime | None:
    """A time as aggregations give it."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _inner(filters: Mapping[str, Query], note: str | None) -> dict[str, Any]:
    inner: dict[str, Any] = {name: {"filter": query} for name, query in filters.items()}
    inner["last"] = {"max": {"field": "@timestamp"}}
    if note is not None:
        inner["note"] = {"terms": {"field": note, "size": 1}}
    return inner


def _key(bucket: Mapping[str, Any]) -> Any:
    return bucket.get("key_as_string", bucket["key"])


def _tallied(bucket: Mapping[str, Any], filters: Mapping[str, Query], note: str | None) -> Tallied:
    notes = bucket["note"]["buckets"] if note is not None else ()
    return Tallied(
        str(_key(bucket)),
        bucket["doc_count"],
        {name: bucket[name]["doc_count"] for name in filters},
        moment(bucket["last"]["value"]),
        str(notes[0]["key"]) if notes else "",
    )
