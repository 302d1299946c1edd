"""Queries about one span of time, with exact answers.

A reply that timed out or lacks a shard is an error, since it would not show in the report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.paging import every
from detections.events.index import EventIndex
from trailhound.cluster.queries import between
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState

Query = dict[str, Any]
Aggregations = Mapping[str, Any]

PAGE = 10_000
"""Values of a field in one request."""


@dataclass(frozen=True, slots=True)
class ReportWindow:
    """What a report covers. `since` is included, `until` is not; None means no limit. Without
    accounts it covers all."""

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
        """The time as clauses of a filter; empty without limits."""
        return between(field, self.since, self.until)

    def events(self) -> list[Query]:
        """The query for events of the window."""
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
    """A value of a field: its number of events, those that match each named filter, and the time of
    the last event."""

    value: str
    events: int
    of: Mapping[str, int]
    last: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """The values with the most events, and the total numbers of values and events."""

    distinct: int
    events: int
    first: tuple[Tallied, ...]


class Index:
    """The events and alerts of a namespace, in a window. Methods raise `ClusterError`s."""

    def __init__(self, client: OpenSearch, settings: Settings, window: ReportWindow) -> None:
        self.names = Names(settings.prefix)
        self.window = window
        self._client = client

    def refresh(self) -> None:
        """Make everything that was written searchable. Raises opensearch-py's exceptions."""
        for index in (self.names.days, self.names.alerts):
            make_searchable(self._client, index)

    def ask(
        self,
        aggregations: Aggregations | None = None,
        *,
        query: Sequence[Query] = (),
        **more: Any,
    ) -> Mapping[str, Any]:
        """A search of the events, with an exact total of every shard, within the time limit."""
        body = {"query": {"bool": {"filter": [*self.window.events(), *query]}}, **more}
        return self.search(self.names.alias, body, aggregations)

    def all_events(self, ids: Sequence[str], fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Every event that has one of these ids, of any time, as hits in order of time."""
        events = EventIndex(self._client, self.names.alias)
        yield from events.documents({"ids": {"values": ids}}, {"_source": list(fields)})

    def matching(self, ids: Collection[str], query: Sequence[Query]) -> Iterator[str]:
        """The ids of those events that match, of any time."""
        clauses = [{"ids": {"values": sorted(ids)}}, *query]
        events = EventIndex(self._client, self.names.alias)
        for hit in events.documents({"bool": {"filter": clauses}}, {"_source": False}):
            yield hit["_id"]

    def search(
        self, index: str, body: Mapping[str, Any], aggregations: Aggregations | None = None
    ) -> Mapping[str, Any]:
        """A search of one of Trailhound's indices; empty if it does not exist."""
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
        """The exact number of values of a field, and the `rows` values with the most events (None:
        all values).

        `note` is a field whose most frequent value describes a value. If one request can't hold all
        values, they are read page by page, since the first values of each shard would not add up to
        exact numbers.
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
        """Every value of a field in order, read page by page."""
        query = {"bool": {"filter": [*self.window.events(), *only]}}
        sources = [{"value": {"terms": {"field": field}}}]
        found = IndexReader(self._client, self.names.alias).buckets(query, sources, inner)
        return [{**each, "key": each["key"]["value"]} for each in found]


def moment(milliseconds: float | None) -> datetime | None:
    """The time of an aggregation, given in milliseconds."""
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
