"""Jobs that one of all the daemons runs, each on its own interval.

A job that fails is told of and tried again at its next time; the others go on. When each last
succeeded stands in the ledger index, so that whoever is elected next goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from trailhound.state.leases import Lease

LOG = logging.getLogger("trailhound.scheduler")
_TICK = 0.5


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a job: when it last succeeded (None: never), and whether it may still go on."""

    last_success: datetime | None
    holds_lease: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Job:
    """`run(turn)` every so many seconds; whatever it raises is a failure of this turn alone."""

    name: str
    every: float
    run: Callable[[Turn], None]


@dataclass(slots=True)
class JobRuns:
    """Of one job, in this process since its start: how often it ran and failed, seconds spent."""

    runs: int = 0
    failures: int = 0
    seconds: float = 0.0


class Scheduler:
    """Runs jobs in one thread, only while the lease is held."""

    def __init__(self, client: OpenSearch, index: str, lease: Lease, jobs: Sequence[Job]) -> None:
        self._client = client
        self._index = index
        self._lease = lease
        self._jobs = list(jobs)
        self._due: dict[str, float] = {}
        self._term = 0
        self._runs = {job.name: JobRuns() for job in jobs}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="scheduler", daemon=True)

    def start(self) -> None:
        """Begin to contend for the lease, and to run what is due."""
        self._lease.start()
        self._thread.start()

    def stop(self) -> None:
        """End after the job that runs now, and give the lease up."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._lease.stop()

    @property
    def leads(self) -> bool:
        """Whether it is this one that runs the jobs."""
        return self._lease.held

    def runs(self) -> dict[str, JobRuns]:
        """By job; a copy."""
        return {name: replace(each) for name, each in self._runs.items()}

    def _work(self) -> None:
        while not self._ended.wait(_TICK):
            if not self._lease.held:
                continue
            if self._lease.term != self._term:
                self._term, self._due = self._lease.term, {}
            for job in self._jobs:
                if self._lease.held and not self._ended.is_set():
                    self._look_at(job)

    def _look_at(self, job: Job) -> None:
        if time.monotonic() < self._due.get(job.name, 0.0):
            return
        began = time.monotonic()
        try:
            stood = self._read(job)
            last = stood.get("last_success")
            since = datetime.fromisoformat(last) if last else None
            if job.name not in self._due and since is not None:
                # Newly elected: somebody else may have run it a moment ago.
                left = job.every - (datetime.now(UTC) - since).total_seconds()
                if left > 0:
                    self._due[job.name] = began + min(left, job.every)
                    return
            self._runs[job.name].runs += 1
            job.run(Turn(since, lambda: self._lease.held and not self._ended.is_set()))
            self._write(job, stood | {"last_success": _now(), "last_error": ""})
        except Exception as error:  # noqa: BLE001 - one job's fault is not the others'
            self._runs[job.name].failures += 1
            self._failed(job, error)
        self._runs[job.name].seconds += time.monotonic() - began
        self._due[job.name] = began + job.every

    def _failed(self, job: Job, error: Exception) -> None:
        LOG.error("the job %s failed: %s: %s", job.name, type(error).__name__, error)
        try:
            entry = self._read(job)
            failures = entry.get("failures", 0) + 1
            said = f"{type(error).__name__}: {error}"
            self._write(job, entry | {"last_error": said, "failures": failures})
        except OpenSearchException:
            LOG.warning("the failure of the job %s could not be written down", job.name)

    def _read(self, job: Job) -> dict[str, Any]:
        try:
            found = self._client.get(index=self._index, id=f"job-{job.name}")
        except NotFoundError:
            return {}
        source: dict[str, Any] = found["_source"]
        return source

    def _write(self, job: Job, entry: dict[str, Any]) -> None:
        if self._lease.held:
            document = entry | {"state": "job", "name": job.name, "last_run": _now()}
            self._client.index(index=self._index, id=f"job-{job.name}", body=document)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
