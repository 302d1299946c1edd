"""The daemon's metrics, for Prometheus.

What other parts count anyway (records, depths of queues) is read from them at each scrape, so that
nothing is counted twice. Only what can be seen just once, such as a delay, is observed as it
happens.
"""

from __future__ import annotations

import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from ingest.daemon.status import DaemonStatus
from trailhound.threads import supervised_threads

PREFIX = "trailhound"
_DELAYS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21_600, 86_400)
"""Limits of the buckets in seconds: from the two seconds of a quiet queue to an outage of a day."""
_RULE_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)


class JobRuns(Protocol):
    """One scheduled job: how often it ran and failed in this process, and the seconds taken."""

    runs: int
    failures: int
    seconds: float


def _no_jobs() -> Mapping[str, JobRuns]:
    return {}


class Metrics:
    """A registry of its own. `status` gives the daemon's status, None before the daemon has
    started."""

    def __init__(
        self,
        status: Callable[[], DaemonStatus | None],
        reasons: Callable[[], Iterable[str]],
        leads: Callable[[], Mapping[str, bool]],
        jobs: Callable[[], Mapping[str, JobRuns]] = _no_jobs,
    ) -> None:
        """`reasons` gives a code for each reason why the daemon is not ready: it is ready if there
        is none. `leads`: the scheduled jobs that its settings ask for, and whether it runs them."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._delay = Histogram(
            "delivery_to_indexed_seconds",
            "From an object's delivery to the acknowledgement of its last document.",
            namespace=PREFIX,
            buckets=_DELAYS,
            registry=self.registry,
        )
        self._searchable = Histogram(
            "delivery_to_searchable_seconds",
            "From an object's delivery until a search finds its events, of some objects.",
            namespace=PREFIX,
            buckets=_DELAYS,
            registry=self.registry,
        )
        self._rule_runs = Counter(
            "rule_runs",
            "Runs of detection rules, by outcome; they move in the daemon that runs them.",
            ["outcome"],
            namespace=PREFIX,
            registry=self.registry,
        )
        self._rule_seconds = Histogram(
            "rule_run_seconds",
            "How long one rule took over one span.",
            namespace=PREFIX,
            buckets=_RULE_SECONDS,
            registry=self.registry,
        )
        self._alerts = Counter(
            "alerts_raised",
            "Alerts raised, by level.",
            ["level"],
            namespace=PREFIX,
            registry=self.registry,
        )
        self.newest_event: float | None = None
        """`eventTime` of the newest searchable event, in seconds since the epoch."""
        self.registry.register(_Mirror(self, status, reasons, leads, jobs))

    def delivered(self, moment: float) -> None:
        """Observe that an object is indexed which was delivered at this moment (seconds since the
        epoch)."""
        if moment:
            self._delay.observe(max(0.0, time.time() - moment))

    def searchable(self, seconds: float) -> None:
        """Observe that the events of an object have just been found, so many seconds after its
        delivery."""
        self._searchable.observe(max(0.0, seconds))

    def detected(self, seconds: float, level: str, alerts: int, *, failed: bool) -> None:
        """Observe that a rule of this level ran for some seconds and raised a number of alerts."""
        self._rule_runs.labels("failed" if failed else "done").inc()
        self._rule_seconds.observe(seconds)
        self._alerts.labels(level).inc(alerts)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)


class _Mirror(Collector):
    def __init__(
        self,
        metrics: Metrics,
        status: Callable[[], DaemonStatus | None],
        reasons: Callable[[], Iterable[str]],
        leads: Callable[[], Mapping[str, bool]],
        jobs: Callable[[], Mapping[str, JobRuns]],
    ) -> None:
        self._reasons = reasons
        self._leads = leads
        self._jobs = jobs
        self._metrics = metrics
        self._status = status

    def describe(self) -> list[Metric]:
        """Nothing in advance, since the metrics depend on the sources."""
        return []

    def collect(self) -> Iterator[Metric]:
        codes = Counts(self._reasons())
        yield _gauge("ready", "Whether the daemon is ready: 1, or 0.", float(not codes))
        leader = GaugeMetricFamily(
            f"{PREFIX}_leader",
            "Scheduled jobs of this daemon's settings, by name: 1 if it runs here.",
            labels=["task"],
        )
        for name, leads in self._leads().items():
            leader.add_metric([name], float(leads))
        yield leader
        if (newest := self._metrics.newest_event) is not None:
            lag = max(0.0, time.time() - newest)
            yield _gauge(
                "event_lag_seconds", "From the newest searchable event's time to now.", lag
            )
        yield from _job_runs(self._jobs())
        restarts = _counter("thread_restarts", "Threads restarted after a fault.", "thread")
        for thread in supervised_threads():
            restarts.add_metric([thread.name], thread.restarts)
        yield restarts
        reasons = GaugeMetricFamily(
            f"{PREFIX}_not_ready_reasons", "Reasons why it is not ready, by code.", labels=["code"]
        )
        for code, number in codes.items():
            reasons.add_metric([code], number)
        yield reasons
        status = self._status()
        if status is None:
            return
        objects = _counter("objects", "Tries of objects, by outcome.", "outcome")
        for outcome, number in status.objects.items():
            objects.add_metric([outcome], number)
        yield objects
        events = _counter("events", "Records by outcome.", "fate")
        for term in ("indexed", "duplicates", "dead_lettered", "filtered"):
            events.add_metric([term], getattr(status.counts, term))
        yield events
        yield _total("events_read", "Records read.", status.counts.read)
        yield _total("read_bytes", "Bytes of objects read, as stored.", status.bytes)
        yield _total("bulk_requests", "Bulk requests that were answered.", status.requests)
        yield _total("bulk_retries", "Bulk requests that were sent again.", status.retries)
        yield _gauge("in_flight_objects", "Objects claimed and not finished.", status.in_flight)
        yield _gauge(
            "deferred_objects", "Objects deferred for a fault of this machine.", status.deferred
        )
        yield _total("session_restarts", "Sessions that an internal error ended.", status.restarts)
        yield from _feeds(status)


def _feeds(status: DaemonStatus) -> Iterator[Metric]:
    depth = GaugeMetricFamily(f"{PREFIX}_feed_depth", "Backlog of a source.", labels=["feed"])
    last = GaugeMetricFamily(
        f"{PREFIX}_feed_last_arrival_timestamp_seconds",
        "When a source last delivered an object.",
        labels=["feed"],
    )
    counts = CounterMetricFamily(
        f"{PREFIX}_feed", "A source's own counts, by kind.", labels=["feed", "kind"]
    )
    for feed in status.feeds:
        if feed.depth is not None:
            depth.add_metric([feed.name], feed.depth)
        if feed.last_arrival:
            last.add_metric([feed.name], feed.last_arrival)
        for kind, number in feed.counters.items():
            counts.add_metric([feed.name, kind], number)
    yield from (depth, last, counts)


def _job_runs(jobs: Mapping[str, JobRuns]) -> Iterator[Metric]:
    """Scheduled jobs, detections among them; counters move in the daemon that runs a job.

    Not labelled `job`: that is Prometheus's own name for who was scraped.
    """
    runs = _counter("job_runs", "Scheduled jobs started here, by name.", "task")
    failures = _counter("job_failures", "Scheduled jobs that failed, by name.", "task")
    seconds = _counter("job_seconds", "Seconds spent in scheduled jobs.", "task")
    for name, each in jobs.items():
        runs.add_metric([name], each.runs)
        failures.add_metric([name], each.failures)
        seconds.add_metric([name], each.seconds)
    yield from (runs, failures, seconds)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _counter(name: str, text: str, label: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])


def _total(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)
