"""Counts the events of a plain rule: by the engine, and by reading those that it cannot decide.

On a product that searches free-form objects slowly (see `Dialect.superset`) a rule is searched
without expressions on them first. Usually few events are left, which are read and decided. Only
where many are left is the complete query sent, and what it finds with certainty is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from detections.compiled import REPAIRED, Compiled, Query
from detections.events.index import EventIndex
from detections.events.matching import Matching, decided, reader_for
from detections.span import Span
from trailhound.cluster.complete_reply import search_timeout

FEW: Final = 300
"""Up to this number, reading events is cheaper than an expression on every value of an object."""
AT_ONCE: Final = 50
"""Events that come with the reply for many rules."""


class Counting:
    """Counts in one index. `seconds`: when the engine cuts a search off."""

    def __init__(self, index: EventIndex, seconds: float) -> None:
        self._index = index
        self._limit = search_timeout(seconds)

    def request(self, compiled: Compiled, span: Span) -> dict[str, Any]:
        """The body of a rule's first search."""
        if compiled.superset is None:
            return self._complete(compiled, span)
        return self._of_few(compiled, compiled.superset, span, AT_ONCE)

    def number(self, compiled: Compiled, span: Span, answer: Mapping[str, Any]) -> int:
        """How many events match, given the complete answer to `request`.

        Searches once more where that says too little. Raises `ClusterError`.
        """
        total = int(answer["hits"]["total"]["value"])
        if compiled.superset is not None and total:
            if AT_ONCE < total <= FEW:
                answer = self._index.search(self._of_few(compiled, compiled.superset, span, FEW))
            if answer["hits"]["total"]["value"] == len(answer["hits"]["hits"]):
                reader = reader_for(compiled)
                return sum(1 for _ in decided(compiled, reader, answer["hits"]["hits"]))
            answer = self._index.search(self._complete(compiled, span))
            total = int(answer["hits"]["total"]["value"])
        if not total:
            return 0
        found = answer["aggregations"]
        if compiled.post_filter is None:
            repaired = int(found["repaired"]["doc_count"])
            return total + (self._read(compiled, span, REPAIRED) - repaired if repaired else 0)
        if compiled.decided is None:
            return self._read(compiled, span)
        certain = int(found["decided"]["doc_count"])
        if certain == total:
            return total
        return certain + self._read(compiled, span, {"bool": {"must_not": [compiled.decided]}})

    def _of_few(self, compiled: Compiled, broad: Query, span: Span, size: int) -> dict[str, Any]:
        return {
            "query": within(broad, span),
            "size": size,
            "track_total_hits": FEW + 1,
            "sort": ["_doc"],
            **reader_for(compiled).request(),
            **self._limit,
        }

    def _complete(self, compiled: Compiled, span: Span) -> dict[str, Any]:
        asked = {"repaired": REPAIRED} | ({"decided": compiled.decided} if compiled.decided else {})
        return {
            "query": within(compiled.query, span),
            "size": 0,
            "track_total_hits": True,
            "aggs": {name: {"filter": query} for name, query in asked.items()},
            **self._limit,
        }

    def _read(self, compiled: Compiled, span: Span, *filters: Query) -> int:
        """How many of the events that pass the filters match."""
        with self._index.snapshot(span.query()) as snapshot:
            matching = Matching(snapshot, compiled)
            return sum(1 for _ in matching.hits(span.query(), *filters, ordered=False))


def within(query: Query, span: Span) -> Query:
    """The events of a span that match."""
    return {"bool": {"filter": [span.query(), query]}}
