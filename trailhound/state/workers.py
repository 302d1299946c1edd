"""The workers that read objects: one document for each, renewed while its process runs.

A worker's claims are valid while its document is fresh and its process is not known to have ended.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from trailhound.state.document import StateDocument


class WorkerState(StateDocument, frozen=True, kw_only=True):
    """One worker. `host` and `boot` identify the machine of `pid`."""

    kind: ClassVar[str] = "worker"
    id_prefix: ClassVar[str] = "worker-"
    legacy_state: ClassVar[str] = "worker"
    key_field: ClassVar[str] = "id"

    id: str
    heartbeat: datetime
    host: str = ""
    boot: str = ""
    pid: int = 0

    @property
    def key(self) -> str:
        return self.id
