"""How far each region's folder of a polled bucket has been read: one document for each folder.

Everything delivered up to a checkpoint is finished, so the later of two checkpoints is valid, and
none ever moves back.
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
    """A checkpoint: the `uri` of a folder, and the time `mark`, to the second, up to which
    everything is finished."""

    kind: ClassVar[str] = "feed_checkpoint"
    id_prefix: ClassVar[str] = "feed-checkpoint-"

    uri: str
    mark: datetime

    @property
    def key(self) -> str:
        return self.key_of(self.uri)

    @staticmethod
    def key_of(uri: str) -> str:
        """A hash of the folder's name, which can be too long for an `_id`."""
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
        """The checkpoints of the folders below a URI, including those of the last release."""
        found: dict[str, datetime] = {}
        with cluster_errors(self._settings):
            for each in self._store.all({"prefix": {"uri": root}}):
                known = found.get(each.uri)
                found[each.uri] = each.mark if known is None else max(known, each.mark)
        return found

    def put(self, marks: Mapping[str, datetime]) -> None:
        """Write the checkpoints that are later than the stored ones."""
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
