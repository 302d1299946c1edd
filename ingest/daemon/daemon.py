"""The daemon: takes deliveries from feeds and puts their objects through the pipeline.

An error of the cluster ends a session, never the daemon: objects in flight are returned to their
feeds, and a new session starts when the cluster works again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final, TypeGuard

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from enrich.enricher import Enricher
from ingest.backfill.prefetch import Prefetcher
from ingest.counts import Counts
from ingest.daemon.delivery_queue import DeliveryQueue, Unreachable
from ingest.daemon.refused_objects import earlier_refusals
from ingest.daemon.status import CurrentFaults, DaemonStatus
from ingest.feeds.feed import Delivery, Feed, Outcome
from ingest.late_count import LateCount
from ingest.object_progress import ObjectProgress, outcome_of
from ingest.objects import Selection, TrailObject
from ingest.pipeline import Pipeline
from trailhound.backoff import Backoff
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.retry_policy import RetryPolicy, Stopped
from trailhound.errors import (
    ClusterError,
    ClusterUnreachableError,
    ObjectAccessDeniedError,
    ObjectArchivedError,
    RequestFailedError,
    SourceError,
)
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.daemon")
_BACKOFF = Backoff(first=1.0, longest=60.0)
_EVERYTHING = Selection()
_MOST_BUCKETS = 1_000
_RELOADED: Final = ("enrich", "filter", "retention", "detections")
"""The sections of the settings that `reload` takes."""
STUCK_SECONDS = 600.0
"""Seconds in flight without progress after which `/readyz` names an object."""


ObjectDone = Callable[[ObjectProgress, Delivery, Outcome], None]
"""Called for each object that was read, from a sender's thread; must not raise or block."""


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
    ) -> None:
        self._connect = connect
        self._settings = settings
        self._enricher = enricher
        self._feeds = list(feeds)
        self._on_object = on_object
        self._deliveries = DeliveryQueue(settings.run.objects_in_flight)
        self._lock = threading.Lock()
        self._status = DaemonStatus(started=time.time())
        self._stopping = threading.Event()
        self._retry_policy = RetryPolicy()
        self._pipeline: Pipeline | None = None
        self._earlier = (0, 0)
        self._feeding = False
        self._faults = CurrentFaults()
        self._runs: dict[str, ObjectProgress] = {}
        """What is being read or sent, by `uri`."""
        self._read_from: set[str] = set()
        """Buckets and folders from which objects were read."""
        self._deliveries.problem = self._not_claimed

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
        with self._lock:
            now = self._status
            counts = Counts()
            counts.add(now.counts)
            requests, retries = self._requests()
            deferred = self._faults.deferred()
            return DaemonStatus(
                started=now.started,
                counts=counts,
                objects=self._deliveries.outcomes,
                bytes=now.bytes,
                requests=requests,
                retries=retries,
                in_flight=self._deliveries.in_flight,
                waiting_for=self._faults.waiting_for,
                stopping=self._stopping.is_set(),
                last_error=now.last_error,
                last_error_at=now.last_error_at,
                feeds=[feed.status() for feed in self._feeds],
                restarts=now.restarts,
                failing=self._faults.failing,
                stuck=self._stuck(),
                deferred=len(deferred),
                deferred_for=deferred[-1] if deferred else "",
                unreachable=self._faults.unreachable(),
                refused=self._faults.refused,
            )

    def _stuck(self) -> str:
        """An object that was claimed long ago and has made no progress since; before it is read,
        only if nothing else has made progress either."""
        uri, seconds = self._deliveries.longest_open()
        if seconds < STUCK_SECONDS or self._faults.waiting_for:
            return ""
        runs = dict(self._runs)
        progressed = [run.progressed for run in ([runs[uri]] if uri in runs else runs.values())]
        if progressed and time.monotonic() - max(progressed) < STUCK_SECONDS:
            return ""
        return uri

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
                    self._record_error(error.message)
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
        reason = f"{type(error).__name__}: {error}"
        culprit = self._deliveries.suspect(f"internal error (please report it): {reason}")
        said = f"internal error (please report it): {reason}" + (
            f" at {culprit}" if culprit else ""
        )
        LOG.error("%s; objects in flight are returned", said, exc_info=error)
        self._record_error(said)
        with self._lock:
            self._status.restarts += 1
        self._faults.session_failed(said)

    def _not_claimed(self, uri: str, reason: str) -> None:
        """Handle an object that the ledger cannot hold: it is logged, and failed at its feed."""
        shown = uri.encode("utf-8", "backslashreplace").decode()[:500]
        self._record_error(f"{shown}: {reason}")
        LOG.error("object not read: %s", reason, extra={"fields": {"object": shown}})

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
                self._read(pipeline, item, stream)
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

    def _read(self, pipeline: Pipeline, item: TrailObject, stream: BinaryIO | SourceError) -> None:
        delivery = self._deliveries.delivery(item)
        if delivery is None or self._stopping.is_set() or isinstance(stream, Unreachable):
            if isinstance(stream, Unreachable) and delivery is not None:
                self._record_error(stream.message)
                LOG.warning("object returned: %s", stream.message)
            pipeline.ledger.release(item)
            self._deliveries.finish(item, self._outcome_unread(stream, delivery))
            return
        if _is_denied(stream):
            self._faults.denied(delivery.feed, item.uri, stream.message)
        elif not isinstance(stream, SourceError):
            self._faults.opened(delivery.feed)
        run = ObjectProgress(item, lambda run: self._done(pipeline, run, delivery))
        run.late = LateCount.of(self._settings)
        self._runs[item.uri] = run
        try:
            pipeline.read(stream, run)
        except (ClusterError, OpenSearchException, Stopped):
            raise
        except Exception as error:
            if pipeline.writer.error is not None:
                raise
            LOG.error("internal error at %s", item.uri, exc_info=error)
            run.abort(
                f"internal error (please report it): {type(error).__name__}: {error}", retry=False
            )

    def _outcome_unread(self, stream: BinaryIO | SourceError, delivery: Delivery | None) -> Outcome:
        """The outcome of an object that was not opened. A bucket that does not exist, and from
        which nothing was read before, is a fault of the message, not of a source."""
        if not isinstance(stream, Unreachable) or delivery is None:
            return Outcome.RETURNED
        if stream.no_bucket and _bucket(delivery.item) not in self._read_from:
            return Outcome.NO_BUCKET
        self._faults.not_fetched(delivery.feed, stream.message)
        return Outcome.RETURNED

    def _done(self, pipeline: Pipeline, run: ObjectProgress, delivery: Delivery) -> None:
        """Handle a complete object: write it to the ledger, then report it to its feed."""
        run.counts.check(run.item.uri)
        uri = run.item.uri
        self._runs.pop(uri, None)
        outcome = Outcome.DONE if not run.fault else Outcome.FAILED
        if run.other_kind:
            outcome = Outcome.IGNORED
        if run.retry:
            outcome = Outcome.RETURNED
        with self._lock:
            self._status.counts.add(run.counts)
            self._status.bytes += run.bytes
            if run.other_kind:
                self._status.ignored[run.other_kind] += 1
        self._faults.stored(run)
        if run.retry:
            self._faults.defer(uri, run.fault)
        else:
            self._faults.read(uri)
        if outcome is Outcome.DONE:
            self._faults.fetched(delivery.feed)
            if len(self._read_from) < _MOST_BUCKETS:
                self._read_from.add(_bucket(run.item))
        self._log_outcome(run, delivery, outcome)
        if run.retry:
            pipeline.ledger.release(run.item)
            self._deliveries.defer(run.item)
            return
        pipeline.ledger.finish(
            run,
            outcome_of(run),
            lambda: self._deliveries.finish(run.item, outcome),
        )

    def _log_outcome(self, run: ObjectProgress, delivery: Delivery, outcome: Outcome) -> None:
        fields = {"object": run.item.uri, "feed": delivery.feed, **run.counts.as_dict()}
        if outcome is Outcome.RETURNED:
            self._record_error(run.fault)
            LOG.warning("object deferred: %s", run.fault, extra={"fields": fields})
        elif outcome is Outcome.IGNORED:
            LOG.info("object ignored: it holds %s", run.other_kind, extra={"fields": fields})
        elif outcome is Outcome.FAILED:
            self._record_error(run.fault)
            LOG.error("object not read to its end: %s", run.fault, extra={"fields": fields})
        else:
            LOG.info("object indexed", extra={"fields": fields})
        if self._on_object is not None:
            try:
                self._on_object(run, delivery, outcome)
            except Exception as error:
                LOG.error("the metrics of an object failed", exc_info=error)

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
        self._runs.clear()
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

    def _record_error(self, message: str) -> None:
        self._status.last_error, self._status.last_error_at = message, time.time()

    def _on_wait(self, seconds: float, reason: str) -> None:
        self._record_error(reason)
        self._faults.wait(seconds, reason)
        if seconds >= 1:
            LOG.warning("waiting %.0f s for the cluster: %s", seconds, reason)


def _is_denied(stream: BinaryIO | SourceError) -> TypeGuard[ObjectAccessDeniedError]:
    """Whether opening an object was denied, as others of its source will be. An archived one is
    not."""
    archived = isinstance(stream, ObjectArchivedError)
    return isinstance(stream, ObjectAccessDeniedError) and not archived


def _bucket(item: TrailObject) -> str:
    """The bucket of an object; of a file, nothing.

    >>> _bucket(TrailObject("s3://trail/AWSLogs/x.gz", "", 0))
    's3://trail/'
    """
    scheme, mark, rest = item.uri.partition("://")
    return f"{scheme}{mark}{rest.partition('/')[0]}/" if mark else ""
