"""Search the events of a namespace by who, what, where and when, newest first; follow new ones.

Every value is a term of the query or, if it contains `*`, a pattern in which all other characters
are literal. Only `text` is in a query language: Lucene, as in the query bar of Dashboards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from opensearchpy import OpenSearch

from detections.events.daily_indices import SkippedDay, daily_indices
from detections.events.selection import by_address, by_key, by_principal, by_resource
from detections.span import BEGINNING, UNLIMITED, Span
from trailhound.batching import batched
from trailhound.cluster.free_text import check_free_text, free_text
from trailhound.cluster.queries import Query, any_of, either
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.retry_policy import while_busy
from trailhound.cluster.snapshot import Snapshot
from trailhound.settings import Settings

Event = dict[str, Any]
"""A stored event as it was indexed, with its `_id` and `_index` before its members."""

_ORDER = ("@timestamp", "eventID", "trail.object", "trail.position")
_ID_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Conditions that events must all meet; a condition with several values is met by any of them.

    Times are those of the event; `since` is included, `until` is not. `min_risk` is included.
    """

    since: datetime | None = None
    until: datetime | None = None
    principals: Sequence[str] = ()
    keys: Sequence[str] = ()
    addresses: Sequence[str] = ()
    calls: Sequence[str] = ()
    resources: Sequence[str] = ()
    accounts: Sequence[str] = ()
    regions: Sequence[str] = ()
    outcome: str | None = None
    min_risk: int | None = None
    text: str | None = None

    @property
    def span(self) -> Span:
        """The span of time that is searched."""
        return Span(self.since or BEGINNING, self.until or UNLIMITED)

    def clauses(self) -> list[Query]:
        """As clauses of the query DSL, combined by AND. Raises `UsageError` for an invalid
        address."""
        made: list[Query] = []
        if self.since or self.until:
            made.append(self.span.query())
        for values, clause in (
            (self.principals, by_principal),
            (self.keys, by_key),
            (self.addresses, by_address),
            (self.calls, _call),
            (self.resources, by_resource),
            (self.accounts, lambda value: any_of(value, ("recipientAccountId", "trail.account"))),
            (self.regions, lambda value: any_of(value, ("awsRegion",))),
        ):
            if values:
                made.append(either([clause(value) for value in values]))
        if self.outcome is not None:
            made.append({"term": {"event.outcome": self.outcome}})
        if self.min_risk is not None:
            made.append({"range": {"risk_score": {"gte": self.min_risk}}})
        if self.text:
            made.append(free_text(self.text, **_LUCENE))
        return made


_LUCENE: Mapping[str, Any] = {"default_operator": "and"}
_EXAMPLE = "'eventName:\"CreateUser\" AND risk_score:>=7'"


def _call(value: str) -> Query:
    """The clause of a call, given as a name or with its service: `iam:CreateUser`, `iam:*`."""
    service, colon, name = value.rpartition(":")
    if not colon:
        return any_of(name, ("eventName",))
    source = service if "." in service or "*" in service else f"{service}.amazonaws.com"
    return {"bool": {"filter": [any_of(source, ("eventSource",)), any_of(name, ("eventName",))]}}


class EventSearch:
    """The events that match. Raises `ClusterError` (`NoEventsIndexError` where there is no daily
    index), `UsageError` for text that is not valid Lucene, and opensearch-py's errors."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        wanted: EventFilter,
        also: Sequence[Query] = (),
    ) -> None:
        """`also`: further clauses."""
        days = daily_indices(client, settings)
        self.skipped: tuple[SkippedDay, ...] = days.skipped_in(wanted.span)
        """Days in the span that can't be searched."""
        self._client, self._index = client, days.expression
        self._query: Query = {"bool": {"filter": [*wanted.clauses(), *also]}}
        self._of_its_time = days.holding(self._query)
        self._look_back = timedelta(minutes=settings.detections.lookback_minutes)
        make_searchable(client, self._index)
        if wanted.text:
            reader = IndexReader(client, self._index)
            check_free_text(reader, wanted.text, "eventName", example=_EXAMPLE, **_LUCENE)

    @contextmanager
    def found(self) -> Iterator[FoundEvents]:
        """The events as they are now, for the duration of the block."""
        order = [{name: {"order": "desc", "missing": "_last"}} for name in _ORDER]
        index = self._of_its_time
        reader = IndexReader(self._client, index, order=order)  # type: ignore[arg-type]
        with reader.snapshot() as snapshot:
            yield FoundEvents(snapshot, self._query, snapshot.count(self._query))

    def follow(
        self,
        *,
        every: float = 2.0,
        pause: Callable[[float], None] = time.sleep,
        fields: Sequence[str] = (),
        known: int | None = 0,
    ) -> Iterator[list[Event]]:
        """Events that become searchable from now on, each once, in the order of `event.ingested`.

        Before them the `known` newest of those that are searchable already, all if None, in the
        order of their time.

        An event can become searchable minutes after its `event.ingested`, through the refresh of
        the index, a retried request or clock skew. So each round looks back by
        `detections.lookback_minutes`, and leaves out events that were seen before. Never ends.
        """
        order = [{"event.ingested": {"order": "asc"}}, *({name: "asc"} for name in _ORDER)]
        reader = IndexReader(self._client, self._index, order=order)  # type: ignore[arg-type]
        seen: dict[tuple[str, str], datetime] = {}
        first = True
        while True:
            began = time.monotonic()
            since = datetime.now(UTC) - self._look_back
            span = {"range": {"event.ingested": {"gte": since.isoformat()}}}
            query = {"bool": {"filter": [self._query, span]}}
            new = []
            for hit in reader.documents(query, {"_source": False}, refresh=True):
                key = (hit["_index"], hit["_id"])
                if key not in seen:
                    new.append(key)
                    seen[key] = datetime.fromtimestamp(hit["sort"][0] / 1000, UTC)
            if first and known != 0:
                for events in self._known(known, fields):
                    now = datetime.now(UTC)
                    seen.update({(each["_index"], each["_id"]): now for each in events})
                    yield events
            if not first:
                for page in batched(new, _ID_PAGE):
                    yield self._events(page, fields)
            first = False
            seen = {key: moment for key, moment in seen.items() if moment >= since}
            # A round that took long, because much is being indexed, is not repeated at once.
            pause(max(every, 2 * (time.monotonic() - began)))

    def _known(self, most: int | None, fields: Sequence[str]) -> Iterator[list[Event]]:
        """The newest events that are searchable now, in the order of their time."""
        if most is not None:
            with self.found() as found:
                newest = [*found.newest(most, fields)]
            yield newest[::-1]
            return
        reader = IndexReader(self._client, self._index, order=[{name: "asc"} for name in _ORDER])
        request = {"_source": list(fields)} if fields else {}
        with reader.snapshot() as snapshot:
            hits = map(_event, snapshot.hits(self._query, request))
            while page := list(islice(hits, _ID_PAGE)):
                yield page

    def _events(self, keys: Sequence[tuple[str, str]], fields: Sequence[str]) -> list[Event]:
        """Stored events, in the order of `keys`; those that were removed meanwhile are left out."""
        asked = [
            {"_index": index, "_id": identifier, **({"_source": list(fields)} if fields else {})}
            for index, identifier in keys
        ]
        reply = while_busy(lambda: self._client.mget(body={"docs": asked}))
        return [_event(each) for each in reply["docs"] if each.get("found")]


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """What a search found: `total` is exact."""

    _snapshot: Snapshot
    _query: Query
    total: int

    def newest(self, limit: int | None, fields: Sequence[str] = ()) -> Iterator[Event]:
        """The newest events first, read page by page; with `fields`, only these fields of each."""
        request = {"_source": list(fields)} if fields else {}
        hits = self._snapshot.hits(self._query, request, page=limit)
        return map(_event, islice(hits, limit))


def _event(hit: Mapping[str, Any]) -> Event:
    return {"_id": hit["_id"], "_index": hit["_index"], **hit["_source"]}
