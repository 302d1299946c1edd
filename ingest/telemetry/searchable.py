"""Measures the time from delivery to searchable, on one object at a time.

An acknowledged document is searchable after the next refresh, and when that is the cluster does not
say. So one object is chosen and searched for each second until all of its events are found, then
the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError
from trailhound.settings import Settings
from trailhound.state.objects import names_in_events

_LOOK_EVERY = 1.0
_GIVE_UP_AFTER = 900.0
"""Seconds after which the search for an object ends, for example because its days were deleted."""


@dataclass(frozen=True, slots=True)
class _Sample:
    uri: str
    delivered: float
    events: int
    since: float


class SearchProbe:
    """Calls `found(seconds)` with the time from delivery to searchable, of some objects."""

    def __init__(self, settings: Settings, found: Callable[[float], None]) -> None:
        self._index = Names(settings.prefix).days
        self._found = found
        self._sample: _Sample | None = None
        self.last: float | None = None
        """The last measured time, in seconds."""

    def indexed(self, uri: str, delivered: float, events: int) -> None:
        """An object is acknowledged, with `events` new ones. It is used if no other object is being
        searched for.

        `delivered` is in seconds since the epoch, 0 where it is not known.
        """
        if self._sample is None and delivered and events:
            self._sample = _Sample(uri, delivered, events, time.monotonic())

    def run(self, client: OpenSearch, ended: threading.Event) -> None:
        """Search until `ended`. A cluster that does not reply is tried again."""
        while not ended.wait(_LOOK_EVERY):
            sample = self._sample
            if sample is None:
                continue
            if self._is_there(client, sample):
                self.last = max(0.0, time.time() - sample.delivered)
                self._found(self.last)
                self._sample = None
            elif time.monotonic() - sample.since > _GIVE_UP_AFTER:
                self._sample = None

    def _is_there(self, client: OpenSearch, sample: _Sample) -> bool:
        query = {"terms": {"trail.object": names_in_events(sample.uri)}}
        reader = IndexReader(client, self._index, busy_seconds=0)
        try:
            reply = reader.search({"query": query, "track_total_hits": sample.events})
        except (OpenSearchException, ClusterError):
            return False
        return bool(reply["hits"]["total"]["value"] >= sample.events)
