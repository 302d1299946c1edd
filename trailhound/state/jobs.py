"""The scheduled jobs, one document for each: last run, last success, last error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import msgspec
from msgspec.structs import replace
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

DETECTIONS: Final = "detections"
"""The job that runs the due rules."""


RELAPSE: Final = timedelta(minutes=10)
"""A job that failed, succeeded and failed within this time counts as failing for as long again."""
SHOWN: Final = timedelta(hours=1)
"""For so long `status` shows the error of a job that has succeeded since."""


class JobState(StateDocument, frozen=True, kw_only=True):
    """A job. Times are ISO 8601 in UTC; empty if there was none yet. `failures` is the total number
    of failures; `last_error` is empty after a success. `note`: what the last successful run left
    out, in words. `skipped`: what runs left out because of internal errors, in words.

    `failed_at` and `failure` are of the last failure, whatever came after it. `relapsed_at` is set
    by one that came soon after a success that came soon after another failure: such a job does not
    work between two failures either.
    """

    kind: ClassVar[str] = "job"
    id_prefix: ClassVar[str] = "job-"
    legacy_state: ClassVar[str] = "job"

    name: str
    last_run: str = ""
    last_success: str = ""
    last_error: str = ""
    failures: int = 0
    note: str = ""
    skipped: str = ""
    failed_at: str = ""
    failure: str = ""
    relapsed_at: str = ""

    def failed(self, reason: str, now: datetime) -> JobState:
        """The job after one more failure."""
        again = not self.last_error and _within(self.failed_at, now, RELAPSE)
        return replace(
            self,
            last_error=reason,
            failures=self.failures + 1,
            failed_at=_stamp(now),
            failure=reason,
            relapsed_at=_stamp(now) if again else self.relapsed_at,
        )

    def fails(self, now: datetime) -> str:
        """Why it does not work: the error of the last run, or, of a job that fails again and again,
        of the last that failed. Empty if it works."""
        if self.last_error:
            return self.last_error
        again = _within(self.relapsed_at, now, RELAPSE)
        return f"again and again, last at {self.failed_at[:19]}: {self.failure}" if again else ""

    def last_failure(self, now: datetime) -> str:
        """The error of the last run; after a success, that of the last failure for an hour more."""
        if self.last_error:
            return self.last_error
        if not _within(self.failed_at, now, SHOWN):
            return ""
        return f"at {self.failed_at[:19]}: {self.failure}"

    @property
    def key(self) -> str:
        return self.name

    def as_dict(self) -> dict[str, Any]:
        """As `status` prints it."""
        return msgspec.structs.asdict(self) | {"last_failure": self.last_failure(datetime.now(UTC))}


def _within(stamp: str, now: datetime, span: timedelta) -> bool:
    return bool(stamp) and now - datetime.fromisoformat(stamp) <= span


def _stamp(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")


class Jobs:
    """All jobs of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, JobState)

    def get(self, name: str) -> JobState:
        """A job as last written; if there is none, one that never ran."""
        return self._store.one(name) or JobState(name=name)

    def write(self, job: JobState) -> None:
        """Write a job."""
        self._store.write([job])

    def all(self) -> list[JobState]:
        """Every job, by name."""
        return sorted(self._store.all(), key=lambda each: each.name)
