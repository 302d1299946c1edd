"""The scheduled jobs, one document for each: last run, last success, last error."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

DETECTIONS: Final = "detections"
"""The job that runs the due rules."""


class JobState(StateDocument, frozen=True, kw_only=True):
    """A job. Times are ISO 8601 in UTC; empty if there was none yet. `failures` is the total number
    of failures; `last_error` is empty after a success. `note`: what the last successful run left
    out, in words."""

    kind: ClassVar[str] = "job"
    id_prefix: ClassVar[str] = "job-"
    legacy_state: ClassVar[str] = "job"

    name: str
    last_run: str = ""
    last_success: str = ""
    last_error: str = ""
    failures: int = 0
    note: str = ""

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
        """A job as last written; if there is none, one that never ran."""
        return self._store.get([name]).get(name, JobState(name=name))

    def write(self, job: JobState) -> None:
        """Write a job."""
        self._store.write([job])

    def all(self) -> list[JobState]:
        """Every job, by name."""
        return sorted(self._store.all(), key=lambda each: each.name)
