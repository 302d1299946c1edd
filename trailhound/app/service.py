"""`trailhound run`, put together: feeds, daemon, metrics, presence, and the elected scheduler."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException
from pydantic import BaseModel

from detections.running.detector import RuleRun
from detections.running.scheduler import Job, JobRuns, Scheduler, Turn
from enrich.enricher import Enricher
from ingest.daemon.daemon import Daemon, DaemonStatus
from ingest.daemon.registry import RENEWED_SECONDS, DaemonRegistry
from ingest.feeds.feed import Delivery, Feed, Outcome
from ingest.feeds.poll import PollFeed
from ingest.feeds.sqs import SqsFeed
from ingest.feeds.watch import WatchFeed
from ingest.object_progress import ObjectProgress
from ingest.telemetry.endpoint import Endpoint, Health
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.searchable import SearchProbe
from trailhound.app.detection import rules_in_force
from trailhound.app.scheduled_detections import ScheduledDetections
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.retention import enforce
from trailhound.errors import ClusterUnreachableError, UsageError
from trailhound.report.mail import mail_job
from trailhound.settings import FeedSettings, Settings
from trailhound.state.feed_checkpoints import FeedCheckpoints
from trailhound.state.jobs import Jobs
from trailhound.state.leases import Lease

LOG = logging.getLogger("trailhound.app.service")
_WAIT = 5.0
_RETENTION_EVERY = 3600.0
RELOADED = ("enrich", "filter", "retention", "detections", "notify")
"""Sections that SIGHUP takes, and `run.log_level`; all else needs a restart, and is told."""

Load = Callable[[], tuple[Settings, Enricher]]
"""Reads the settings anew, for SIGHUP. Raises `SettingsError`."""


class Service:
    """One daemon process. `stop` and `reload` may be called from signal handlers."""

    def __init__(self, settings: Settings, enricher: Enricher, load: Load) -> None:
        """Raises `UsageError` where there is nothing to follow, or the address cannot be had."""
        if not settings.run.sources:
            raise UsageError(
                "there is no source to follow",
                hint="give --queue, --poll or --watch, or `run.sources` in the settings",
            )
        self._settings = settings
        self._load = load
        self._enricher = enricher
        self._id = uuid.uuid4().hex
        self._stopping = threading.Event()
        self._cluster_answers = False
        self._daemon: Daemon | None = None
        self._scheduler: Scheduler | None = None
        self._detections: ScheduledDetections | None = None
        self.metrics = Metrics(
            self._status, lambda: self._health().ready, self._leads, self._job_runs
        )
        self._probe = SearchProbe(settings, self.metrics.searchable)
        self.endpoint = None
        if settings.run.listen is not None:
            self.endpoint = Endpoint(settings.run.listen, self.metrics, self._health)

    def stop(self) -> None:
        """Gracefully, within `run.stop_seconds`."""
        self._stopping.set()
        if self._daemon is not None:
            self._daemon.stop()

    def reload(self) -> None:
        """Take from the settings file what can be taken while it runs: see `RELOADED`."""
        threading.Thread(target=self._reload, name="reload", daemon=True).start()

    def run(self) -> DaemonStatus | None:
        """Until stopped. Raises `ClusterError` for what waiting would not mend."""
        if self.endpoint is not None:
            self.endpoint.start()
            LOG.info("listening", extra={"fields": {"address": self.endpoint.url}})
        client = connect(self._settings)
        try:
            if not self._cluster_is_ready(client):
                return None
            return self._follow(client)
        finally:
            client.close()
            if self.endpoint is not None:
                self.endpoint.close()

    def _cluster_is_ready(self, client: OpenSearch) -> bool:
        """Wait for a cluster that is away; False when stopped before it came."""
        while not self._stopping.is_set():
            try:
                with cluster_errors(self._settings):
                    templates.check(client, self._settings)
            except ClusterUnreachableError as error:
                LOG.warning("waiting for the cluster: %s", error.message)
                self._stopping.wait(_WAIT)
            else:
                return True
        return False

    def _follow(self, client: OpenSearch) -> DaemonStatus:
        ledger = templates.Names(self._settings.prefix).ledger
        seconds = self._settings.run.lease_seconds
        lease = Lease(client, ledger, "scheduler", owner=self._id, seconds=seconds)
        self._scheduler = Scheduler(Jobs(client, self._settings), lease, self._jobs(client))
        feeds = [_feed(self._settings, each, client) for each in self._settings.run.sources]
        self._daemon = Daemon(
            connect, self._settings, self._enricher, feeds, on_object=self._observe
        )
        if self._stopping.is_set():
            self._daemon.stop()
        side = threading.Thread(
            target=self._keep_present, args=(client, self._daemon), name="presence", daemon=True
        )
        side.start()
        probing = threading.Thread(
            target=self._probe.run, args=(client, self._stopping), name="searchable", daemon=True
        )
        probing.start()
        self._scheduler.start()
        names = [feed.name for feed in feeds]
        LOG.info("following", extra={"fields": {"sources": names, "daemon": self._id}})
        try:
            return self._daemon.run()
        finally:
            self._stopping.set()
            self._scheduler.stop()
            side.join(_WAIT)
            probing.join(_WAIT)
            LOG.info("stopped", extra={"fields": self._daemon.status().counts.as_dict()})

    def _jobs(self, client: OpenSearch) -> list[Job]:
        """What only one of all the daemons does."""

        def retain(_: Turn) -> None:
            report = enforce(client, self._settings, datetime.now(UTC).date())
            done = {"deleted": report.deleted, "closed": report.closed, "handed": report.handed}
            for what, indices in done.items():
                for index in indices:
                    LOG.info("behind the retention", extra={"fields": {what: index}})
            for index, number in report.waiting.items():
                LOG.warning(
                    "%s is past retention and stays open: %d dead letters wait for it, run "
                    "`trailhound retry-deadletters`",
                    index,
                    number,
                )
            for index in report.managed:
                LOG.warning("behind the retention, but another ISM policy has it: %s", index)
            for index in report.foreign:
                LOG.warning("behind the retention, but not Trailhound's: %s", index)

        jobs = [Job("retention", _RETENTION_EVERY, retain)]
        if self._settings.detections.scheduled:
            self._detections = ScheduledDetections(client, self._settings, self._ran)
            jobs.append(self._detections.job())
        mail = mail_job(client, self._settings, lambda: rules_in_force(self._settings).rules)
        return jobs if mail is None else [*jobs, mail]

    def _keep_present(self, client: OpenSearch, daemon: Daemon) -> None:
        """Tell the cluster that this daemon lives, and learn whether the cluster does."""
        presence = DaemonRegistry(self._settings, self._id)
        while True:
            try:
                newest = _newest_event(client, self._settings)
                self.metrics.newest_event = newest
                presence.renew(
                    client,
                    daemon.status(),
                    leads=self._leads(),
                    event_lag_seconds=None if newest is None else max(0.0, time.time() - newest),
                    searchable_seconds=self._probe.last,
                )
                self._cluster_answers = True
            except OpenSearchException:
                self._cluster_answers = False
            if self._stopping.wait(RENEWED_SECONDS):
                break
        with suppress(OpenSearchException):
            presence.deregister(client)

    def _observe(self, run: ObjectProgress, arrival: Delivery, outcome: Outcome) -> None:
        if outcome is Outcome.DONE:
            self.metrics.delivered(arrival.delivered)
            self._probe.indexed(run.item.uri, arrival.delivered, run.counts.indexed)

    def _ran(self, run: RuleRun) -> None:
        alerts, failed = len(run.recorded.created), run.error is not None
        self.metrics.detected(run.seconds, run.rule.level, alerts, failed=failed)

    def _leads(self) -> bool:
        return self._scheduler is not None and self._scheduler.leads

    def _job_runs(self) -> dict[str, JobRuns]:
        return self._scheduler.runs() if self._scheduler is not None else {}

    def _status(self) -> DaemonStatus | None:
        return self._daemon.status() if self._daemon is not None else None

    def _health(self) -> Health:
        reasons = []
        status = self._status()
        if self._stopping.is_set():
            reasons.append("stopping")
        if not self._cluster_answers:
            reasons.append("the cluster has not answered lately")
        if status is not None and status.waiting_for:
            reasons.append(f"waiting for the cluster: {status.waiting_for}")
        return Health(not reasons, tuple(reasons))

    def _reload(self) -> None:
        try:
            settings, enricher = self._load()
            before = self._settings
            kept = {name: getattr(settings, name) for name in RELOADED}
            taken = before.model_copy(update=kept)
            if self._daemon is not None:
                self._daemon.reload(taken, enricher)
            if self._detections is not None:
                self._detections.take(taken)
            self._settings, self._enricher = taken, enricher
        except Exception as error:  # noqa: BLE001 - told, and the old settings hold on
            LOG.error("settings not reloaded: %s", error)
            return
        logging.getLogger("trailhound").setLevel(settings.run.log_level.upper())
        LOG.info("settings reloaded: %s, run.log_level", ", ".join(RELOADED))
        if waiting := sorted(changed(taken, settings) - {"run.log_level"}):
            LOG.warning("changed, and taken only by a restart: %s", ", ".join(waiting))


def changed(before: BaseModel, after: BaseModel, path: str = "") -> set[str]:
    """The settings that differ, by their dotted names."""
    names: set[str] = set()
    for name in type(before).model_fields:
        one, other = getattr(before, name), getattr(after, name)
        if isinstance(one, BaseModel) and isinstance(other, BaseModel):
            names |= changed(one, other, f"{path}{name}.")
        elif one != other:
            names.add(path + name)
    return names


def _feed(settings: Settings, source: FeedSettings, client: OpenSearch) -> Feed:
    if source.queue is not None:
        return SqsFeed(settings, source)
    if source.poll is not None:
        return PollFeed(settings, source, FeedCheckpoints(client, settings))
    return WatchFeed(source)


def _newest_event(client: OpenSearch, settings: Settings) -> float | None:
    """`eventTime` of the newest searchable event of two days, as seconds since the epoch."""
    body: dict[str, Any] = {
        "size": 0,
        "query": {"range": {"@timestamp": {"gte": "now-2d", "lte": "now"}}},
        "aggs": {"newest": {"max": {"field": "@timestamp"}}},
    }
    index = templates.Names(settings.prefix).days
    reply = client.search(index=index, body=body, params={"ignore_unavailable": "true"})
    value = reply.get("aggregations", {}).get("newest", {}).get("value")
    return value / 1000 if value else None
