"""Daemons that live: each writes how it does into the ledger index, for `trailhound status`.

One document a daemon, `_id` = `daemon-<id>`, renewed every few seconds and taken away at the end;
one that has not been renewed for a minute belongs to a daemon that was killed.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.settings import Settings

if TYPE_CHECKING:
    from ingest.daemon.daemon import DaemonStatus

RENEWED_SECONDS = 10.0
_SILENT_SECONDS = 60.0
_MOST = 1_000


class DaemonRegistry:
    """This daemon's document."""

    def __init__(self, settings: Settings, identifier: str) -> None:
        self._index = Names(settings.prefix).ledger
        self._id = f"daemon-{identifier}"
        self._about = {"host": socket.gethostname(), "pid": os.getpid()}
        self._last: tuple[float, int] | None = None

    def renew(self, client: OpenSearch, status: DaemonStatus, **more: Any) -> None:
        """Write it. Raises opensearch-py's exceptions; the next try is soon."""
        now = datetime.now(UTC)
        rate = 0.0
        if self._last is not None and now.timestamp() > self._last[0]:
            rate = (status.counts.settled - self._last[1]) / (now.timestamp() - self._last[0])
        self._last = (now.timestamp(), status.counts.settled)
        document = {
            "state": "daemon",
            "heartbeat": now.isoformat(),
            **self._about,
            "started": _when(status.started),
            **status.counts.as_dict(),
            "objects": status.objects,
            "bytes": status.bytes,
            "retries": status.retries,
            "in_flight": status.in_flight,
            "events_per_second": round(rate, 1),
            "last_error": status.last_error,
            "last_error_at": _when(status.last_error_at),
            "sources": [
                {
                    "name": feed.name,
                    "kind": feed.kind,
                    "depth": feed.depth,
                    "last_arrival": _when(feed.last_arrival),
                    "last_error": feed.last_error,
                    "last_error_at": _when(feed.last_error_at),
                    **feed.counters,
                }
                for feed in status.feeds
            ],
            **more,
        }
        client.index(index=self._index, id=self._id, body=document)

    def leave(self, client: OpenSearch) -> None:
        """Take it away."""
        client.delete(index=self._index, id=self._id, params={"ignore": 404})


def jobs(client: OpenSearch, settings: Settings) -> list[dict[str, Any]]:
    """The scheduled jobs by name: when each last ran and succeeded, its last error."""
    return sorted(_in_state("job", client, settings), key=lambda each: str(each["name"]))


def _in_state(state: str, client: OpenSearch, settings: Settings) -> list[dict[str, Any]]:
    index = Names(settings.prefix).ledger
    client.indices.refresh(index=index, params={"ignore_unavailable": "true"})
    reply = client.search(
        index=index,
        body={"size": _MOST, "query": {"term": {"state": state}}},
        params={"ignore_unavailable": "true"},
    )
    return [hit["_source"] for hit in reply["hits"]["hits"]]


def living(client: OpenSearch, settings: Settings) -> list[dict[str, Any]]:
    """The documents of the daemons that live, by host and process."""
    found = _in_state("daemon", client, settings)
    now = datetime.now(UTC)
    alive = [
        each
        for each in found
        if (now - datetime.fromisoformat(each["heartbeat"])).total_seconds() < _SILENT_SECONDS
    ]
    return sorted(alive, key=lambda each: (each["host"], each["pid"]))


def _when(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else None
