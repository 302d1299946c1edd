"""This daemon's document in the ledger: its status, written every few seconds."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.daemons import Daemons, DaemonState

if TYPE_CHECKING:
    from ingest.daemon.status import DaemonStatus

RENEWED_SECONDS = 10.0


class DaemonRegistry:
    """Writes this daemon's document, and removes it at the end."""

    def __init__(self, settings: Settings, identifier: str) -> None:
        self._settings = settings
        self._id = identifier
        self._last: tuple[float, int] | None = None

    def renew(self, client: OpenSearch, status: DaemonStatus, **more: Any) -> None:
        """Write the document. Raises opensearch-py's exceptions; it is retried soon."""
        now = datetime.now(UTC)
        rate = 0.0
        if self._last is not None and now.timestamp() > self._last[0]:
            rate = (status.counts.accounted - self._last[1]) / (now.timestamp() - self._last[0])
        self._last = (now.timestamp(), status.counts.accounted)
        report = {
            "started": _when(status.started),
            **status.counts.as_dict(),
            "objects": status.objects,
            "ignored_objects": _rows(status.ignored),
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
                    "failing": feed.failing,
                    "ignored": _rows(feed.ignored),
                    "unknown": _rows(feed.unknown),
                    **feed.counters,
                }
                for feed in status.feeds
            ],
            **more,
        }
        daemon = DaemonState(
            id=self._id,
            heartbeat=now,
            host=socket.gethostname(),
            pid=os.getpid(),
            report=_encodable(report),
        )
        Daemons(client, self._settings).write(daemon)

    def deregister(self, client: OpenSearch) -> None:
        """Remove the document. Raises opensearch-py's exceptions."""
        Daemons(client, self._settings).deregister(self._id)


def _encodable(value: Any) -> Any:
    """A value with all text fit for JSON: paths and errors may have text that is not Unicode.

    >>> _encodable({"last_error": ["/trail/\\udcff.json"]})
    {'last_error': ['/trail/\\\\udcff.json']}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {name: _encodable(each) for name, each in value.items()}
    return [_encodable(each) for each in value] if isinstance(value, list) else value


def _rows(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Counts as a list, since their names come from outside and must not be keys of a document."""
    return [{"what": name, "number": number} for name, number in counts.items()]


def _when(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else None
