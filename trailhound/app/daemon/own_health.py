"""Whether a running daemon is ready: its own reasons, and those that it watches in the cluster."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, OpenSearchException

from ingest.daemon.status import DaemonStatus
from ingest.telemetry.endpoint import Health
from trailhound.app.daemon.running import Running
from trailhound.app.daemon.same_days import SameDays
from trailhound.app.daemon.same_ledger import SameLedger
from trailhound.app.detection.scheduled_detections import ScheduledDetections
from trailhound.app.doctor.template_checks import index_templates
from trailhound.app.health.readiness import Readiness, Reason
from trailhound.app.health.reasons import (
    enrichment_reasons,
    reported_reasons,
    rule_intervals,
    rule_path_reasons,
    shared_reasons,
)
from trailhound.app.health.shared_state import read_shared
from trailhound.cluster import templates
from trailhound.cluster.clock import seconds_apart
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import (
    ClusterError,
    ClusterUnreachableError,
    ForeignTemplateError,
    SpoolError,
)
from trailhound.settings import Settings
from trailhound.state.daemons import DaemonState
from trailhound.state.jobs import DETECTIONS
from trailhound.threads import ThreadStatus, supervised_threads

LOG = logging.getLogger("trailhound.app.service")
_SILENT_AFTER = 60.0
"""Seconds without an answer after which the cluster counts as unreachable."""
_SHARED_EVERY = 5.0
_CLOCK_EVERY = 60.0
_TEMPLATES_EVERY = 15.0


class OwnHealth:
    """What `/readyz`, the metrics and the status document say of this daemon."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._answers = False
        self._answered_at = time.monotonic()
        self._shared = [Reason("state", "ledger", "starting: the state is not read yet")]
        """What is wrong with what all daemons share, as last read."""
        self._others: list[Reason] = []
        """What other daemons report of themselves, as last read."""
        self._clock: Reason | None = None
        self._template: Reason | None = None
        self._same_ledger = SameLedger()
        self._ledger: Reason | None = None
        self._same_days = SameDays()
        self._day: Reason | None = None

    def cluster_answered(self) -> None:
        """The cluster has just answered."""
        self._answers, self._answered_at = True, time.monotonic()

    def cluster_failed(self) -> None:
        """The last request to the cluster failed."""
        self._answers = False

    @property
    def cluster_answers(self) -> bool:
        """Whether the cluster answered the last request, and that lately."""
        return self._answers and time.monotonic() - self._answered_at <= _SILENT_AFTER

    def watch(self, client: OpenSearch) -> None:
        """Read the shared state of the daemons, the cluster's clock and templates, and what became
        of refused events, at intervals, until the daemon stops."""
        compare_at = look_at = 0.0
        while True:
            settings = self._running.settings
            if time.monotonic() >= compare_at:
                compare_at = time.monotonic() + _CLOCK_EVERY
                with suppress(OpenSearchException):  # not every user may read it
                    self._clock = _clock_reason(seconds_apart(client), settings)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _TEMPLATES_EVERY
                with suppress(OpenSearchException, ClusterUnreachableError):
                    self._template = _template_reason(client, settings)
                    self._ledger = self._same_ledger.reason(client, settings)
                    self._day = self._same_days.reason(client, settings)
                self._look_again_at_refused(client)
            try:
                with cluster_errors(settings):
                    shared = read_shared(client, settings)
                self._shared = shared_reasons(shared, settings, self._intervals)
                others = [each for each in shared.daemons if not _is_this_one(each)]
                self._others = list(reported_reasons(others))
            except ClusterError as error:
                message = f"the state of jobs, rules and channels cannot be read: {error.message}"
                self._shared, self._others = [Reason("state", "ledger", message)], []
            if self._running.stopping.wait(_SHARED_EVERY):
                break

    def _look_again_at_refused(self, client: OpenSearch) -> None:
        """Others may have dismissed or retried the dead letters that keep the daemon unready."""
        if (daemon := self._running.daemon) is not None:
            try:
                daemon.look_again(client)
            except (OpenSearchException, ClusterError, SpoolError) as error:
                LOG.warning("whether refused events still wait is not known: %s", error)

    def reasons(self, *, answers: bool = False) -> list[Reason]:
        """The reasons of this process. `answers`: the cluster has just answered."""
        found = daemon_reasons(
            self._running.status(),
            supervised_threads(),
            cluster_answers=answers or self.cluster_answers,
        )
        found += filter(None, (self._clock, self._template, self._ledger, self._day))
        found += self._jobs()
        if error := self._running.reload_error:
            message = f"the previous settings stay active: {error}"
            found.append(Reason("settings", "reload", message))
        found += enrichment_reasons(self._running.loaded.problems)
        if (detections := self._running.detections) is not None:
            found += self._detections(detections)
        return found

    def readiness(self) -> Readiness:
        """Whether this daemon is ready; each reason once."""
        is_stopping = self._running.stopping.is_set()
        stopping = [Reason("stopping", "daemon", "stopping")] if is_stopping else []
        return _each_once([*stopping, *self.reasons(), *self._shared])

    def of_all(self) -> Readiness:
        """Whether this daemon and those that it reads of are ready, for messages to people: one
        that is stopped by somebody is no reason."""
        return _each_once([*self.reasons(), *self._shared, *self._others])

    def answer(self) -> Health:
        """The readiness as the endpoint answers with it."""
        return Health(tuple(each.as_dict() for each in self.readiness().reasons))

    def _jobs(self) -> Iterator[Reason]:
        jobs = self._running.jobs
        for name, error in jobs.failing() if jobs is not None else ():
            if error:
                yield Reason("job", name, f"the job {name} fails: {error}")

    def _detections(self, detections: ScheduledDetections) -> Iterator[Reason]:
        if detections.refused:
            message = f"the previous rules stay active: {detections.refused}"
            yield Reason("rules", "reload", message)
        elif detections.faults:
            message = f"not all rules of the settings are active: {detections.faults}"
            yield Reason("rules", "faults", message)
        if DETECTIONS in self._running.led():  # else another daemon does not look at the paths
            yield from rule_path_reasons(detections.unread, detections.lost)
        for name, why in detections.broken_channels.items():
            yield Reason("channel", name, f"the channel {name} cannot be used: {why}")

    def _intervals(self) -> dict[str, timedelta]:
        """The intervals of the active rules; where another daemon runs them, those of the
        settings."""
        detections = self._running.detections
        running = detections.intervals if detections is not None else {}
        return running or rule_intervals(self._running.settings)


def _each_once(reasons: Sequence[Reason]) -> Readiness:
    once = {(each.code, each.subject): each for each in reversed(reasons)}
    return Readiness(tuple(once.values())[::-1])


def _is_this_one(daemon: DaemonState) -> bool:
    return (daemon.host, daemon.pid) == (socket.gethostname(), os.getpid())


def daemon_reasons(
    status: DaemonStatus | None, threads: Iterable[ThreadStatus], *, cluster_answers: bool
) -> list[Reason]:
    """What is wrong with this process's own daemon; `status` is None before it started."""
    found = []
    if not cluster_answers:
        found.append(Reason("cluster", "cluster", "the cluster has not answered recently"))
    for thread in threads:
        if thread.fault:
            again = f", and was restarted ({thread.restarts} times so far)"
            found.append(
                Reason(
                    "thread",
                    thread.name,
                    f"the thread {thread.name} failed: {thread.fault}"
                    + (again if thread.restarts else ""),
                )
            )
    if status is None:
        return found
    if status.waiting_for:
        found.append(Reason("cluster", "cluster", f"waiting for the cluster: {status.waiting_for}"))
    if status.failing:
        found.append(Reason("session", "ingest", status.failing))
    if status.stuck:
        found.append(
            Reason(
                "stuck",
                status.stuck,
                f"{status.stuck} has been in flight for a long time without progress",
            )
        )
    if status.deferred:
        found.append(
            Reason(
                "deferred",
                "spool",
                f"{status.deferred} objects wait to be read again: {status.deferred_for}",
            )
        )
    found.extend(
        Reason("feed", feed.name, f"the source {feed.name}: {feed.failing}")
        for feed in status.feeds
        if feed.failing
    )
    found.extend(
        Reason("feed", feed, f"the source {feed}: objects of it cannot be fetched: {why}")
        for feed, why in status.unreachable.items()
    )
    if status.refused:
        found.append(Reason("refused", "events", status.refused))
    return found


def _clock_reason(apart: float, settings: Settings) -> Reason | None:
    """The reason of a clock that is `apart` seconds from the cluster's, if checkpoints may pass
    events because of that before rules search for them; else None."""
    if apart <= settings.detections.lookback_minutes * 60 / 2:
        return None
    message = (
        f"the clocks of this machine and the cluster are {apart:,.0f} s apart: event.ingested is "
        "wrong, and scheduled rules may miss events"
    )
    return Reason("clock", "clock", message)


def _template_reason(client: OpenSearch, settings: Settings) -> Reason | None:
    """Why a new day would not be ours: the cluster makes one that was deleted under a daemon by
    whichever template applies. Raises opensearch-py's exceptions and `ClusterUnreachableError`."""
    try:
        templates.check(client, settings)
    except ForeignTemplateError as error:
        return Reason("template", "index templates", error.message)
    with suppress(AuthorizationException):  # not every user may read it
        found = index_templates(client, settings)
        if found.verdict == "failed":
            return Reason(
                "template", found.what, f"{found.fact}: so is each index made from now on"
            )
    return None
