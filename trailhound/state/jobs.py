"""The scheduled jobs, one document each: when it last ran and succeeded, and its last error."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore


class JobState(StateDocument, frozen=True, kw_only=True):
    """Times are ISO 8601 in UTC, empty where there was none yet. `failures` counts all there were;
    `last_error` is empty after a success."""

    kind: ClassVar[str] = "job"
    id_prefix: ClassVar[str] = "job-"
    legacy_state: ClassVar[str] = "job"

    name: str
    last_run: str = ""
    last_success: str = ""
    last_error: str = ""
    failures: int = 0

    @property
    def key(self) -> str:
        return self.name

    def as_dict(self) -> dict[str, Any]:
        """As `status` prints it."""
        return msgspec.structs.asdict(self)


class Jobs:
    """All jobs of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, JobState)

    def get(self, name: str) -> JobState:
        """A job as last written; one that never ran where there is none."""
        return self._store.get([name]).get(name, JobState(name=name))

    def write(self, job: JobState) -> None:
        """Set it."""
        self._store.write([job])

    def all(self) -> list[JobState]:
        """Every job, by name."""
        return sorted(self._store.all(), key=lambda each: each.name)
