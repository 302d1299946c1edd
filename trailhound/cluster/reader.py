"""The one reader of indices: a search returns the complete result or raises an error.

A snapshot is a point in time, so that counting and fetching see the same documents. Hits are paged
by `search_after` in a total order, groups by composite aggregations; memory does not grow with
their number. A reply that timed out or lacks a shard is an error. Requests to a busy cluster (429,
502 to 504) are retried; a cluster that can't be reached is an error at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from opensearchpy import OpenSearch

from trailhound.batching import batched
from trailhound.cluster.complete_reply import cut_off, whole
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.refreshing import OF_WHAT_IS_THERE, make_searchable
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.retry_policy import BUSY_SECONDS, RetryPolicy, is_busy, while_busy
from trailhound.errors import ClusterError, RequestFailedError

T = TypeVar("T")
Query = Mapping[str, Any]
"""A clause of the query DSL."""
Hit = Mapping[str, Any]

HITS_PAGE = 5_000
_FIRST_LOOK = 1_000
"""Up to this number of documents, one search without a point in time, which would take three more
requests."""
GROUPS_PAGE = 5_000
"""A page of groups with the longest of keys (32 KB) is 160 MB; with ordinary ones, 1 MB."""
KEEP_ALIVE = "5m"
_ENTIRE = 100
"""Complete events in one request; each has up to 256 KB."""
BY_SEQUENCE: tuple[Mapping[str, str], ...] = ({"_seq_no": "asc"},)
"""A total order within one shard: of the indices that have one, such as the ledger."""
_WHOLE = {"allow_partial_search_results": "false"}
_LENIENT = {**_WHOLE, **OF_WHAT_IS_THERE}
_FEW_SHARDS = {"pre_filter_shard_size": "1"}
"""Has the engine skip shards whose times are outside the query: most of the work of a search of
one day among many."""


def document_of(
    client: OpenSearch, index: str, identifier: str, params: Mapping[str, str] | None = None
) -> Mapping[str, Any] | None:
    """The document with this `_id`, as `GET` has it; None where there is none. Raises
    `ClusterError`."""
    try:
        found: Mapping[str, Any] = while_busy(
            lambda: client.get(index=index, id=identifier, params=dict(params or {}))
        )
    except RequestFailedError as error:
        if error.status == 404:
            return None
        raise
    return found


class Light(Protocol):
    """Makes hits of doc values alone, for what is asked of the stored record."""

    def request(self, asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What to ask for in place of `asked`; None where nothing is lighter."""

    def hits(self, asked: Mapping[str, Any], hits: Sequence[Hit]) -> list[Hit] | None:
        """The hits of such a search as `asked` would have brought them; None where one of them has
        to be asked for as it was."""

    def ordered(self, hits: Sequence[Hit]) -> list[Hit]:
        """Those of a search that did not sort, in the reader's order, with its `sort` values."""


class IndexReader:
    """The documents of an index, an alias or a pattern of indices.

    `order` is the sort of `Snapshot.hits`; no two documents may be alike in it.
    """

    def __init__(
        self,
        client: OpenSearch,
        index: str,
        *,
        order: Sequence[Mapping[str, str]] = BY_SEQUENCE,
        hits_page: int = HITS_PAGE,
        groups_page: int = GROUPS_PAGE,
        seconds: float | None = None,
        busy_seconds: float = BUSY_SECONDS,
        light: Light | None = None,
    ) -> None:
        """`seconds`: after which the engine stops a search, which is then an error; None for no
        limit. `busy_seconds`: for which requests to a busy cluster are retried. `light`: how hits
        can be read for less.
        """
        self._light = light
        self._client = client
        self._index = index
        self._order = list(order)
        self._policy = RetryPolicy(busy_seconds, retry=is_busy)
        self._hits_page = hits_page
        self._groups_page = groups_page
        self._limit = {} if seconds is None else cut_off(seconds)

    def search(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One search, with an exact total unless `body` says otherwise; empty where there is no
        index yet. Raises `ClusterError`.
        """
        request = {"size": 0, "track_total_hits": True, **body, **self._limit}
        reply: Mapping[str, Any] = self._policy.run(
            lambda: self._client.search(index=self._index, body=request, params=dict(_LENIENT))
        )
        if not reply.get("_shards", {"total": 1})["total"]:
            self._refuse_closed()
        return whole(reply)

    def _refuse_closed(self) -> None:
        """Raise `RequestFailedError` if the index exists and is closed: a search that allows for a
        missing index can't tell the two apart. Closed daily indices are left out of a search; the
        caller reports which.
        """
        if "*" in self._index or "," in self._index:
            return
        asked = {"h": "index,status", "expand_wildcards": "all"}
        try:
            rows = self._policy.run(
                lambda: self._client.cat.indices(index=self._index, format="json", params=asked)
            )
        except RequestFailedError as error:
            if error.status == 404:
                return
            raise
        if any(row["index"] == self._index and row["status"] == "close" for row in rows):
            raise RequestFailedError(
                f"the index {self._index} is closed", hint="open it: Trailhound needs it"
            )

    def refresh(self) -> None:
        """Make what was written a moment ago searchable. Raises `ClusterError`."""
        make_searchable(self._client, self._index)

    def count(self, query: Query) -> int:
        """How many documents match; 0 where there is no index yet."""
        return int(self.search({"query": query})["hits"]["total"]["value"])

    def searches(
        self, bodies: Sequence[Mapping[str, Any]], *, few_days: bool = False
    ) -> list[Mapping[str, Any]]:
        """Several searches in one request; the replies are in their order. `few_days`: each query
        is limited to a time that few of the indices hold. Raises `ClusterError`."""
        params = _FEW_SHARDS if few_days else {}
        return [whole(reply) for reply in self._replies(bodies, params)]

    def none_match(self, queries: Sequence[Query]) -> list[bool]:
        """For each query, in one request, whether it certainly matches nothing.

        False if something matches, or if the engine could not answer: a search with that query
        alone reports the reason.
        """
        answers = self.answers([has_any(query) for query in queries])
        return [answer is not None and not is_any(answer) for answer in answers]

    def answers(self, bodies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
        """As `searches`, with None for each search that the engine could not answer in full."""
        return [_if_whole(reply) for reply in self._replies(bodies)]

    def _replies(
        self, bodies: Sequence[Mapping[str, Any]], params: Mapping[str, str] = MappingProxyType({})
    ) -> list[Mapping[str, Any]]:
        """The engine's reply to each of several searches; it may contain a partial result or an
        error."""
        if not bodies:
            return []
        lines: list[Mapping[str, Any]] = []
        header = {"index": self._index, "ignore_unavailable": True, "allow_no_indices": True}
        for body in bodies:
            lines.append({**header, "allow_partial_search_results": False})
            lines.append({"size": 0, **body, **self._limit})
        replies: list[Mapping[str, Any]] = self._policy.run(
            lambda: self._client.msearch(body=lines, params=dict(params))
        )["responses"]
        return replies

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The documents as they are now, for the duration of the block.

        Raises `RequestFailedError` if there is no index: call `count` first.
        """
        dialect = dialect_of(self._client)
        identifier = self._policy.run(
            lambda: dialect.open_point_in_time(self._client, self._index, KEEP_ALIVE)
        )
        pages = (self._hits_page, self._groups_page)
        snapshot = Snapshot(
            self._client, identifier, self._policy, self._order, pages, self._limit, self._light
        )
        try:
            yield snapshot
        finally:
            with cluster_errors():
                dialect.close_point_in_time(self._client, snapshot.pit)

    def documents(
        self,
        query: Query,
        request: Mapping[str, Any] | None = None,
        *,
        refresh: bool = False,
        limit: int | None = None,
    ) -> Iterator[Hit]:
        """The hits of all documents that match, or of the first `limit`, in the reader's order and
        of one point in time; none where there is no index.

        `request` is merged into the search body, such as `_source`. `refresh`: refresh the index
        first.
        """
        if limit is not None and limit < 1:
            return
        if refresh:
            self.refresh()
        wanted = dict(request or {})
        lighter = None if self._light is None or limit is not None else self._light.request(wanted)
        if self._light is not None and lighter is not None:
            found = self.search(_one_page(query, lighter, self._hits_page))["hits"]
            if found["total"]["value"] > self._hits_page:
                with self.snapshot() as snapshot:
                    yield from snapshot.hits(query, wanted, many=True)
                return
            light = self._light.hits(wanted, found["hits"])
            if light is not None:
                yield from self._light.ordered(light)
                return
        size = min(self._hits_page, limit or _FIRST_LOOK)
        first = {"query": query, "size": size, "sort": self._order, "track_total_hits": size + 1}
        found = self.search({**first, **wanted})["hits"]
        if found["total"]["value"] <= size or size == limit:
            yield from found["hits"]
            return
        with self.snapshot() as snapshot:
            yield from islice(snapshot.hits(query, wanted, page=limit), limit)

    def buckets(
        self,
        query: Query,
        sources: Sequence[dict[str, Any]],
        aggregations: Mapping[str, Any] | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        """Every bucket of a composite aggregation, as `Snapshot.buckets`; none where there is no
        index."""
        if not self.search({"query": query, "track_total_hits": 1})["hits"]["total"]["value"]:
            return
        with self.snapshot() as snapshot:
            yield from snapshot.buckets(query, sources, aggregations)


class Snapshot:
    """The documents at one point in time."""

    def __init__(
        self,
        client: OpenSearch,
        pit: str,
        policy: RetryPolicy,
        order: Sequence[Mapping[str, str]],
        pages: tuple[int, int],
        limit: Mapping[str, Any],
        light: Light | None,
    ) -> None:
        self._light = light
        self._client = client
        self.pit = pit
        self._policy = policy
        self._order = list(order)
        self._any_order = list(dialect_of(client).any_order or order)
        self._hits_page, self._groups_page = pages
        self._limit = limit

    def count(self, query: Query) -> int:
        """How many documents match."""
        return int(self.search(query, track_total_hits=True)["hits"]["total"]["value"])

    def search(self, query: Query, *, size: int = 0, **body: Any) -> Mapping[str, Any]:
        """One search; `body` is merged into the search body. Raises `ClusterError`."""
        request = self._body({"size": size, "query": query, **body})
        reply: Mapping[str, Any] = self._policy.run(
            lambda: self._client.search(body=request, params=dict(_WHOLE))
        )
        self.pit = reply.get("pit_id", self.pit)
        return whole(reply)

    def searches(self, bodies: Sequence[dict[str, Any]]) -> list[Mapping[str, Any]]:
        """Several searches in one request; the replies are in their order."""
        if not bodies:
            return []
        lines: list[dict[str, Any]] = []
        for body in bodies:
            lines += [{"allow_partial_search_results": False}, self._body(body)]
        reply = self._policy.run(lambda: self._client.msearch(body=lines))
        return [whole(each) for each in reply["responses"]]

    def hits(
        self,
        query: Query,
        request: Mapping[str, Any],
        *,
        entire: Callable[[Mapping[str, Any]], bool] | None = None,
        page: int | None = None,
        ordered: bool = True,
        many: bool = False,
    ) -> Iterator[Mapping[str, Any]]:
        """Every hit, in the reader's order or, not `ordered`, in the engine's cheapest order.

        `request` is merged into the search body, such as `_source`. Hits for which `entire` is true
        have their complete `_source` nevertheless. `page`: hits to fetch in one request, where the
        caller may stop after few. `many`: there are known to be more than a page.
        """
        page = min(page or self._hits_page, self._hits_page)
        lighter = None if self._light is None else self._light.request(request)
        if self._light is not None and lighter is not None and not many:
            # The engine sorts at a cost that is more than the search's.
            found = self.search(**_one_page(query, lighter, page))["hits"]
            if found["total"]["value"] <= page:
                light = self._light.hits(request, found["hits"])
                if light is not None:
                    light = self._light.ordered(light) if ordered else light
                    yield from light if entire is None else self._with_sources(light, entire)
                    return
                lighter = None  # one of these has to be asked for as it was
        after: dict[str, Any] = {}
        total = seen = 0
        while True:
            first = not after
            sort = self._order if ordered else self._any_order
            asked = {"size": page, "sort": sort, "track_total_hits": first, **after}
            found, hits = self._page(query, request, lighter, asked)
            if first:
                total = found["total"]["value"]
            seen += len(hits)
            if entire is not None:
                hits = self._with_sources(hits, entire)
            yield from hits
            if len(hits) < page:
                break
            after = {"search_after": hits[-1]["sort"]}
        if seen != total:
            raise RequestFailedError(
                f"the cluster returned {seen} of {total} documents",
                hint="see the health of its shards (`trailhound doctor`)",
            )

    def _page(
        self,
        query: Query,
        request: Mapping[str, Any],
        lighter: Mapping[str, Any] | None,
        asked: Mapping[str, Any],
    ) -> tuple[Mapping[str, Any], Sequence[Hit]]:
        """What a search found, and its hits as `request` would bring them."""
        if self._light is not None and lighter is not None:
            found = self.search(query, **lighter, **asked)["hits"]
            light = self._light.hits(request, found["hits"])
            if light is not None:
                return found, light
        found = self.search(query, **request, **asked)["hits"]
        return found, found["hits"]

    def buckets(
        self,
        query: Query,
        sources: Sequence[dict[str, Any]],
        aggregations: Mapping[str, Any] | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        """Every bucket of a composite aggregation, in the order of its keys.

        Buckets of time alone are paged by a range of times. OpenSearch 3.8 fails a shard whose
        times all lie before the `after` of such a page ("Index 0 out of bounds for length 0").
        """
        composite: dict[str, Any] = {"size": self._groups_page, "sources": list(sources)}
        by_time = _interval_of(sources)
        asked = query
        while True:
            grouped: dict[str, Any] = {"composite": composite}
            if aggregations:
                grouped["aggs"] = dict(aggregations)
            reply = self.search(asked, aggs={"groups": grouped}, track_total_hits=False)
            found = reply["aggregations"]["groups"]
            yield from found["buckets"]
            if len(found["buckets"]) < self._groups_page or "after_key" not in found:
                return
            if by_time is None:
                composite = composite | {"after": found["after_key"]}
            else:
                (start,) = found["after_key"].values()
                later = {"gte": int(start) + by_time, "format": "epoch_millis"}
                asked = {"bool": {"filter": [query, {"range": {"@timestamp": later}}]}}

    def _with_sources(
        self,
        hits: Sequence[Mapping[str, Any]],
        entire: Callable[[Mapping[str, Any]], bool],
    ) -> list[Mapping[str, Any]]:
        """The hits, those for which `entire` is true with their complete `_source`."""
        chosen = [hit["_id"] for hit in hits if entire(hit)]
        sources: dict[tuple[str, str], Any] = {}
        for part in batched(chosen, _ENTIRE):
            query = {"ids": {"values": part}}
            # An id is unique in one index; several days' indices may have the same one.
            for found in self.search(query, size=10_000)["hits"]["hits"]:
                sources[found["_index"], found["_id"]] = found["_source"]
        if not sources:
            return list(hits)
        return [
            {**hit, "_source": sources[hit["_index"], hit["_id"]]} if entire(hit) else hit
            for hit in hits
        ]

    def _body(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, **self._limit, "pit": {"id": self.pit, "keep_alive": KEEP_ALIVE}}


def has_any(query: Query) -> dict[str, Any]:
    """The body of a search for whether any document matches: see `is_any`."""
    return {"query": query, "size": 0, "track_total_hits": 1}


def is_any(answer: Mapping[str, Any]) -> bool:
    """Whether one does, by the answer to `has_any`."""
    return bool(answer["hits"]["total"]["value"])


def _one_page(query: Query, request: Mapping[str, Any], size: int) -> dict[str, Any]:
    """The body of a search that returns hits in any order, if there are no more than `size`."""
    return {
        "query": query,
        "size": size,
        "sort": ["_doc"],
        "track_total_hits": size + 1,
        **request,
    }


def _if_whole(reply: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        return whole(reply)
    except ClusterError:
        return None


def _interval_of(sources: Sequence[dict[str, Any]]) -> int | None:
    """The length in milliseconds of the buckets, if they are made by time alone."""
    if len(sources) != 1:
        return None
    (source,) = sources[0].values()
    length = source.get("date_histogram", {}).get("fixed_interval")
    return None if length is None else int(length.removesuffix("ms"))
