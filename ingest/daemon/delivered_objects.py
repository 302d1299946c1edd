"""The objects that feeds delivered, from their bytes to what became of each: in the ledger, at its
feed, and in the totals and faults of the daemon."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, TypeGuard

from opensearchpy.exceptions import OpenSearchException

from ingest.counts import Counts
from ingest.daemon.delivery_queue import DeliveryQueue, Unreachable
from ingest.daemon.status import CurrentFaults, bucket_of
from ingest.feeds.feed import Delivery, Outcome
from ingest.late_count import LateCount
from ingest.object_progress import ObjectProgress, outcome_of
from ingest.objects import TrailObject
from ingest.pipeline import Pipeline
from trailhound.cluster.retry_policy import Stopped
from trailhound.errors import (
    ClusterError,
    ObjectAccessDeniedError,
    ObjectArchivedError,
    SourceError,
)
from trailhound.internal_errors import HOW_TO_SEE, internal_error

LOG = logging.getLogger("trailhound.daemon")
_MOST_BUCKETS = 1_000
STUCK_SECONDS = 600.0
"""Seconds in flight without progress after which `/readyz` names an object."""

ObjectDone = Callable[[ObjectProgress, Delivery, Outcome], None]
"""Called for each object that was read, from a sender's thread; must not raise or block."""


@dataclass(slots=True)
class Totals:
    """Of all objects since the start: their records by outcome, their bytes, and how many were
    ignored, by what they hold. `again`: the part of `counts` that is of objects which had been read
    before, such as damaged ones that are tried again."""

    counts: Counts = field(default_factory=Counts)
    again: Counts = field(default_factory=Counts)
    bytes: int = 0
    ignored: Counter[str] = field(default_factory=Counter)


class DeliveredObjects:
    """Reads objects one by one; several are being sent meanwhile. Threads of the senders report
    their ends."""

    def __init__(
        self,
        deliveries: DeliveryQueue,
        faults: CurrentFaults,
        stopping: threading.Event,
        on_object: ObjectDone | None,
    ) -> None:
        self._deliveries = deliveries
        self._faults = faults
        self._stopping = stopping
        self._on_object = on_object
        self._lock = threading.Lock()
        self._totals = Totals()
        self._runs: dict[str, ObjectProgress] = {}
        """What is being read or sent, by `uri`."""
        self._read_from: set[str] = set()
        """Buckets and folders from which objects were read."""
        deliveries.problem = self._not_claimed

    def totals(self) -> Totals:
        """A copy of the present totals."""
        with self._lock:
            counts, again = Counts(), Counts()
            counts.add(self._totals.counts)
            again.add(self._totals.again)
            return Totals(counts, again, self._totals.bytes, Counter(self._totals.ignored))

    def forget(self) -> None:
        """A session has ended: what is not done will be read again."""
        self._runs.clear()

    def stuck(self) -> str:
        """An object that was claimed long ago and has made no progress since; before it is read,
        only if nothing else has made progress either. Empty if there is none."""
        uri, seconds = self._deliveries.longest_open()
        if seconds < STUCK_SECONDS or self._faults.waiting_for:
            return ""
        runs = dict(self._runs)
        progressed = [run.progressed for run in ([runs[uri]] if uri in runs else runs.values())]
        if progressed and time.monotonic() - max(progressed) < STUCK_SECONDS:
            return ""
        return uri

    def read(
        self,
        pipeline: Pipeline,
        item: TrailObject,
        stream: BinaryIO | SourceError,
        late: LateCount,
    ) -> None:
        """Read one object, or what was found in its place. `late` counts those of its events that
        come too late for the scheduled rules."""
        delivery = self._deliveries.delivery(item)
        if delivery is None or self._stopping.is_set() or isinstance(stream, Unreachable):
            if isinstance(stream, Unreachable) and delivery is not None:
                self._faults.record(stream.message)
                LOG.warning("object returned: %s", stream.message)
            pipeline.ledger.release(item)
            self._deliveries.finish(item, self._outcome_unread(stream, delivery))
            return
        if _is_denied(stream):
            self._faults.denied(delivery.feed, item.uri, stream.message)
        elif not isinstance(stream, SourceError):
            self._faults.opened(delivery.feed, item.uri)
        run = ObjectProgress(item, lambda run: self._done(pipeline, run, delivery))
        run.late = late
        pipeline.ledger.begin(run)
        self._runs[item.uri] = run
        try:
            pipeline.read(stream, run)
        except (ClusterError, OpenSearchException, Stopped):
            raise
        except Exception as error:
            if pipeline.writer.error is not None:
                raise
            message = internal_error(error).message
            LOG.error("%s: %s; %s", item.uri, message, HOW_TO_SEE, exc_info=error)
            run.abort(message, retry=False)

    def _outcome_unread(self, stream: BinaryIO | SourceError, delivery: Delivery | None) -> Outcome:
        """The outcome of an object that was not opened. A bucket that does not exist, and from
        which nothing was read before, is a fault of the message, not of a source."""
        if not isinstance(stream, Unreachable) or delivery is None:
            return Outcome.RETURNED
        if stream.no_bucket and bucket_of(delivery.item.uri) not in self._read_from:
            return Outcome.NO_BUCKET
        self._faults.not_fetched(delivery.feed, delivery.item.uri, stream.message)
        return Outcome.RETURNED

    def _not_claimed(self, uri: str, reason: str) -> None:
        """Handle an object that the ledger cannot hold: it is logged, and failed at its feed."""
        shown = uri.encode("utf-8", "backslashreplace").decode()[:500]
        self._faults.record(f"{shown}: {reason}")
        LOG.error("object not read: %s", reason, extra={"fields": {"object": shown}})

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
            self._totals.counts.add(run.counts)
            if run.read_before:
                self._totals.again.add(run.counts)
            self._totals.bytes += run.bytes
            if run.other_kind:
                self._totals.ignored[run.other_kind] += 1
        self._faults.stored(run)
        if run.retry:
            self._faults.defer(uri, run.fault)
        else:
            self._faults.read(uri)
        if outcome is Outcome.DONE:
            self._faults.fetched(delivery.feed, uri)
            if len(self._read_from) < _MOST_BUCKETS:
                self._read_from.add(bucket_of(uri))
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
            self._faults.record(run.fault)
            LOG.warning("object deferred: %s", run.fault, extra={"fields": fields})
        elif outcome is Outcome.IGNORED:
            LOG.info("object ignored: it holds %s", run.other_kind, extra={"fields": fields})
        elif outcome is Outcome.FAILED:
            self._faults.record(run.fault)
            LOG.error("object not read to its end: %s", run.fault, extra={"fields": fields})
        else:
            LOG.info("object indexed", extra={"fields": fields})
        if self._on_object is not None:
            try:
                self._on_object(run, delivery, outcome)
            except Exception as error:
                message = internal_error(error).message
                LOG.error("the metrics of an object failed: %s", message, exc_info=error)


def _is_denied(stream: BinaryIO | SourceError) -> TypeGuard[ObjectAccessDeniedError]:
    """Whether opening an object was denied, as others of its source will be. An archived one is
    not."""
    archived = isinstance(stream, ObjectArchivedError)
    return isinstance(stream, ObjectAccessDeniedError) and not archived
