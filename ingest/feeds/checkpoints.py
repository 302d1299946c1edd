"""How far each region's folder has been followed, kept in the ledger index.

One document a folder, `_id` = `mark-` and the hash of its URI. A mark says that everything
delivered up to then has been settled, so of two the later one is right: none ever moves back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from opensearchpy import OpenSearch

from ingest.ledger import object_id
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

_MOST = 10_000


class Marks:
    """The marks of a cluster; `get` and `put` raise `ClusterError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._index = Names(settings.prefix).ledger

    def get(self, root: str) -> dict[str, datetime]:
        """The marks of the folders below a URI."""
        with cluster_errors(self._settings):
            self._client.indices.refresh(index=self._index)
            wanted = [{"term": {"state": "mark"}}, {"prefix": {"uri": root}}]
            reply = self._client.search(
                index=self._index, body={"size": _MOST, "query": {"bool": {"filter": wanted}}}
            )
        sources = (hit["_source"] for hit in reply["hits"]["hits"])
        return {source["uri"]: datetime.fromisoformat(source["mark"]) for source in sources}

    def put(self, marks: Mapping[str, datetime]) -> None:
        """Write marks that are later than those that stand."""
        if not marks:
            return
        ids = {f"mark-{object_id(uri)}": uri for uri in marks}
        with cluster_errors(self._settings):
            found = self._client.mget(index=self._index, body={"ids": list(ids)})
            actions: list[dict[str, object]] = []
            for doc in found["docs"]:
                uri = ids[doc["_id"]]
                stands = doc["_source"]["mark"] if doc.get("found") else ""
                # All are UTC at one width, so text order is time order.
                mark = marks[uri].isoformat(timespec="seconds")
                if mark > stands:
                    actions.append({"index": {"_id": doc["_id"]}})
                    actions.append({"uri": uri, "state": "mark", "mark": mark})
            if actions:
                self._client.bulk(index=self._index, body=actions)
