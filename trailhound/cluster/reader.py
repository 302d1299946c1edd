"""The one reader of indices: a search returns the complete result or raises an error.

What takes several requests reads from a snapshot (`snapshot.py` beside this), so that counting and
fetching see the same documents. A reply that timed out or lacks a shard is an error. Requests to a
busy cluster (429, 502 to 504, or 500 for too little memory) are retried; a cluster that can't be
reached is an error at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from opensearchpy import OpenSearch

from trailhound.cluster.complete_reply import require_complete, search_timeout
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.request_params import WHOLE
from trailhound.cluster.retry_policy import BUSY_SECONDS, RetryPolicy, is_busy, while_busy
from trailhound.cluster.shards_starting import with_started_shards
from trailhound.cluster.snapshot import (
    KEEP_ALIVE,
    Lighten,
    ReadOptions,
    Snapshot,
    never_light,
    one_page,
)
from trailhound.cluster.snapshot import Hit as Hit
from trailhound.cluster.snapshot import Query as Query
from trailhound.errors import ClusterError, RequestFailedError

HITS_PAGE = 5_000
_FIRST_LOOK = 1_000
"""Up to this number of documents, one search without a point in time, which would take three more
requests."""
GROUPS_PAGE = 5_000
"""A page of groups with the longest of keys (32 KB) is 160 MB; with ordinary ones, 1 MB."""
BY_SEQUENCE: tuple[Mapping[str, str], ...] = ({"_seq_no": "asc"},)
"""A total order within one shard: of the indices that have one, such as the ledger."""
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
        lighten: Lighten = never_light,
    ) -> None:
        """`seconds`: after which the engine stops a search, which is then an error; None for no
        limit. `busy_seconds`: for which requests to a busy cluster are retried. `lighten`: how hits
        can be read at less cost.
        """
        self._client = client
        self._index = index
        self._policy = RetryPolicy(busy_seconds, retry=is_busy)
        self._limit = {} if seconds is None else search_timeout(seconds)
        self._options = ReadOptions(
            order=order,
            hits_page=hits_page,
            groups_page=groups_page,
            limit=self._limit,
            policy=self._policy,
            lighten=lighten,
        )

    def search(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One search, with an exact total unless `body` says otherwise; empty where there is no
        index yet. Raises `ClusterError`.
        """
        request = {"size": 0, "track_total_hits": True, **body, **self._limit}
        index = self.holding(body.get("query"))
        reply: Mapping[str, Any] = self._policy.run(
            lambda: self._client.search(index=index, body=request, params=WHOLE)
        )
        if not reply.get("_shards", {"total": 1})["total"]:
            self._refuse_closed()
        return require_complete(reply)

    def holding(self, _query: Query | None, /) -> str:
        """The indices that may hold documents of a query, of those that are read."""
        return self._index

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
        return [require_complete(reply) for reply in self._replies(bodies, few_days=few_days)]

    def none_match(self, queries: Sequence[Query]) -> list[bool]:
        """For each query, in one request, whether it certainly matches nothing.

        False if something matches, or if the engine could not answer: a search with that query
        alone reports the reason.
        """
        answers = self.answers([has_any(query) for query in queries])
        return [answer is not None and not is_any(answer) for answer in answers]

    def answers(
        self,
        bodies: Sequence[Mapping[str, Any]],
        *,
        few_days: bool = False,
        indices: Sequence[str] = (),
    ) -> list[Mapping[str, Any] | None]:
        """As `searches`, with None for each search that the engine could not answer in full.
        `indices`: those that each asks; default: those that may hold documents of its query."""
        found = self._replies(bodies, few_days=few_days, indices=indices)
        return [_if_whole(reply) for reply in found]

    def _replies(
        self,
        bodies: Sequence[Mapping[str, Any]],
        *,
        few_days: bool = False,
        indices: Sequence[str] = (),
    ) -> list[Mapping[str, Any]]:
        """The engine's reply to each of several searches; it may contain a partial result or an
        error."""
        if not bodies:
            return []
        params = _FEW_SHARDS if few_days else {}
        asked = indices or [self.holding(body.get("query")) for body in bodies]
        whole = list(zip(asked, bodies, strict=True))
        return with_started_shards(
            self._send(whole, params),
            lambda numbers: self._send([whole[number] for number in numbers], params),
            busy_seconds=self._policy.give_up_after or 0.0,
        )

    def _send(
        self, asked: Sequence[tuple[str, Mapping[str, Any]]], params: Mapping[str, str]
    ) -> list[Mapping[str, Any]]:
        lines: list[Mapping[str, Any]] = []
        for index, body in asked:
            lines.append({"index": index, **WHOLE})
            lines.append({"size": 0, **body, **self._limit})
        replies: list[Mapping[str, Any]] = self._policy.run(
            lambda: self._client.msearch(body=lines, params=dict(params))
        )["responses"]
        return replies

    @contextmanager
    def snapshot(self, query: Query | None = None) -> Iterator[Snapshot]:
        """The documents as they are now, for the duration of the block: all of them, or at least
        those that match a query. Where the cluster keeps no more points in time, they are read as
        they are at each request.

        Raises `RequestFailedError` if there is no index: call `count` first.
        """
        dialect = dialect_of(self._client)
        index = self.holding(query)
        identifier = self._policy.run(
            lambda: dialect.open_point_in_time(self._client, index, KEEP_ALIVE)
        )
        snapshot = Snapshot(self._client, identifier, self._options, index)
        try:
            yield snapshot
        finally:
            if snapshot.pit is not None:
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
        page = self._options.hits_page
        light = self._options.lighten(wanted) if limit is None else None
        if light is not None:
            found = self.search(one_page(query, light, page))["hits"]
            if found["total"]["value"] > page:
                with self.snapshot(query) as snapshot:
                    yield from snapshot.hits(query, wanted, many=True)
                return
            hits = light.hits(found["hits"])
            if hits is not None:
                yield from light.ordered(hits)
                return
        if limit is not None and limit > page:
            # Asked before, so that no page is read twice.
            asked = {"query": query, "size": 0, "track_total_hits": page + 1}
            number = self.search(asked)["hits"]["total"]["value"]
            if not number:
                return
            if number > page:
                with self.snapshot(query) as snapshot:
                    yield from islice(snapshot.hits(query, wanted, many=True), limit)
                return
        size = min(page, limit or _FIRST_LOOK)
        first = {
            "query": query,
            "size": size,
            "sort": list(self._options.order),
            "track_total_hits": size + 1,
        }
        found = self.search({**first, **wanted})["hits"]
        if found["total"]["value"] <= size or size == limit:
            yield from found["hits"]
            return
        with self.snapshot(query) as snapshot:
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
        with self.snapshot(query) as snapshot:
            yield from snapshot.buckets(query, sources, aggregations)


def has_any(query: Query) -> dict[str, Any]:
    """The body of a search for whether any document matches: see `is_any`."""
    return {"query": query, "size": 0, "track_total_hits": 1}


def is_any(answer: Mapping[str, Any]) -> bool:
    """Whether one does, by the answer to `has_any`."""
    return bool(answer["hits"]["total"]["value"])


def _if_whole(reply: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        return require_complete(reply)
    except ClusterError:
        return None
