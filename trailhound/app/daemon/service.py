"""`trailhound run`, wired from settings: feeds, daemon, metrics, status, and the scheduled jobs."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException
from pydantic import BaseModel

from detections.running.recording import RuleRun
from detections.running.scheduler import JobRuns
from ingest.daemon.daemon import Daemon
from ingest.daemon.registry import RENEWED_SECONDS, DaemonRegistry
from ingest.daemon.status import DaemonStatus
from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.kinds import open_feed
from ingest.object_progress import ObjectProgress
from ingest.telemetry.endpoint import Endpoint, Health
from ingest.telemetry.late_events import LateEventsTotal
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.searchable import SearchProbe
from trailhound.app.daemon.scheduled_jobs import ScheduledJobs
from trailhound.app.enrichment import LoadedEnricher
from trailhound.app.health.local_daemon import identity
from trailhound.app.health.readiness import Readiness, Reason
from trailhound.app.health.reasons import (
    clock_reason,
    daemon_reasons,
    enrichment_reasons,
    read_shared,
    rule_intervals,
    rule_path_reasons,
    shared_reasons,
)
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.clock import seconds_apart
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import (
    ClusterError,
    ClusterUnreachableError,
    ForeignTemplateError,
    RequestFailedError,
    TrailhoundError,
    UsageError,
)
from trailhound.settings import Settings
from trailhound.state.jobs import DETECTIONS
from trailhound.state.late_events import LateEventsStore
from trailhound.threads import SupervisedThread, supervised_threads

LOG = logging.getLogger("trailhound.app.service")
_WAIT = 5.0
_SILENT_AFTER = 60.0
"""Seconds without an answer after which the cluster counts as unreachable."""
_LOOK_EVERY = 1.0
"""Seconds between two comparisons of the reasons with those in the status document."""
_SHARED_EVERY = 5.0
_CLOCK_EVERY = 60.0
_TEMPLATES_EVERY = 15.0
RELOADED = (
    *("enrich", "filter", "retention", "detections", "notify"),
    *("integrity", "investigation", "report", "dashboards"),
)
"""Sections that SIGHUP reloads, and `run.log_level`. Other changes are logged as needing a restart.
"""

Load = Callable[[], tuple[Settings, LoadedEnricher]]
"""Reloads the settings, for SIGHUP. Raises `SettingsError`."""


class Service:
    """One daemon process. `stop` and `reload` may be called from signal handlers."""

    def __init__(self, settings: Settings, loaded: LoadedEnricher, load: Load) -> None:
        """Raises `UsageError` if no source is set, or the address cannot be bound."""
        if not settings.run.sources:
            raise UsageError(
                "there is no source to follow",
                hint="give --queue, --poll or --watch, or `run.sources` in the settings",
            )
        self._settings = settings
        self._load = load
        self._enricher = loaded.enricher
        self._unusable = loaded.problems
        self._id = uuid.uuid4().hex
        self._stopping = threading.Event()
        self._cluster_answers = False
        self._answered_at = time.monotonic()
        self._reload_error = ""
        self._reloading = threading.Lock()
        """One reload at a time: the last one reads the file last, and what it read stays."""
        self._shared = [Reason("state", "ledger", "starting: the state is not read yet")]
        """What is wrong with what all daemons share, as last read."""
        self._daemon: Daemon | None = None
        self._jobs: ScheduledJobs | None = None
        self.metrics = Metrics(
            self._status,
            lambda: (each.code for each in self._readiness().reasons),
            lambda: self._jobs.leads() if self._jobs is not None else {},
            self._job_runs,
        )
        self._late = LateEventsTotal()
        self._clock: Reason | None = None
        self._template: Reason | None = None
        self._probe = SearchProbe(settings, self.metrics.searchable)
        self.endpoint = None
        if settings.run.listen is not None:
            about = identity(settings)
            self.endpoint = Endpoint(settings.run.listen, self.metrics, self._health, about)

    def stop(self) -> None:
        """Stop gracefully, within `run.stop_seconds`."""
        self._stopping.set()
        if self._daemon is not None:
            self._daemon.stop()

    def reload(self) -> None:
        """Reload the settings file, and use the sections in `RELOADED`."""
        threading.Thread(target=self._reload, name="reload", daemon=True).start()

    def run(self) -> DaemonStatus | None:
        """Run until stopped. Raises `ClusterError` for an error that waiting would not resolve."""
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
        """Wait while the cluster is unreachable; False when stopped before it answers."""
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
        with self._reloading:
            self._jobs = jobs = ScheduledJobs(client, self._settings, self._id, self._ran)
        feeds = [open_feed(self._settings, each, client) for each in self._settings.run.sources]
        self._daemon = Daemon(
            connect, self._settings, self._enricher, feeds, on_object=self._observe
        )
        if self._stopping.is_set():
            self._daemon.stop()
        daemon, stopping = self._daemon, self._stopping
        registry = DaemonRegistry(self._settings, self._id)
        side = [
            SupervisedThread(
                lambda: self._renew_status(client, daemon, registry), "status", stopping
            ),
            SupervisedThread(lambda: self._watch_health(client), "health", stopping),
            SupervisedThread(lambda: self._probe.run(client, stopping), "searchable", stopping),
        ]
        for thread in side:
            thread.start()
        with self._reloading:
            jobs.start()
        names = [feed.name for feed in feeds]
        LOG.info("following", extra={"fields": {"sources": names, "daemon": self._id}})
        try:
            return self._daemon.run()
        finally:
            self._stopping.set()
            with self._reloading:
                jobs.stop()
            for thread in side:
                thread.join(_WAIT)
            with suppress(OpenSearchException, TrailhoundError):
                self._store_late(client)
                registry.deregister(client)
            LOG.info("stopped", extra={"fields": self._daemon.status().counts.as_dict()})

    def _renew_status(self, client: OpenSearch, daemon: Daemon, registry: DaemonRegistry) -> None:
        """Renew this daemon's status document, and record whether the cluster answers."""
        while True:
            try:
                newest = _newest_event(client, self._settings)
                self.metrics.newest_event = newest
                reasons = self._own_reasons(answers=True)  # it has just answered
                registry.renew(
                    client,
                    daemon.status(),
                    jobs=self._led(),
                    leads=bool(self._led()),  # for a `status` of the last release
                    event_lag_seconds=None if newest is None else max(0.0, time.time() - newest),
                    searchable_seconds=self._probe.last,
                    reasons=[each.as_dict() for each in reasons],
                )
                self._store_late(client)
                self._cluster_answers, self._answered_at = True, time.monotonic()
                written = _subjects(reasons)
            except RequestFailedError:
                raise  # the cluster answers, but rejects the document: a fault of this thread
            except (OpenSearchException, ClusterError):
                self._cluster_answers, written = False, None
            if self._changed_or_due(written):
                break

    def _store_late(self, client: OpenSearch) -> None:
        """Record the events that came too late for the rules since it was last called."""
        late = self._late.take()
        if late is None:
            return
        store = LateEventsStore(client, self._settings)
        try:
            known = store.get()
            store.add(late)
        except (OpenSearchException, TrailhoundError):
            self._late.put_back(late)
            raise
        if known is None:  # once, not every few seconds while a backlog is read
            LOG.warning(
                "events came too late for the scheduled rules: `trailhound status` names the "
                "`detect` command that runs the rules over them"
            )

    def _changed_or_due(self, written: set[tuple[str, str]] | None) -> bool:
        """Wait until the status document must be renewed: when it is due, or as soon as the reasons
        differ from those `written`, so that `status` and `/readyz` agree. True if the daemon is
        stopping."""
        due = time.monotonic() + RENEWED_SECONDS
        while time.monotonic() < due:
            if self._stopping.wait(_LOOK_EVERY):
                return True
            if written is not None and _subjects(self._own_reasons()) != written:
                return False
        return False

    def _watch_health(self, client: OpenSearch) -> None:
        """Read the shared state of the daemons, the cluster's clock and templates, at intervals."""
        compare_at = look_at = 0.0
        while True:
            if time.monotonic() >= compare_at:
                compare_at = time.monotonic() + _CLOCK_EVERY
                with suppress(OpenSearchException):  # not every user may read it
                    self._clock = clock_reason(seconds_apart(client), self._settings)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _TEMPLATES_EVERY
                with suppress(OpenSearchException, ClusterUnreachableError):
                    self._template = _template_reason(client, self._settings)
            try:
                with cluster_errors(self._settings):
                    shared = read_shared(client, self._settings)
                self._shared = shared_reasons(shared, self._settings, self._intervals)
            except ClusterError as error:
                message = f"the state of jobs, rules and channels cannot be read: {error.message}"
                self._shared = [Reason("state", "ledger", message)]
            if self._stopping.wait(_SHARED_EVERY):
                break

    def _intervals(self) -> dict[str, timedelta]:
        """The intervals of the active rules; where another daemon runs them, those of the
        settings."""
        detections = self._jobs.detections if self._jobs is not None else None
        running = detections.intervals if detections is not None else {}
        return running or rule_intervals(self._settings)

    def _observe(self, run: ObjectProgress, delivery: Delivery, outcome: Outcome) -> None:
        self._late.add(run)
        if outcome is Outcome.DONE:
            self.metrics.delivered(delivery.delivered)
            self._probe.indexed(run.item.uri, delivery.delivered, run.counts.indexed)

    def _ran(self, run: RuleRun) -> None:
        alerts, failed = len(run.recorded.created), run.error is not None
        self.metrics.detected(run.seconds, run.rule.level, alerts, failed=failed)

    def _led(self) -> list[str]:
        """The scheduled jobs that this daemon is the one to run."""
        jobs = self._jobs.leads() if self._jobs is not None else {}
        return sorted(name for name, leads in jobs.items() if leads)

    def _job_runs(self) -> dict[str, JobRuns]:
        return self._jobs.runs() if self._jobs is not None else {}

    def _status(self) -> DaemonStatus | None:
        return self._daemon.status() if self._daemon is not None else None

    def _own_reasons(self, *, answers: bool = False) -> list[Reason]:
        """The reasons of this process. `answers`: the cluster has just answered."""
        late = time.monotonic() - self._answered_at > _SILENT_AFTER
        found = daemon_reasons(
            self._status(),
            supervised_threads(),
            cluster_answers=answers or (self._cluster_answers and not late),
        )
        found += [each for each in (self._clock, self._template) if each is not None]
        jobs = self._jobs
        for name, error in jobs.failing() if jobs is not None else ():
            if error:
                found.append(Reason("job", name, f"the job {name} fails: {error}"))
        if self._reload_error:
            message = f"the previous settings stay active: {self._reload_error}"
            found.append(Reason("settings", "reload", message))
        found += enrichment_reasons(self._unusable)
        if jobs is not None and (detections := jobs.detections) is not None:
            if detections.refused:
                message = f"the previous rules stay active: {detections.refused}"
                found.append(Reason("rules", "reload", message))
            elif detections.faults:
                message = f"not all rules of the settings are active: {detections.faults}"
                found.append(Reason("rules", "faults", message))
            if DETECTIONS in self._led():  # else another daemon does not look at the paths
                found += rule_path_reasons(detections.unread, detections.lost)
            for name, why in detections.broken_channels.items():
                found.append(Reason("channel", name, f"the channel {name} cannot be used: {why}"))
        return found

    def _readiness(self) -> Readiness:
        """Whether this daemon is ready; each reason once."""
        stopping = [Reason("stopping", "daemon", "stopping")] if self._stopping.is_set() else []
        every = [*stopping, *self._own_reasons(), *self._shared]
        once = {(each.code, each.subject): each for each in reversed(every)}
        return Readiness(tuple(once.values())[::-1])

    def _health(self) -> Health:
        return Health(tuple(each.as_dict() for each in self._readiness().reasons))

    def _reload(self) -> None:
        with self._reloading:
            self._take_settings()

    def _take_settings(self) -> None:
        try:
            settings, loaded = self._load()
            before = self._settings
            kept = {name: getattr(settings, name) for name in RELOADED}
            taken = before.model_copy(update=kept)
            if self._daemon is not None:
                self._daemon.reload(taken, loaded.enricher)
            if self._jobs is not None and not self._stopping.is_set():
                self._jobs.take(taken)
            self._settings, self._enricher = taken, loaded.enricher
            self._unusable = loaded.problems
        except Exception as error:  # noqa: BLE001 - logged; the old settings stay active
            LOG.error("settings not reloaded: %s", error)
            self._reload_error = str(error)
            return
        self._reload_error = ""
        logging.getLogger("trailhound").setLevel(settings.run.log_level.upper())
        LOG.info("settings reloaded: %s, run.log_level", ", ".join(RELOADED))
        if waiting := sorted(changed(taken, settings) - {"run.log_level"}):
            LOG.warning("changed, but needs a restart: %s", ", ".join(waiting))


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


def _template_reason(client: OpenSearch, settings: Settings) -> Reason | None:
    """Why a new day would not be ours: the cluster makes one that was deleted under a daemon by
    whatever template applies. Raises opensearch-py's exceptions and `ClusterUnreachableError`."""
    try:
        templates.check(client, settings)
    except ForeignTemplateError as error:
        return Reason("template", "index templates", error.message)
    return None


def _newest_event(client: OpenSearch, settings: Settings) -> float | None:
    """`eventTime` of the newest searchable event of two days, as seconds since the epoch."""
    body = {
        "query": {"range": {"@timestamp": {"gte": "now-2d", "lte": "now"}}},
        "aggs": {"newest": {"max": {"field": "@timestamp"}}},
        "track_total_hits": False,
    }
    # No retry: it is asked again soon, and whether the cluster answers must be known in time.
    reader = IndexReader(client, templates.Names(settings.prefix).days, busy_seconds=0)
    try:
        reply = reader.search(body)
    except RequestFailedError:
        return None  # a shard is missing: the newest event is not known
    value = reply.get("aggregations", {}).get("newest", {}).get("value")
    return value / 1000 if value else None


def _subjects(reasons: list[Reason]) -> set[tuple[str, str]]:
    return {(each.code, each.subject) for each in reasons}
