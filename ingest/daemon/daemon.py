"""The daemon: takes deliveries from feeds and puts their objects through the pipeline.

An error of the cluster ends a session, never the daemon: objects in flight are returned to their
feeds, and a new session starts when the cluster works again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from enrich.enricher import Enricher
from ingest.backfill.prefetch import Prefetcher
from ingest.daemon.delivered_objects import DeliveredObjects, ObjectDone
from ingest.daemon.delivery_queue import DeliveryQueue
from ingest.daemon.refused_objects import earlier_refusals
from ingest.daemon.status import CurrentFaults, DaemonStatus
from ingest.feeds.feed import Feed
from ingest.late_count import LateCount
from ingest.late_events import LateEventsTotal
from ingest.objects import Selection
from ingest.pipeline import Pipeline
from trailhound.backoff import Backoff
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.retry_policy import RetryPolicy, Stopped, log_wait
from trailhound.errors import (
    ClusterError,
    ClusterUnreachableError,
    RequestFailedError,
)
from trailhound.internal_errors import HOW_TO_SEE, internal_error
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.daemon")
_BACKOFF = Backoff(first=1.0, longest=60.0)
_EVERYTHING = Selection()
_RELOADED: Final = ("enrich", "filter", "retention", "detections")
"""The sections of the settings that `reload` takes."""


class Daemon:
    """Runs until `stop`. Several may share queues, buckets and folders: the ledger divides them.

    `connect` makes a client; a new session creates a new one, so that a changed password is used.
    """

    def __init__(
        self,
        connect: Callable[[Settings], OpenSearch],
        settings: Settings,
        enricher: Enricher,
        feeds: Sequence[Feed],
        *,
        on_object: ObjectDone | None = None,
        late: LateEventsTotal | None = None,
    ) -> None:
        """`late`: the total that `on_object` adds to. It is stored before the ledger has an object
        as done."""
        self._late = late
        self._connect = connect
        self._settings = settings
        self._enricher = enricher
        self._feeds = list(feeds)
        self._deliveries = DeliveryQueue(settings.run.objects_in_flight)
        self._lock = threading.Lock()
        self._started = time.time()
        self._stopping = threading.Event()
        self._retry_policy = RetryPolicy()
        self._pipeline: Pipeline | None = None
        self._earlier = (0, 0)
        self._feeding = False
        self._faults = CurrentFaults()
        self._objects = DeliveredObjects(self._deliveries, self._faults, self._stopping, on_object)
        self._restarts = 0

    # From outside.

    def stop(self) -> None:
        """Accept nothing more, finish what is being read, return the rest to the feeds.

        What is not finished within `run.stop_seconds` is returned too.
        """
        if self._stopping.is_set():
            return
        self._stopping.set()
        seconds = self._settings.run.stop_seconds
        self._retry_policy.set_deadline(seconds)
        cut = threading.Timer(seconds, self._cut_off)
        cut.daemon = True
        cut.start()
        self._deliveries.close()
        for feed in self._feeds:
            feed.stop()

    def reload(self, settings: Settings, enricher: Enricher) -> None:
        """Use these settings of enrichment, filters and rules from the next object on; others need
        a restart.

        Later sessions use them too.
        """
        with self._lock:
            kept = {name: getattr(settings, name) for name in _RELOADED}
            changed = self._settings.model_copy(update=kept)
            if self._pipeline is not None:
                self._pipeline.enrich_with(enricher, changed)
            self._settings, self._enricher = changed, enricher

    def status(self) -> DaemonStatus:
        """A copy of the current status."""
        totals = self._objects.totals()
        deferred = self._faults.deferred()
        with self._lock:
            requests, retries = self._requests()
            restarts = self._restarts
        return DaemonStatus(
            started=self._started,
            counts=totals.counts,
            again=totals.again,
            objects=self._deliveries.outcomes,
            ignored=totals.ignored,
            bytes=totals.bytes,
            requests=requests,
            retries=retries,
            in_flight=self._deliveries.in_flight,
            waiting_for=self._faults.waiting_for,
            stopping=self._stopping.is_set(),
            last_error=self._faults.last_error,
            last_error_at=self._faults.last_error_at,
            feeds=[feed.status() for feed in self._feeds],
            restarts=restarts,
            failing=self._faults.failing,
            stuck=self._objects.stuck(),
            deferred=len(deferred),
            deferred_for=deferred[-1] if deferred else "",
            unreachable=self._faults.unreachable(),
            refused=self._faults.refused,
        )

    def look_again(self, client: OpenSearch) -> None:
        """Learn which refused events do not wait any more, since they were dismissed or retried.
        Raises `ClusterError` and `SpoolError`."""
        self._faults.look_again(client, self._settings)

    # The main thread.

    def run(self) -> DaemonStatus:
        """Run until stopped. Raises `ClusterError` if the cluster refuses at the start."""
        attempt = 0
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                try:
                    self._session()
                except ClusterError as error:
                    if not (self._feeding or isinstance(error, ClusterUnreachableError)):
                        raise
                    self._faults.record(error.message)
                    attempt = 0 if time.monotonic() - began > 2 * _BACKOFF.longest else attempt + 1
                    if not self._stopping.is_set():
                        self._wait(attempt, error)
                except Stopped:
                    continue
                except Exception as error:
                    if not self._feeding:
                        raise
                    attempt = 0 if time.monotonic() - began > 2 * _BACKOFF.longest else attempt + 1
                    self._stopping.wait(_BACKOFF.seconds(attempt))
                    LOG.info("starting a new session after: %s", type(error).__name__)
        finally:
            self._end_feeds()
        return self.status()

    def _wait(self, attempt: int, error: ClusterError) -> None:
        seconds = _BACKOFF.seconds(attempt)
        LOG.warning("waiting %.0f s for the cluster: %s", seconds, error.message)
        self._faults.wait(seconds, error.message)
        self._stopping.wait(seconds)

    def _session(self) -> None:
        """Run one pipeline, until the daemon stops or the cluster refuses."""
        retry_policy = RetryPolicy(on_wait=self._on_wait)
        with cluster_errors(self._settings):
            client = self._connect(self._settings)
            try:
                pipeline = Pipeline(
                    client, self._settings, self._enricher, retry_policy, selection=_EVERYTHING
                )
                if (late := self._late) is not None:
                    settings = self._settings
                    pipeline.ledger.outcomes.before = lambda: retry_policy.run(
                        lambda: late.store(client, settings)
                    )
                with self._lock:
                    self._retry_policy, self._pipeline = retry_policy, pipeline
                if self._stopping.is_set():
                    return
                if not self._feeding:
                    self._begin_faults(client)
                self._start_feeds()
                self._work(pipeline, retry_policy)
            except (ClusterError, OpenSearchException, Stopped):
                raise
            except Exception as error:
                if self._feeding:
                    self._session_failed(error)
                raise
            finally:
                self._between_sessions()
                client.close()

    def _begin_faults(self, client: OpenSearch) -> None:
        """Learn from the ledger which objects were refused before this process was started."""
        try:
            self._faults.begin(earlier_refusals(client, self._settings))
        except RequestFailedError as error:  # such as a closed index, which is a reason of its own
            LOG.warning("whether earlier events were refused is not known: %s", error.message)

    def _session_failed(self, error: Exception) -> None:
        """Handle an internal error in a thread that serves all objects: the object at fault is
        found by reading the open ones one by one."""
        reason = internal_error(error).message
        if culprit := self._deliveries.suspect(reason):
            reason = f"{reason}; the object was {culprit}"
        LOG.error("%s; objects in flight are returned; %s", reason, HOW_TO_SEE, exc_info=error)
        self._faults.record(reason)
        with self._lock:
            self._restarts += 1
        self._faults.session_failed(reason)

    def _work(self, pipeline: Pipeline, retry_policy: RetryPolicy) -> None:
        ingest = self._settings.ingest
        pipeline.start()
        items = self._deliveries.claimed(pipeline.ledger, retry_policy.stop)
        fetched = Prefetcher(
            self._deliveries,
            items,
            threads=ingest.prefetch_threads,
            max_bytes=ingest.prefetch_bytes,
        )
        try:
            for item, stream in fetched:
                self._objects.read(pipeline, item, stream, LateCount.of(self._settings))
            if pipeline.writer.error is not None:
                raise pipeline.writer.error
            pipeline.finish()
        except BaseException as error:
            pipeline.abandon()
            sender_error = pipeline.writer.error
            if isinstance(error, Stopped):
                if sender_error is None or isinstance(sender_error, Stopped):
                    return  # the deadline has passed: open objects are returned
                raise sender_error from None
            raise
        finally:
            fetched.close()

    # Its parts.

    def _start_feeds(self) -> None:
        if not self._feeding:
            self._feeding = True
            for feed in self._feeds:
                feed.start(self._deliveries.submit)

    def _end_feeds(self) -> None:
        self._deliveries.close()
        for feed in self._feeds:
            feed.stop()
        self._deliveries.give_back()
        if self._feeding:
            for feed in self._feeds:
                feed.close()

    def _between_sessions(self) -> None:
        with self._lock:
            self._earlier = self._requests()
            self._pipeline = None
        self._objects.forget()
        self._deliveries.give_back()

    def _requests(self) -> tuple[int, int]:
        """The numbers of bulk requests with a reply, and of tries without one, of all sessions."""
        requests, retries = self._earlier
        if self._pipeline is not None:
            stats = self._pipeline.sender.stats
            return requests + stats.requests, retries + stats.retries
        return requests, retries

    def _cut_off(self) -> None:
        self._retry_policy.stop.set()
        if (pipeline := self._pipeline) is not None:
            pipeline.writer.halt()

    def _on_wait(self, seconds: float, reason: str) -> None:
        self._faults.record(reason)
        self._faults.wait(seconds, reason)
        log_wait(seconds, reason)
