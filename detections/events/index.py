"""The events of one namespace, read by time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

from opensearchpy import OpenSearch

from detections.events.light import light_search
from trailhound.cluster.reader import GROUPS_PAGE, HITS_PAGE, IndexReader, Query

ORDER: tuple[str, ...] = ("eventID", "trail.object", "trail.position")
"""Orders events of the same time, uniquely: by the record's position in its source."""
SORT = [{name: "asc"} for name in ("@timestamp", *ORDER)]
BY_DAY: Final[Mapping[str, Any]] = {
    "date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "min_doc_count": 1}
}
"""An aggregation: a bucket for each UTC day that has events."""


class Days(Protocol):
    """Daily indices that are known by day. `expression`: all of them."""

    @property
    def expression(self) -> str: ...

    def look(self) -> None:
        """Look which there are, where they are looked up again and again."""

    def holding(self, query: Query | None) -> str:
        """An expression of those that may hold events of a query."""

    def on(self, days: Collection[str]) -> str:
        """An expression of those of some UTC days, `YYYY.MM.DD`."""


class EventIndex(IndexReader):
    """An alias or a pattern of daily indices; hits come in the order of time (`sort[0]`, in
    milliseconds) and then of `ORDER`."""

    def __init__(
        self,
        client: OpenSearch,
        index: str | Days,
        *,
        hits_page: int = HITS_PAGE,
        groups_page: int = GROUPS_PAGE,
        seconds: float | None = None,
    ) -> None:
        """`index`: those that are searched; where they are known by day, each search asks those of
        its time. `seconds`: when the engine cuts a search off, which is then an error; None for
        never."""
        self._days = None if isinstance(index, str) else index
        super().__init__(
            client,
            index if isinstance(index, str) else index.expression,
            order=SORT,
            hits_page=hits_page,
            groups_page=groups_page,
            seconds=seconds,
            lighten=light_search,
        )

    def holding(self, query: Query | None, /) -> str:
        return super().holding(query) if self._days is None else self._days.holding(query)

    def on(self, query: Query, days: Collection[str] | None) -> str:
        """The indices that may hold events of a query, all of which are of these UTC days; None: of
        any that the query allows."""
        if days is None or self._days is None:
            return self.holding(query)
        return self._days.on(days)


def terms(name: str, field: str) -> dict[str, Any]:
    """A source of a composite aggregation: a field's values."""
    return {name: {"terms": {"field": field}}}


def histogram(name: str, milliseconds: int) -> dict[str, Any]:
    """A source of a composite aggregation: event times in buckets of a fixed length."""
    return {
        name: {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{milliseconds}ms"}}
    }
