"""The documents of an index at one point in time: every hit, every group, each of them once.

Hits are read in slices of time or paged by `search_after`, in a total order, groups by composite
aggregations; memory does not grow with their number. A reply that timed out or lacks a shard is an
error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opensearchpy import OpenSearch

from trailhound.batching import batched
from trailhound.cluster.complete_reply import require_complete
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.request_params import NO_PART, WHOLE
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.errors import RequestFailedError

Query = Mapping[str, Any]
"""A clause of the query DSL."""
Hit = Mapping[str, Any]

KEEP_ALIVE = "5m"
"""For how long after each request the engine keeps the point in time."""
_ASTRAY = 10
"""Hits of another time that a search of a slice may bring. OpenSearch 3.8 brings a few events of
hours later, of 5,000, for some ends of the slice and not for others, where four clauses and more
select them and others are excluded: one of the clauses is left out for some documents, which by its
own explanation do not match. With the range as the negation of its negation it was always right."""
_ENTIRE = 100
"""Complete events in one request; each has up to 256 KB."""
_TIME = "@timestamp"
_MINUTE, _SECOND = 60_000, 1_000


class LightSearch(Protocol):
    """A search that fetches less than a request, from whose hits those of the request are made."""

    @property
    def body(self) -> Mapping[str, Any]:
        """What to merge into the search body in place of the request."""

    def hits(self, found: Sequence[Hit]) -> list[Hit] | None:
        """The hits as the request would have brought them; None if one of them can only be had by
        the request itself."""

    def ordered(self, hits: Sequence[Hit]) -> list[Hit]:
        """Such hits, from a search that did not sort, in the reader's order, with its `sort`
        values."""


Lighten = Callable[[Mapping[str, Any]], LightSearch | None]
"""The light search for a request; None if there is none."""


def never_light(_: Mapping[str, Any]) -> None:
    """For indices whose hits come from the stored documents alone."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How documents are read. `order`: the sort of hits, in which no two documents are alike.
    `hits_page`, `groups_page`: how many of them in one reply. `limit`: the part of a search body
    that limits its time. `policy`: which requests are sent again. `lighten`: how hits can be read
    at less cost."""

    order: Sequence[Mapping[str, str]]
    hits_page: int
    groups_page: int
    limit: Mapping[str, Any]
    policy: RetryPolicy
    lighten: Lighten


class Snapshot:
    """The documents at one point in time.

    Or, where the cluster keeps no more points in time, those of an index as it is at each request.
    Then a document that is written meanwhile may be among them or not, and one that changes may
    come twice; none of the others is left out.
    """

    def __init__(
        self, client: OpenSearch, pit: str | None, options: ReadOptions, index: str = ""
    ) -> None:
        """`pit`: the identifier of the point in time, which each reply may change; without one,
        `index` is searched as it is."""
        self.pit = pit
        self._live = {} if pit else {"index": index, **WHOLE}
        self._client = client
        self._options = options
        self._any_order = dialect_of(client).any_order

    def count(self, query: Query) -> int:
        """How many documents match."""
        return int(self.search(query, track_total_hits=True)["hits"]["total"]["value"])

    def search(self, query: Query, *, size: int = 0, **body: Any) -> Mapping[str, Any]:
        """One search; `body` is merged into the search body. Raises `ClusterError`."""
        request = self._body({"size": size, "query": query, **body})
        index = self._live.get("index")
        params = dict(WHOLE if index else NO_PART)
        reply: Mapping[str, Any] = self._options.policy.run(
            lambda: self._client.search(index=index, body=request, params=params)
        )
        self.pit = reply.get("pit_id", self.pit)
        return require_complete(reply)

    def searches(self, bodies: Sequence[dict[str, Any]]) -> list[Mapping[str, Any]]:
        """Several searches in one request; the replies are in their order."""
        if not bodies:
            return []
        lines: list[dict[str, Any]] = []
        for body in bodies:
            lines += [{**NO_PART, **self._live}, self._body(body)]
        reply = self._options.policy.run(lambda: self._client.msearch(body=lines))
        return [require_complete(each) for each in reply["responses"]]

    def hits(
        self,
        query: Query,
        request: Mapping[str, Any],
        *,
        entire: Callable[[Mapping[str, Any]], bool] | None = None,
        page: int | None = None,
        ordered: bool = True,
        many: bool = False,
    ) -> Iterator[Hit]:
        """Every hit, in the reader's order or, not `ordered`, in the engine's cheapest order.

        `request` is merged into the search body, such as `_source`. Hits for which `entire` is true
        have their complete `_source` nevertheless. `page`: hits to fetch in one request, where the
        caller may stop after few. `many`: there are known to be more than a page.
        """
        any_order = self._any_order if self.pit and not ordered else ()
        sort = list(any_order or self._options.order)
        # How many hits a slice has is exact at a point in time only.
        by_time = bool(self.pit) and page is None and sort[0] == {_TIME: "asc"}
        page = min(page or self._options.hits_page, self._options.hits_page)
        light = self._options.lighten(request)
        if light is not None and not many:
            # The engine sorts at a cost that is more than the search's.
            found = self.search(**one_page(query, light, page))["hits"]
            many = found["total"]["value"] > page
            made = None if many else light.hits(found["hits"])
            if made is not None:
                made = light.ordered(made) if ordered else made
                yield from made if entire is None else self._with_sources(made, entire)
                return
            if not many:
                light = None  # one of these has to be searched as requested
        pages = self._slices if many and by_time else self._pages
        for hits in pages(query, request, light, page, sort):
            yield from hits if entire is None else self._with_sources(hits, entire)

    def _slices(
        self,
        query: Query,
        request: Mapping[str, Any],
        light: LightSearch | None,
        size: int,
        sort: Sequence[Any],
        width: int = _MINUTE,
    ) -> Iterator[Sequence[Hit]]:
        """As `_pages`, where the order begins with the time: in slices of time with at most `size`
        hits each, whose ends are multiples of `width` (milliseconds).

        For each page the engine would look at all hits of the query again and sort them.
        """
        for since, until, number in self._times(query, size, width):
            within = {"range": {_TIME: {"gte": since, "lt": until, "format": "epoch_millis"}}}
            part = {"bool": {"filter": [query, within]}}
            if number > size:
                if width > _SECOND:
                    yield from self._slices(part, request, light, size, sort, _SECOND)
                else:
                    yield from self._pages(part, request, light, size, sort)
                continue
            restated = {"bool": {"filter": [query], "must_not": [{"bool": {"must_not": [within]}}]}}
            for asked in (part, restated):
                found = self._whole(asked, request, light, number + _ASTRAY, sort)
                hits = [hit for hit in found if since <= int(hit["sort"][0]) < until]
                if len(hits) == number:
                    break
            _require(len(hits), number)
            yield hits

    def _whole(
        self,
        query: Query,
        request: Mapping[str, Any],
        light: LightSearch | None,
        most: int,
        sort: Sequence[Any],
    ) -> Sequence[Hit]:
        """The hits of a query that has up to `most`, in this order."""
        if light is not None:
            hits = light.hits(self.search(**one_page(query, light, most))["hits"]["hits"])
            if hits is not None:
                return light.ordered(hits)
        found = self.search(query, size=most, sort=sort, track_total_hits=False, **request)
        return list(found["hits"]["hits"])

    def _times(self, query: Query, size: int, width: int) -> Iterator[tuple[int, int, int]]:
        """Slices of time in which a query has hits, up to `size` each unless a slice of this width
        has more: begin, end and how many."""
        since = until = number = 0
        source = {"time": {"date_histogram": {"field": _TIME, "fixed_interval": f"{width}ms"}}}
        for bucket in self.buckets(query, [source]):
            begin, more = int(bucket["key"]["time"]), int(bucket["doc_count"])
            if number and number + more > size:
                yield since, until, number
                number = 0
            since = since if number else begin
            until, number = begin + width, number + more
        if number:
            yield since, until, number

    def _pages(
        self,
        query: Query,
        request: Mapping[str, Any],
        light: LightSearch | None,
        size: int,
        sort: Sequence[Any],
    ) -> Iterator[Sequence[Hit]]:
        """All hits in this order, `size` at a time. Raises `RequestFailedError` if there are more
        or fewer than the engine counted; without a point in time, if there are fewer."""
        after: dict[str, Any] = {}
        total = seen = 0
        while True:
            first = not after
            asked = {"size": size, "sort": sort, "track_total_hits": first, **after}
            found, hits = self._page(query, request, light, asked)
            if first:
                total = found["total"]["value"]
            seen += len(hits)
            yield hits
            if len(hits) < size:
                break
            after = {"search_after": hits[-1]["sort"]}
        if self.pit or seen < total:
            _require(seen, total)

    def _page(
        self,
        query: Query,
        request: Mapping[str, Any],
        light: LightSearch | None,
        asked: Mapping[str, Any],
    ) -> tuple[Mapping[str, Any], Sequence[Hit]]:
        """What a search found, and its hits as `request` would bring them."""
        if light is not None:
            found = self.search(query, **light.body, **asked)["hits"]
            hits = light.hits(found["hits"])
            if hits is not None:
                return found, hits
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
        composite: dict[str, Any] = {"size": self._options.groups_page, "sources": list(sources)}
        by_time = _interval_of(sources)
        asked = query
        while True:
            grouped: dict[str, Any] = {"composite": composite}
            if aggregations:
                grouped["aggs"] = dict(aggregations)
            reply = self.search(asked, aggs={"groups": grouped}, track_total_hits=False)
            found = reply["aggregations"]["groups"]
            yield from found["buckets"]
            if len(found["buckets"]) < self._options.groups_page or "after_key" not in found:
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
        pit = {"pit": {"id": self.pit, "keep_alive": KEEP_ALIVE}} if self.pit else {}
        return {**body, **self._options.limit, **pit}


def _require(seen: int, total: int) -> None:
    """Raise `RequestFailedError` if there are more or fewer hits than the engine counted."""
    if seen != total:
        raise RequestFailedError(
            f"the cluster returned {seen} of {total} documents",
            hint="see the health of its shards (`trailhound doctor`)",
        )


def one_page(query: Query, light: LightSearch, size: int) -> dict[str, Any]:
    """The body of a search for all hits, in any order, if there are no more than `size`."""
    return {
        "query": query,
        "size": size,
        "sort": ["_doc"],
        "track_total_hits": size + 1,
        **light.body,
    }


def _interval_of(sources: Sequence[dict[str, Any]]) -> int | None:
    """The length in milliseconds of the buckets, if they are made by time alone."""
    if len(sources) != 1:
        return None
    (source,) = sources[0].values()
    length = source.get("date_histogram", {}).get("fixed_interval")
    return None if length is None else int(length.removesuffix("ms"))
