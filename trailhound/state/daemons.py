"""The daemons: each writes its status every few seconds, for `trailhound status`.

A daemon removes its document when it ends. A document that was not renewed for a minute belongs to
a daemon that was killed or can't reach the cluster; it is removed when it is old.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

SILENT = timedelta(seconds=60)
_MARKS = frozenset({"kind", "state"})


class DaemonState(StateDocument, frozen=True, kw_only=True):
    """A daemon. `report` is its status in plain values, as `trailhound status` prints it."""

    kind: ClassVar[str] = "daemon"
    id_prefix: ClassVar[str] = "daemon-"
    legacy_state: ClassVar[str] = "daemon"
    key_field: ClassVar[str] = "id"

    id: str
    heartbeat: datetime
    host: str = ""
    pid: int = 0
    report: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.id

    def document(self) -> dict[str, Any]:
        """The document; the members of the report are at its top level, as in the last release."""
        made = super().document()
        report: dict[str, Any] = made.pop("report")
        return report | made

    @classmethod
    def upgraded(cls, source: Mapping[str, Any]) -> Mapping[str, Any]:
        own = {"id", "heartbeat", "host", "pid"}
        report = {name: value for name, value in source.items() if name not in {*own, *_MARKS}}
        return {name: source[name] for name in own & source.keys()} | {"report": report}

    def as_dict(self) -> dict[str, Any]:
        """As `status` prints it."""
        return self.document()


class Daemons:
    """All daemons of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, DaemonState)

    def write(self, daemon: DaemonState) -> None:
        """Register a daemon, or renew its status."""
        self._store.write([daemon])

    def deregister(self, identifier: str) -> None:
        """Remove a daemon, if it exists."""
        self._store.delete([identifier])

    def active(self, now: datetime | None = None) -> list[DaemonState]:
        """The daemons that wrote within the last minute before `now`, by host and process."""
        since = (now or datetime.now(UTC)) - SILENT
        found = self._store.all({"range": {"heartbeat": {"gte": since.isoformat()}}})
        return sorted(found, key=lambda each: (each.host, each.pid))
