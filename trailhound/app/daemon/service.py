"""`trailhound run`, wired from settings: feeds, daemon, metrics, status, and the scheduled jobs."""

from __future__ import annotations

import logging
import uuid

from opensearchpy import OpenSearch

from detections.running.recording import RuleRun
from ingest.daemon.daemon import Daemon
from ingest.daemon.registry import DaemonRegistry
from ingest.daemon.status import DaemonStatus
from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.kinds import open_feed
from ingest.late_events import LateEventsTotal
from ingest.object_progress import ObjectProgress
from ingest.telemetry.endpoint import Endpoint
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.searchable import SearchProbe
from trailhound.app.daemon.health_messages import HealthMessages
from trailhound.app.daemon.heartbeat import Heartbeats
from trailhound.app.daemon.own_health import OwnHealth
from trailhound.app.daemon.reloading import Load, Reloading
from trailhound.app.daemon.running import Running
from trailhound.app.daemon.scheduled_jobs import ScheduledJobs
from trailhound.app.daemon.status_document import StatusDocument
from trailhound.app.enrichment import LoadedEnricher
from trailhound.app.health.local_daemon import identity
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import ClusterUnreachableError, UsageError
from trailhound.settings import Settings
from trailhound.threads import SupervisedThread

LOG = logging.getLogger("trailhound.app.service")
_WAIT = 5.0


class Service:
    """One daemon process. `stop` and `reload` may be called from signal handlers."""

    def __init__(self, settings: Settings, loaded: LoadedEnricher, load: Load) -> None:
        """Raises `UsageError` if no source is set, or the address cannot be bound."""
        if not settings.run.sources:
            raise UsageError(
                "there is no source to follow",
                hint="give --queue, --poll or --watch, or `run.sources` in the settings",
            )
        self._id = uuid.uuid4().hex
        self.running = Running(settings, loaded)
        self.health = OwnHealth(self.running)
        self._reloading = Reloading(self.running, load)
        self.metrics = Metrics(
            self.running.status,
            lambda: (each.code for each in self.health.readiness().reasons),
            self.running.leads,
            self.running.job_runs,
        )
        self._late = LateEventsTotal(
            _warn_of_late_events, lambda: self.running.settings.detections.scheduled
        )
        self._probe = SearchProbe(settings, self.metrics.searchable)
        self.endpoint = None
        if settings.run.listen is not None:
            about = identity(settings)
            self.endpoint = Endpoint(settings.run.listen, self.metrics, self.health.answer, about)

    def stop(self) -> None:
        """Stop gracefully, within `run.stop_seconds`."""
        self.running.stopping.set()
        if self.running.daemon is not None:
            self.running.daemon.stop()

    def reload(self) -> None:
        """Reload the settings file, and use the sections in `RELOADED`."""
        self._reloading.start()

    def run(self) -> DaemonStatus | None:
        """Run until stopped. Raises `ClusterError` for an error that waiting would not resolve."""
        if self.endpoint is not None:
            self.endpoint.start()
            LOG.info("listening", extra={"fields": {"address": self.endpoint.url}})
        client = connect(self.running.settings)
        stopping = self.running.stopping
        messages = HealthMessages(self.running, self.health, self._id)
        heartbeats = Heartbeats(self.running, self.health)
        # From the start on: a cluster that does not answer then is what people are told of.
        watching = [
            SupervisedThread(lambda: messages.run(client), "health-messages", stopping),
            SupervisedThread(heartbeats.run, "heartbeat", stopping),
        ]
        for thread in watching:
            thread.start()
        try:
            if not self._cluster_is_ready(client):
                return None
            return self._follow(client)
        finally:
            stopping.set()
            for thread in watching:
                thread.join(_WAIT)
            client.close()
            if self.endpoint is not None:
                self.endpoint.close()

    def _cluster_is_ready(self, client: OpenSearch) -> bool:
        """Wait while the cluster is unreachable; False when stopped before it answers."""
        stopping = self.running.stopping
        while not stopping.is_set():
            settings = self.running.settings
            try:
                with cluster_errors(settings):
                    templates.check(client, settings)
            except ClusterUnreachableError as error:
                LOG.warning("waiting for the cluster: %s", error.message)
                stopping.wait(_WAIT)
            else:
                return True
        return False

    def _follow(self, client: OpenSearch) -> DaemonStatus:
        running, stopping = self.running, self.running.stopping
        with self._reloading.lock:  # new settings come before all of it is made, or reach all of it
            settings, loaded = running.settings, running.loaded
            jobs = ScheduledJobs(client, settings, self._id, self._ran)
            feeds = [open_feed(settings, each, client) for each in settings.run.sources]
            daemon = Daemon(
                connect,
                settings,
                loaded.enricher,
                feeds,
                on_object=self._observe,
                late=self._late,
            )
            running.jobs, running.daemon = jobs, daemon
        if stopping.is_set():
            daemon.stop()
        registry = DaemonRegistry(settings, self._id)
        document = StatusDocument(
            registry, running, self.health, self.metrics, self._probe, self._late
        )
        side = [
            SupervisedThread(lambda: document.keep(client, daemon), "status", stopping),
            SupervisedThread(lambda: self.health.watch(client), "health", stopping),
            SupervisedThread(lambda: self._probe.run(client, stopping), "searchable", stopping),
        ]
        for thread in side:
            thread.start()
        with self._reloading.lock:
            jobs.start()
        names = [feed.name for feed in feeds]
        LOG.info("following", extra={"fields": {"sources": names, "daemon": self._id}})
        try:
            return daemon.run()
        finally:
            stopping.set()
            with self._reloading.lock:
                jobs.stop()
            for thread in side:
                thread.join(_WAIT)
            document.remove(client)
            LOG.info("stopped", extra={"fields": daemon.status().counts_once()})

    def _observe(self, run: ObjectProgress, delivery: Delivery, outcome: Outcome) -> None:
        # The next reading of one that is returned resumes this one, and counts its late events; not
        # where the ledger has an entry of a finished reading, which stays.
        if outcome is not Outcome.RETURNED or run.read_before:
            self._late.add(run)
        if outcome is Outcome.DONE:
            self.metrics.delivered(delivery.delivered)
            self._probe.indexed(run.item.uri, delivery.delivered, run.counts.indexed)

    def _ran(self, run: RuleRun) -> None:
        alerts, failed = len(run.recorded.created), run.error is not None
        self.metrics.detected(run.seconds, run.rule.level, alerts, failed=failed)


def _warn_of_late_events() -> None:
    """Once, not every few seconds while a backlog is read."""
    LOG.warning(
        "events came too late for the scheduled rules: `trailhound status` names the `detect` "
        "command that runs the rules over them"
    )
