"""The backfill: every selected object is read, enriched, indexed and recorded in the ledger.

source → claim → fetch → read → assemble → bulk writer, each overlapping the next. One process
reads and enriches; a few threads list, fetch and send, and the cluster works meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from opensearchpy import OpenSearch

from enrich.enricher import Enricher
from ingest.backfill.prefetch import Prefetcher
from ingest.backfill.small_objects import SmallObjects
from ingest.counts import Counts
from ingest.integrity.expected import ExpectedHashes
from ingest.late_count import LateCount
from ingest.late_events import LateEventsTotal
from ingest.object_progress import ObjectProgress, outcome_of
from ingest.objects import Selection, Source, StoppableSource, TrailObject
from ingest.pipeline import Pipeline
from ingest.run_report import FAILURES_KEPT, RunReport
from trailhound.cluster.retry_policy import RetryPolicy, Stopped
from trailhound.errors import AccountingError, FoldersDeniedError, SourceError
from trailhound.settings import Settings

_STOPPING_SECONDS = 30.0


class Backfill:
    """One run over some sources. `stop()` from a signal handler ends it gracefully."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        enricher: Enricher,
        *,
        selection: Selection,
        force: bool = False,
        limit: int | None = None,
        retry_policy: RetryPolicy | None = None,
        expected: ExpectedHashes | None = None,
        late: LateEventsTotal | None = None,
        store_late: bool = False,
    ) -> None:
        """`late`: where to add up the events that are too old for the scheduled rules. With
        `store_late`, they are stored before the ledger has their objects as done."""
        self._late = late
        self._settings = settings
        self._selection = selection
        self._force = force
        self._limit = limit
        self._retry_policy = retry_policy or RetryPolicy(settings.ingest.give_up_after)
        self.pipeline = Pipeline(
            client,
            settings,
            enricher,
            self._retry_policy,
            selection=selection,
            skip_stored=True,
            selected=True,
            expected=expected,
        )
        self.ledger = self.pipeline.ledger
        if late is not None and store_late:
            self.ledger.outcomes.before = lambda: self._retry_policy.run(
                lambda: late.store(client, settings)
            )
        self._report = RunReport()
        self._lock = threading.Lock()
        self._active: dict[str, ObjectProgress] = {}
        self._handed_out = 0
        self._sources: Sequence[Source] = ()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Read no further object; objects being read are finished.

        If the cluster is unreachable, the run waits at most 30 s for it.
        """
        self._retry_policy.set_deadline(_STOPPING_SECONDS)
        self._stopping.set()
        self.ledger.no_more.set()
        for source in self._sources:
            if isinstance(source, StoppableSource):
                source.stop()

    def snapshot(self) -> RunReport:
        """The report so far, objects being read included."""
        with self._lock:
            now = RunReport(**{name: getattr(self._report, name) for name in _COPIED})
            now.counts = Counts()
            now.counts.add(self._report.counts)
            now.ignored_kinds.update(self._report.ignored_kinds)
            for run in self._active.values():
                now.counts.add(run.counts)
                now.bytes += run.bytes
        self._from_ledger(now)
        now.indices = self.pipeline.days.ensured()
        return now

    def run(self, sources: Sequence[Source]) -> RunReport:
        """Read everything. Raises `ClusterError` and `SourceUnreachableError`; what is indexed
        stays indexed.
        """
        started = time.monotonic()
        self._sources = sources
        self.pipeline.start()
        try:
            for source in sources:
                if not self._stopping.is_set():
                    self._read_source(source)
            self.pipeline.writer.close()
        except SourceError:
            # The source as a whole is unreachable: records read before are still indexed.
            self.pipeline.finish()
            raise
        except KeyboardInterrupt:
            self.pipeline.cut_off()
            raise
        except BaseException as error:
            self.pipeline.abandon()
            sender_error = self.pipeline.writer.error
            if isinstance(error, Stopped) and sender_error is not None:
                raise sender_error from None
            raise
        self.ledger.close()
        return self._finish(sources, time.monotonic() - started)

    def _finish(self, sources: Sequence[Source], seconds: float) -> RunReport:
        report = self._report
        report.seconds = seconds
        self._from_ledger(report)
        for source in sources:
            report.ignored_kinds.update(source.ignored)
        report.ignored_kinds.update(self.ledger.claims.ignored)
        report.interrupted = self._stopping.is_set()
        report.repaired = self.pipeline.result_handler.stats.repaired
        report.conflicts = self.pipeline.result_handler.stats.conflicts
        report.retries = self.pipeline.sender.stats.retries
        report.spooled = self.pipeline.deadletters.spooled
        report.dead_letter_codes = dict(self.pipeline.deadletters.codes)
        report.indices = self.pipeline.days.ensured()
        report.counts.check("the run")
        if self._active:
            raise AccountingError(
                f"{len(self._active)} objects were read and not completed, {min(self._active)} "
                "among them",
                hint="internal error (please report it); the next run reads them again",
            )
        return report

    def _from_ledger(self, report: RunReport) -> None:
        report.skipped_objects = self.ledger.claims.skipped
        report.objects_read_again = self.ledger.claims.read_again
        report.lost_claims = self.ledger.outcomes.lost

    def _read_source(self, source: Source) -> None:
        listed = self._reserve_days(source)
        left = None if self._limit is None else self._limit - self._handed_out
        items = self._counted(self.ledger.claim(listed, force=self._force, limit=left))
        ingest = self._settings.ingest
        fetched = Prefetcher(
            source, items, threads=ingest.prefetch_threads, max_bytes=ingest.prefetch_bytes
        )
        small = SmallObjects(self.pipeline.begin, self.pipeline.read)
        try:
            for item, stream in fetched:
                if self._stopping.is_set():
                    break
                run = ObjectProgress(item, self._done)
                self.ledger.begin(run)
                if self._late is not None and self._late.wants(run):
                    run.late = LateCount.of(self._settings)
                with self._lock:
                    self._active[item.uri] = run
                small.read(stream, run)
                if not fetched.ready:
                    small.finish()
            small.finish()
        except SourceError:
            small.finish()
            raise
        finally:
            fetched.close()

    def _reserve_days(self, source: Source) -> Iterator[TrailObject]:
        """Reserve days while listing, so that a shard limit stops the run before a write fails. A
        folder that may not be listed is one object that failed."""
        try:
            for item in source.objects(self._selection):
                place = self._report.matched.add(item)
                if place is not None and place.day is not None:
                    self.pipeline.days.reserve(place.day.strftime("%Y.%m.%d"))
                yield item
        except FoldersDeniedError as error:
            with self._lock:
                self._report.add_unlisted(error)
        prefix = getattr(source, "uri_prefix", None)
        if prefix and prefix.startswith("s3://"):
            with self._lock:
                self._report.listed.add(prefix)

    def _counted(self, items: Iterator[TrailObject]) -> Iterator[TrailObject]:
        """Counts objects as they are started: those of an earlier source may not be done yet."""
        for item in items:
            self._handed_out += 1
            yield item

    def _done(self, run: ObjectProgress) -> None:
        """An object is complete: add it to the report and to the ledger."""
        report = self._report
        if self._late is not None:
            self._late.add(run)
        with self._lock:
            self._active.pop(run.item.uri, None)
            if run.other_kind:
                report.ignored_kinds[run.other_kind] += 1
            else:
                report.objects += 1
            report.bytes += run.bytes
            report.counts.add(run.counts)
            if run.choice is not None:
                report.selected.add(run.choice)
            if run.archived:
                report.archived_objects += 1
            elif run.fault:
                report.failed_objects += 1
                if len(report.failures) < FAILURES_KEPT:
                    report.failures.append((run.item.uri, run.fault))
        self.ledger.finish(run, outcome_of(run))


_COPIED = ("objects", "failed_objects", "archived_objects", "bytes")
