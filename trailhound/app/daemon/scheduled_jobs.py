"""The jobs that only one of all daemons runs.

They are housekeeping, retention, rules, known automation, the mailed report, and the verification
of trail files. Each has its own lease and thread, so that rules need not wait for a report, and
so that a daemon whose settings don't ask for a job never keeps it from the one whose settings do.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Literal

from opensearchpy import OpenSearch

from detections.running.due_rules import Ran
from detections.running.scheduler import Job, JobRuns, Scheduler, Turn
from trailhound.app.detection.detection import rules_in_force
from trailhound.app.detection.known_automation import learning_job
from trailhound.app.detection.scheduled_detections import ScheduledDetections
from trailhound.app.integrity.integrity_job import integrity_job
from trailhound.cluster.retention import RetentionReport, enforce
from trailhound.cluster.templates import Names
from trailhound.errors import RequestFailedError
from trailhound.plural import plural
from trailhound.report.mail import mail_job
from trailhound.settings import Settings
from trailhound.state.housekeeping import clean_ledger
from trailhound.state.jobs import Jobs
from trailhound.state.leases import Lease
from trailhound.state.removed_days import RemovalRun, RemovedDaysStore

LOG = logging.getLogger("trailhound.app.service")
_EVERY = 3600.0
"""Seconds between two runs of retention and of housekeeping."""
_RULES_LEASE = "scheduler"
"""The lease of the rules is the one that a daemon of the last release holds for all of its jobs:
while both releases run, only one of them runs the rules."""


def note_removed(
    client: OpenSearch, settings: Settings, report: RetentionReport, now: datetime
) -> None:
    """Keep which days a run of the retention removed, for `status`."""
    names, host = Names(settings.prefix), socket.gethostname()
    done: tuple[tuple[Literal["deleted", "closed", "handed"], list[str]], ...] = (
        ("deleted", report.deleted),
        ("closed", report.closed),
        ("handed", report.handed),
    )
    RemovedDaysStore(client, settings).add(
        RemovalRun(
            at=now,
            action=action,
            days=tuple(sorted(names.day_of(index) or index for index in indices)),
            kept=settings.retention.days or 0,
            host=host,
        )
        for action, indices in done
    )


class ScheduledJobs:
    """The jobs that the settings ask for, from `start` to `stop`; `take` applies new settings."""

    def __init__(
        self, client: OpenSearch, settings: Settings, owner: str, ran: Ran = lambda _: None
    ) -> None:
        self._client = client
        self._settings = settings
        self._owner = owner
        self._ran = ran
        self.detections: ScheduledDetections | None = None
        """Of the rules; None while this daemon runs none."""
        self._schedulers: dict[str, Scheduler] = {}
        """By lease."""
        self._started = False
        self._arrange()

    def start(self) -> None:
        """Begin to compete for the leases, and to run due jobs."""
        self._started = True
        for each in self._schedulers.values():
            each.start()

    def take(self, settings: Settings) -> None:
        """Run the jobs of these settings from now on. A job that is running ends with its settings;
        one that the settings no longer ask for is interrupted where it can be."""
        self._settings = settings
        if self.detections is not None:
            self.detections.take(settings)
        self._arrange()

    def stop(self) -> None:
        """Wait for the running jobs, and release the leases: of all jobs at once."""
        schedulers = self._all()
        with ThreadPoolExecutor(len(schedulers)) as pool:
            list(pool.map(Scheduler.stop, schedulers))

    def leads(self) -> Mapping[str, bool]:
        """The jobs that the settings ask for, and whether this process is the one that runs
        them."""
        return {name: each.leads for each in self._all() for name in each.runs()}

    def runs(self) -> dict[str, JobRuns]:
        """Numbers of runs by job, since the start of this process."""
        return {name: runs for each in self._all() for name, runs in each.runs().items()}

    def failing(self) -> Iterator[tuple[str, str]]:
        """Jobs that this process runs and that do not work, with the error."""
        for each in self._all():
            if each.leads:
                yield from ((name, it.fault) for name, it in each.runs().items())

    def _all(self) -> list[Scheduler]:
        return list(self._schedulers.values())

    def _arrange(self) -> None:
        """Start, change and end the schedulers, so that there is one for each job that the settings
        ask for."""
        jobs = self._jobs()
        for name in self._schedulers.keys() - jobs.keys():
            self._schedulers.pop(name).stop()
        for name, job in jobs.items():
            if name in self._schedulers:
                self._schedulers[name].take([job])
                continue
            made = Scheduler(Jobs(self._client, self._settings), self._lease(name), [job])
            self._schedulers[name] = made
            if self._started:
                made.start()

    def _lease(self, name: str) -> Lease:
        ledger, seconds = Names(self._settings.prefix).ledger, self._settings.run.lease_seconds
        return Lease(self._client, ledger, name, owner=self._owner, seconds=seconds)

    def _jobs(self) -> dict[str, Job]:
        """The jobs that the settings ask for, by lease."""
        settings = self._settings
        rules = settings.detections.scheduled
        if not rules:
            self.detections = None
        elif self.detections is None:
            self.detections = ScheduledDetections(self._client, settings, self._ran)
        found = [
            Job("housekeeping", _EVERY, self._keep_house),
            Job("retention", _EVERY, self._retain) if settings.retention.active else None,
            learning_job(self._client, settings) if rules else None,
            mail_job(self._client, settings, lambda: rules_in_force(self._settings).rules),
            integrity_job(self._client, settings),
        ]
        jobs = {each.name: each for each in found if each is not None}
        return jobs | ({_RULES_LEASE: self.detections.job()} if self.detections else {})

    def _retain(self, _: Turn) -> None:
        report = enforce(self._client, self._settings, datetime.now(UTC).date())
        done = {"deleted": report.deleted, "closed": report.closed, "handed": report.handed}
        note_removed(self._client, self._settings, report, datetime.now(UTC))
        for what, indices in done.items():
            for index in indices:
                LOG.info("past retention", extra={"fields": {what: index}})
        for index, tier in report.moved.items():
            LOG.info("moved by its age", extra={"fields": {"index": index, "tier": tier}})
        for index, number in report.waiting.items():
            LOG.warning(
                "%s is due for retention's next step and stays as it is: %d dead letters wait "
                "for it, run `trailhound retry-deadletters`",
                index,
                number,
            )
        for index in report.managed:
            LOG.warning(
                "due for retention, but managed by another policy of the cluster: %s", index
            )
        for index in report.foreign:
            LOG.warning("due for retention, but not Trailhound's: %s", index)
        for index, why in report.failed.items():
            LOG.error("%s was not moved: %s", index, why)
        if report.failed:
            first = min(report.failed)
            number = len(report.failed)
            days = f"{plural(number, 'day')} {'was' if number == 1 else 'were'}"
            raise RequestFailedError(
                f"{days} not moved by age; {first}: {report.failed[first]}",
                hint="see `trailhound doctor`",
            )

    def _keep_house(self, _: Turn) -> None:
        removed = clean_ledger(self._client, self._settings, datetime.now(UTC))
        for kind, number in sorted(removed.items()):
            fields = {"kind": kind, "documents": number}
            LOG.info("removed from the ledger", extra={"fields": fields})
