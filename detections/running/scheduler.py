"""Runs jobs in one of all the daemons, each at its own interval.

A failed job is logged and run again at its next interval; the others are not affected. The time of
each job's last success is in the ledger index, so that the next lease holder continues from there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import replace
from opensearchpy.exceptions import OpenSearchException

from trailhound.cluster.refusals import described
from trailhound.errors import ClusterError
from trailhound.internal_errors import HOW_TO_SEE, is_internal
from trailhound.state.jobs import Jobs, JobState
from trailhound.state.leases import Lease
from trailhound.threads import SupervisedThread

LOG = logging.getLogger("trailhound.scheduler")
_TICK = 0.5
_STOPS_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a job: its last success (None: never), and whether it may continue."""

    last_success: datetime | None
    holds_lease: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Job:
    """`run(turn)` every `every` seconds; an exception is a failure of this run only. It returns
    what it left out, in words, if anything. `skipped`: what its runs have left out because of
    internal errors, in words."""

    name: str
    every: float
    run: Callable[[Turn], str | None]
    skipped: Callable[[], str] = lambda: ""
    settle: Callable[[float], None] = lambda _: None
    """Wait at most so many seconds for what a run left to threads of its own; `holds_lease` of its
    turn is false by then."""


@dataclass(slots=True)
class JobRuns:
    """Runs, failures and seconds of one job in this process."""

    runs: int = 0
    failures: int = 0
    seconds: float = 0.0
    fault: str = ""
    """Why it does not work (`JobState.fails`), as of the last run; empty if it does."""


class Scheduler:
    """Runs jobs in one thread, only while the lease is held."""

    def __init__(self, states: Jobs, lease: Lease, jobs: Sequence[Job]) -> None:
        self._states = states
        self._lease = lease
        self._jobs = list(jobs)
        self._due: dict[str, float] = {}
        self._term = 0
        self._runs = {job.name: JobRuns() for job in jobs}
        self._ended = threading.Event()
        self._thread = SupervisedThread(self._work, f"scheduler-{lease.name}", self._ended)

    def start(self) -> None:
        """Starts to contend for the lease and to run due jobs."""
        self._lease.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the current job and releases the lease."""
        self._ended.set()
        until = time.monotonic() + _STOPS_WITHIN
        if self._thread.is_alive():
            self._thread.join(_STOPS_WITHIN)
        for job in self._jobs:
            job.settle(max(0.0, until - time.monotonic()))
        self._lease.stop()

    def take(self, jobs: Sequence[Job]) -> None:
        """Run these jobs from now on. One whose interval has changed is due by the new one, counted
        from its last success; one that runs at the moment ends as it began."""
        every = {job.name: job.every for job in self._jobs}
        runs = {job.name: self._runs.get(job.name, JobRuns()) for job in jobs}
        self._runs = runs
        self._jobs = list(jobs)
        for job in jobs:
            if every.get(job.name) != job.every:
                self._due.pop(job.name, None)

    @property
    def leads(self) -> bool:
        """Whether this process runs the jobs."""
        return self._lease.held

    def runs(self) -> dict[str, JobRuns]:
        """By job; a copy."""
        return {name: copy(each) for name, each in self._runs.items()}

    def _work(self) -> None:
        while not self._ended.wait(_TICK):
            if not self._lease.held:
                continue
            if self._lease.term != self._term:
                self._term, self._due = self._lease.term, {}
            for job in self._jobs:
                if self._lease.held and not self._ended.is_set():
                    self._run_if_due(job)

    def _run_if_due(self, job: Job) -> None:
        runs = self._runs.get(job.name)
        if runs is None or time.monotonic() < self._due.get(job.name, 0.0):
            return
        began = time.monotonic()
        try:
            state = self._states.get(job.name)
            since = datetime.fromisoformat(state.last_success) if state.last_success else None
            if job.name not in self._due and since is not None:
                # New lease holder: another daemon may have run it a moment ago.
                left = job.every - (datetime.now(UTC) - since).total_seconds()
                if left > 0:
                    self._due[job.name] = began + min(left, job.every)
                    return
            runs.runs += 1
            note = job.run(Turn(since, lambda: self._lease.held and not self._ended.is_set()))
            done = replace(
                state, last_success=_now(), last_error="", note=note or "", skipped=job.skipped()
            )
            self._write(done)
            runs.fault = done.fails(datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - others still run
            runs.failures += 1
            runs.fault = described(error)
            self._failed(job, runs.fault, error)
        runs.seconds += time.monotonic() - began
        every = {each.name: each.every for each in self._jobs}
        self._due[job.name] = began + every.get(job.name, job.every)

    def _failed(self, job: Job, reason: str, error: Exception) -> None:
        more = f"; {HOW_TO_SEE}" if is_internal(error) else ""
        LOG.error("the job %s failed: %s%s", job.name, reason, more, exc_info=error)
        try:
            state = self._states.get(job.name)
            failed = state.failed(reason, datetime.now(UTC))
            self._write(replace(failed, skipped=job.skipped()))
        except (OpenSearchException, ClusterError):
            LOG.warning("the failure of the job %s could not be stored", job.name)

    def _write(self, state: JobState) -> None:
        if self._lease.held:
            self._states.write(replace(state, last_run=_now()))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
