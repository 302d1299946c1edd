"""The jobs that only one of all daemons runs.

They are retention, housekeeping, rules, known automation, the mailed report, and the verification
of trail files. The verification may take long, so it has its own thread and lease: rules must not
wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from opensearchpy import OpenSearch

from detections.running.due_rules import Ran
from detections.running.scheduler import Job, JobRuns, Scheduler, Turn
from trailhound.app.detection import rules_in_force
from trailhound.app.integrity_job import JOB as INTEGRITY
from trailhound.app.integrity_job import integrity_job
from trailhound.app.known_automation import learning_job
from trailhound.app.scheduled_detections import ScheduledDetections
from trailhound.cluster.retention import enforce
from trailhound.cluster.templates import Names
from trailhound.errors import RequestFailedError
from trailhound.plural import plural
from trailhound.report.mail import mail_job
from trailhound.settings import Settings
from trailhound.state.housekeeping import clean_ledger
from trailhound.state.jobs import Jobs
from trailhound.state.leases import Lease

LOG = logging.getLogger("trailhound.app.service")
_EVERY = 3600.0
"""Seconds between two runs of retention and of housekeeping."""


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
        self._scheduler = Scheduler(Jobs(client, settings), self._lease("scheduler"), self._jobs())
        self._verifier: Scheduler | None = None

    def start(self) -> None:
        """Begin to compete for the leases, and to run due jobs."""
        self._scheduler.start()
        self._verify()

    def take(self, settings: Settings) -> None:
        """Run the jobs of these settings from now on. A job that is running ends with its settings;
        a verification that is switched off is interrupted."""
        self._settings = settings
        if self.detections is not None:
            self.detections.take(settings)
        self._scheduler.take(self._jobs())
        self._verify()

    def stop(self) -> None:
        """Wait for the running jobs, and release the leases."""
        for each in self._schedulers():
            each.stop()

    @property
    def leads(self) -> bool:
        """Whether this process runs the jobs (verification not considered)."""
        return self._scheduler.leads

    def runs(self) -> dict[str, JobRuns]:
        """Numbers of runs by job, since the start of this process."""
        return {name: runs for each in self._schedulers() for name, runs in each.runs().items()}

    def failing(self) -> Iterator[tuple[str, str]]:
        """Jobs that this process runs and whose last run failed, with the error."""
        for each in self._schedulers():
            if each.leads:
                yield from ((name, it.last_error) for name, it in each.runs().items())

    def _schedulers(self) -> list[Scheduler]:
        return [each for each in (self._scheduler, self._verifier) if each is not None]

    def _lease(self, name: str) -> Lease:
        ledger, seconds = Names(self._settings.prefix).ledger, self._settings.run.lease_seconds
        return Lease(self._client, ledger, name, owner=self._owner, seconds=seconds)

    def _verify(self) -> None:
        """Start, change or end the verifications. A daemon without verifications must not hold the
        lease, for which a daemon with other settings would wait."""
        job = integrity_job(self._client, self._settings)
        verifier = self._verifier
        if job is not None and verifier is not None:
            verifier.take([job])
        elif job is not None:
            self._verifier = Scheduler(
                Jobs(self._client, self._settings), self._lease(INTEGRITY), [job]
            )
            self._verifier.start()
        elif verifier is not None:
            self._verifier = None
            verifier.stop()

    def _jobs(self) -> list[Job]:
        jobs = [
            Job("retention", _EVERY, self._retain),
            Job("housekeeping", _EVERY, self._keep_house),
        ]
        if not self._settings.detections.scheduled:
            self.detections = None
        elif self.detections is None:
            self.detections = ScheduledDetections(self._client, self._settings, self._ran)
        if self.detections is not None:
            jobs.append(self.detections.job())
            if learning := learning_job(self._client, self._settings):
                jobs.append(learning)
        mail = mail_job(self._client, self._settings, lambda: rules_in_force(self._settings).rules)
        return jobs if mail is None else [*jobs, mail]

    def _retain(self, _: Turn) -> None:
        report = enforce(self._client, self._settings, datetime.now(UTC).date())
        done = {"deleted": report.deleted, "closed": report.closed, "handed": report.handed}
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
