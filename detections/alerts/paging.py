"""Every alert that a query finds, page by page: no limit hides any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch

from trailhound.errors import RequestFailedError

PAGE = 500


def every(
    client: OpenSearch,
    index: str,
    asked: Sequence[Mapping[str, Any]],
    *,
    but: Sequence[Mapping[str, Any]] = (),
    fields: Sequence[str] | None = None,
    sort: Sequence[Mapping[str, str]] = ({"@timestamp": "asc"},),
    limit: int | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`_id`, `_source`) of the alerts that match all of `asked` and none of `but`.

    Without `fields` the whole document, less the events that it counted. Whoever has to see what
    was written a moment ago refreshes first. Raises `RequestFailedError` where a shard did not
    answer.
    """
    body: dict[str, Any] = {
        "query": {"bool": {"filter": list(asked), "must_not": list(but)}},
        # Not by `_id`: sorting by it loads all of them into memory.
        "sort": [*sort, {"group_key": "asc"}, {"first_seen": "asc"}, {"_seq_no": "asc"}],
        "_source": list(fields) if fields is not None else {"excludes": ["counted"]},
        "track_total_hits": False,
    }
    left = limit
    while left is None or left > 0:
        body["size"] = PAGE if left is None else min(PAGE, left)
        reply = client.search(index=index, body=body)
        if reply["timed_out"] or reply["_shards"]["failed"]:
            raise RequestFailedError(
                "not every shard of the alerts answered", hint="see the cluster's health"
            )
        hits = reply["hits"]["hits"]
        yield from ((hit["_id"], hit["_source"]) for hit in hits)
        if len(hits) < body["size"]:
            return
        body["search_after"] = hits[-1]["sort"]
        left = None if left is None else left - len(hits)
