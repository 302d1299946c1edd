"""Reads every alert that a query finds, without a limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch

from trailhound.cluster.reader import BY_SEQUENCE, IndexReader

PAGE = 500
WHOLE_PAGE = 50
"""Complete alerts in one reply; an alert may name 10,000 events in half a megabyte."""


def every(
    client: OpenSearch,
    index: str,
    asked: Sequence[Mapping[str, Any]],
    *,
    but: Sequence[Mapping[str, Any]] = (),
    fields: Sequence[str] | None = None,
    sort: Sequence[Mapping[str, Any]] = ({"@timestamp": "asc"},),
    limit: int | None = None,
    page: int | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`_id`, `_source`) of the alerts that match all of `asked` and none of `but`, at one point in
    time; empty if there is no index of alerts.

    `fields`: None for the complete document except the digests of counted events; empty for ids
    only. `page`: documents in one reply. To see what was written a moment ago, refresh first.
    Raises `ClusterError`.
    """
    # Not by `_id`: sorting by it loads all of them into memory.
    order = [*sort, {"group_key": "asc"}, {"first_seen": "asc"}, *BY_SEQUENCE]
    page = page or (PAGE if fields is not None else min(PAGE, WHOLE_PAGE))
    reader = IndexReader(client, index, order=order, hits_page=page)
    wanted: dict[str, Any] = {"_source": {"excludes": ["counted"]}}
    if fields is not None:
        wanted = {"_source": list(fields) or False}
    query = {"bool": {"filter": list(asked), "must_not": list(but)}}
    for hit in reader.documents(query, wanted, limit=limit):
        yield hit["_id"], hit.get("_source", {})
