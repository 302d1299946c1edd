"""How far each region's folder of a polled bucket has been followed: one document a folder.

Everything delivered up to a checkpoint is finished, so of two the later one is valid: none ever
moves back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from opensearchpy import OpenSearch

from trailhound.cluster.refusals import cluster_errors
from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore


class FeedCheckpoint(StateDocument, frozen=True, kw_only=True):
    """`uri` of a folder; `mark` is the time, to the second, up to which all is finished."""

    kind: ClassVar[str] = "feed_checkpoint"
    id_prefix: ClassVar[str] = "feed-checkpoint-"

    uri: str
    mark: datetime

    @property
    def key(self) -> str:
        return self.key_of(self.uri)

    @staticmethod
    def key_of(uri: str) -> str:
        """A folder's name can be longer than an `_id` may be."""
        return hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()

    @classmethod
    def legacy_query(cls) -> dict[str, Any]:
        """The last release gave the checkpoints of rules the same `state`; those have no `uri`."""
        return {"bool": {"filter": [{"term": {"state": "mark"}}, {"exists": {"field": "uri"}}]}}


class FeedCheckpoints:
    """The checkpoints of a namespace; `get` and `put` raise `ClusterError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, FeedCheckpoint)
        self._settings = settings

    def get(self, root: str) -> dict[str, datetime]:
        """The checkpoints of the folders below a URI, those of the last release included."""
        found: dict[str, datetime] = {}
        with cluster_errors(self._settings):
            for each in self._store.all({"prefix": {"uri": root}}):
                known = found.get(each.uri)
                found[each.uri] = each.mark if known is None else max(known, each.mark)
        return found

    def put(self, marks: Mapping[str, datetime]) -> None:
        """Write those that are later than what is stored."""
        keys = {FeedCheckpoint.key_of(uri): uri for uri in marks}
        if not keys:
            return
        with cluster_errors(self._settings):
            stored = self._store.get(keys)
            later = []
            for key, uri in keys.items():
                mark = marks[uri].astimezone(UTC).replace(microsecond=0)
                if key not in stored or stored[key].mark < mark:
                    later.append(FeedCheckpoint(uri=uri, mark=mark))
            self._store.write(later)
