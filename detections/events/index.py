"""Reading the events exactly: all of them or an error, never a silent part.

A snapshot is a point in time, so that counting and fetching see the same events. Hits are paged
by `search_after` in the order of their time, groups by composite aggregations; both in flat
memory. An answer that timed out, or that a shard failed to give, is an error: the interval that
was asked for is not done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opensearchpy import OpenSearch

from detections.compiled import Query
from detections.events.replies import whole
from trailhound.cluster.client import cluster_errors
from trailhound.errors import ClusterError, RequestFailedError

HITS_PAGE = 5_000
GROUPS_PAGE = 5_000
"""A page of groups with the longest of keys (32 KB) is 160 MB; with ordinary ones, 1 MB."""
KEEP_ALIVE = "5m"
_ENTIRE = 100
"""Whole events a request; each is up to 256 KB."""
ORDER: tuple[str, ...] = ("eventID", "trail.object", "trail.position")
"""What orders events of one instant, and tells any two apart: a record's place does."""
SORT = [{name: "asc"} for name in ("@timestamp", *ORDER)]


class EventIndex:
    """The events of one namespace: an alias or a pattern of their daily indices."""

    def __init__(
        self,
        client: OpenSearch,
        index: str,
        *,
        hits_page: int = HITS_PAGE,
        groups_page: int = GROUPS_PAGE,
        seconds: float | None = None,
    ) -> None:
        """`seconds`: when the engine cuts a search off, which is then an error; None for never."""
        self._client = client
        self._index = index
        self._hits_page = hits_page
        self._groups_page = groups_page
        self._limit = {} if seconds is None else cut_off(seconds)

    def count(self, query: Query) -> int:
        """How many events match; 0 where there is no index yet."""
        body = {"size": 0, "track_total_hits": True, "query": query, **self._limit}
        with cluster_errors():
            reply = self._client.search(
                index=self._index,
                body=body,
                params={"ignore_unavailable": "true", "allow_partial_search_results": "false"},
            )
        return int(whole(reply)["hits"]["total"]["value"])

    def none_match(self, queries: Sequence[Query]) -> list[bool]:
        """For each query, in one request, whether it certainly matches nothing.

        False where something matches, and where the engine could not say: whoever asks for it on
        its own is told why.
        """
        lines: list[dict[str, Any]] = []
        for query in queries:
            header = {"index": self._index, "ignore_unavailable": True, "allow_no_indices": True}
            lines.append({**header, "allow_partial_search_results": False})
            lines.append({"size": 0, "track_total_hits": 1, "query": query, **self._limit})
        with cluster_errors():
            replies = self._client.msearch(body=lines)["responses"]
        return [_nothing(reply) for reply in replies]

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The events as they are now, until the end of the block.

        Raises `RequestFailedError` where there is no index: ask `count` first.
        """
        with cluster_errors():
            made = self._client.create_pit(
                index=self._index,
                params={
                    "keep_alive": KEEP_ALIVE,
                    "ignore_unavailable": "true",
                    "allow_partial_pit_creation": "false",
                },
            )
        snapshot = Snapshot(
            self._client, made["pit_id"], self._hits_page, self._groups_page, self._limit
        )
        try:
            whole(made)
            yield snapshot
        finally:
            with cluster_errors():
                self._client.delete_pit(body={"pit_id": [snapshot.pit]})


class Snapshot:
    """The events at one point in time."""

    def __init__(
        self,
        client: OpenSearch,
        pit: str,
        hits_page: int,
        groups_page: int,
        limit: Mapping[str, Any],
    ) -> None:
        self._client = client
        self.pit = pit
        self._hits_page = hits_page
        self._groups_page = groups_page
        self._limit = limit

    def count(self, query: Query) -> int:
        """How many events match."""
        return int(self.search(query, track_total_hits=True)["hits"]["total"]["value"])

    def search(self, query: Query, *, size: int = 0, **body: Any) -> Mapping[str, Any]:
        """One search; `body` is laid beside the query. Raises `ClusterError`."""
        request = self._body({"size": size, "query": query, **body})
        with cluster_errors():
            reply = self._client.search(
                body=request, params={"allow_partial_search_results": "false"}
            )
        self.pit = reply.get("pit_id", self.pit)
        return whole(reply)

    def searches(self, bodies: Sequence[dict[str, Any]]) -> list[Mapping[str, Any]]:
        """Several searches in one request, answered in their order."""
        if not bodies:
            return []
        lines: list[dict[str, Any]] = []
        for body in bodies:
            lines += [{"allow_partial_search_results": False}, self._body(body)]
        with cluster_errors():
            reply = self._client.msearch(body=lines)
        return [whole(each) for each in reply["responses"]]

    def hits(
        self,
        query: Query,
        request: Mapping[str, Any],
        *,
        entire: Callable[[Mapping[str, Any]], bool] | None = None,
        page: int | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        """Every hit, in the order of time (`sort[0]`, in milliseconds) and then of `ORDER`.

        `request` is laid over the search's body: what is to be brought of each. Those for which
        `entire` is true come with the whole of their `_source` all the same. `page` is how many to
        fetch at once, where few of them may be taken.
        """
        page = min(page or self._hits_page, self._hits_page)
        after: dict[str, Any] = {}
        total = seen = 0
        while True:
            first = not after
            reply = self.search(
                query,
                size=page,
                sort=SORT,
                track_total_hits=first,
                **request,
                **after,
            )
            hits = reply["hits"]["hits"]
            if first:
                total = reply["hits"]["total"]["value"]
            seen += len(hits)
            if entire is not None:
                hits = self._with_sources(hits, entire)
            yield from hits
            if len(hits) < page:
                break
            after = {"search_after": hits[-1]["sort"]}
        if seen != total:
            raise RequestFailedError(
                f"OpenSearch gave {seen} events of {total}", hint="see the health of its shards"
            )

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
        """The hits, some with the whole of their `_source`."""
        chosen = [hit["_id"] for hit in hits if entire(hit)]
        sources: dict[tuple[str, str], Any] = {}
        for start in range(0, len(chosen), _ENTIRE):
            query = {"ids": {"values": chosen[start : start + _ENTIRE]}}
            # An id is unique in one index; the same one may stand in several days'.
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


def cut_off(seconds: float) -> dict[str, Any]:
    """What a search's body says for the engine to end it after so long."""
    return {"timeout": f"{seconds * 1000:.0f}ms"}


def _nothing(reply: Mapping[str, Any]) -> bool:
    try:
        return bool(whole(reply)["hits"]["total"]["value"] == 0)
    except ClusterError:
        return False


def _interval_of(sources: Sequence[dict[str, Any]]) -> int | None:
    """The length in milliseconds of the buckets, if nothing else makes them than time."""
    if len(sources) != 1:
        return None
    (source,) = sources[0].values()
    length = source.get("date_histogram", {}).get("fixed_interval")
    return None if length is None else int(length.removesuffix("ms"))


def terms(name: str, field: str) -> dict[str, Any]:
    """A source of a composite aggregation: a field's values."""
    return {name: {"terms": {"field": field}}}


def histogram(name: str, milliseconds: int) -> dict[str, Any]:
    """A source of a composite aggregation: event times in buckets of a fixed length."""
    return {
        name: {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{milliseconds}ms"}}
    }
