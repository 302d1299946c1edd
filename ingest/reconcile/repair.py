"""Carries out the repairs of the findings of a reconciliation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, BinaryIO, Final

from opensearchpy import OpenSearch

from enrich.enricher import Enricher
from ingest.backfill.backfill import Backfill
from ingest.backfill.prefetch import Prefetcher
from ingest.deadletters.retry import Retried, Retry
from ingest.late_events import LateEventsTotal
from ingest.objects import Selection, Source, TrailObject
from ingest.reconcile.contents import Contents
from ingest.reconcile.findings import (
    RETRIES,
    ReconcileFinding,
    ReconcileFindingKind,
    ReconcileFindings,
    Repair,
    finding_of,
)
from ingest.reconcile.partial import partial, retry_for
from ingest.reconcile.stored import Letters, StoredEvents
from ingest.run_report import RunReport
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.settings import Settings
from trailhound.state.late_events import LateEvents, merged
from trailhound.state.objects import ObjectState, object_id
from trailhound.state.store import StateStore

_LOOK_EVERY: Final = 0.25
_AT_ONCE: Final = 500


class Chosen:
    """Some objects of a source, as a source of their own."""

    ignored: Mapping[str, int] = MappingProxyType({})

    def __init__(self, source: Source, findings: Iterator[ReconcileFinding]) -> None:
        self._source = source
        self._findings = findings

    def objects(self, selection: Selection) -> Iterator[TrailObject]:  # noqa: ARG002
        """Each of them, regardless of the selection: they are chosen already."""
        for each in self._findings:
            yield TrailObject(each.object, each.etag, each.size, each.walked)

    def open(self, item: TrailObject) -> BinaryIO:
        return self._source.open(item)

    def head(self, item: TrailObject, size: int) -> bytes:
        return self._source.head(item, size)


@dataclass(slots=True)
class Repaired:
    """What was done. `unrepaired` are the findings that have no repair: their reason has to be
    fixed first."""

    backfills: RunReport = field(default_factory=RunReport)
    retried: Retried | None = None
    left: ReconcileFindings = field(default_factory=ReconcileFindings)
    """Objects that still lack events in the index, or that cannot be compared, although they were
    read or their dead letters were tried again."""
    left_objects: int = 0
    still_absent: int = 0
    """Events of those objects that are in no index."""
    unusable: int = 0
    """Dead letters of objects that were read, of which no event can be made."""
    noted_gone: int = 0
    unrepaired: int = 0
    late: LateEvents | None = None
    """Events of objects that were read, which are too old for the scheduled rules; None where there
    are none."""

    @property
    def complete(self) -> bool:
        """Whether everything was repaired. Dead letters that a reading wrote do not count by
        themselves: a later repair may have indexed their events."""
        read = self.backfills
        unread = read.failed_objects or read.archived_objects or read.interrupted
        open_days = self.retried is not None and self.retried.days.not_restored
        return not (unread or self.left_objects or self.unrepaired or open_days)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "backfill": self.backfills.as_dict(),
            "retried": self.retried.as_dict() if self.retried is not None else None,
            "still_absent": self.still_absent,
            "unusable": self.unusable,
            "noted_gone": self.noted_gone,
            "unrepaired": self.unrepaired,
            "late_events": self.late.as_dict() if self.late is not None else None,
            "complete": self.complete,
        }


class Repairs:
    """One pass over the findings. `stop()` from a signal handler ends it gracefully."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        enricher: Enricher,
        source: Source,
        findings: ReconcileFindings,
        retry_policy: RetryPolicy | None = None,
        recorded: Callable[[], None] = lambda: None,
    ) -> None:
        """`recorded` is called whenever the late events of what was indexed are recorded."""
        self._client = client
        self._settings = settings
        self._enricher = enricher
        self._source = source
        self._findings = findings
        self._retry_policy = retry_policy
        self._recorded = recorded
        self._running: Backfill | None = None
        self._stopping = False
        self._on_progress: Callable[[str, int], None] = lambda _what, _events: None
        self.report = Repaired()
        self._late = LateEventsTotal()

    def stop(self) -> None:
        """Begin no further repair."""
        self._stopping = True
        if self._running is not None:
            self._running.stop()

    def run(
        self, on_progress: Callable[[str, int], None] = lambda _what, _events: None
    ) -> Repaired:
        """Carry out all repairs. Raises `ClusterError`, `SourceUnreachableError`, `SpoolError`;
        what was done before stays done."""
        report = self.report
        self._on_progress = on_progress
        report.unrepaired = sum(1 for each in self._findings if not each.repairs)
        try:
            self._read(Repair.READ, force=False)
            self._read(Repair.READ_AGAIN, force=True)
        finally:
            report.late = self._late.store(self._client, self._settings)
            if report.late is not None:
                self._recorded()
        wanted = {each for finding in self._findings for each in finding.repairs} & RETRIES
        # More days than one object may make are made where a finding said so, before.
        made = {retry_for(code) for code in report.backfills.dead_letter_codes}
        wanted |= made - {Repair.RETRY_NEW_DAYS}
        if wanted and not self._stopping:
            retry = Retry(
                self._client,
                self._settings,
                self._enricher,
                new_days=Repair.RETRY_NEW_DAYS in wanted,
                recorded=self._recorded,
            )
            report.retried = retry.run(reopen=Repair.RETRY_REOPENED in wanted)
            report.late = merged(report.late, report.retried.late)
        if (wanted or report.backfills.counts.dead_lettered) and not self._stopping:
            self._compare_again()
        self._note_gone()
        report.backfills.interrupted = report.backfills.interrupted or self._stopping
        return report

    def _read(self, repair: Repair, *, force: bool) -> None:
        if self._stopping or next(self._findings.needing(repair), None) is None:
            return
        self._running = Backfill(
            self._client,
            self._settings,
            self._enricher,
            selection=Selection(),
            force=force,
            retry_policy=self._retry_policy,
            late=self._late,
        )
        with self._watched(self._running, repair):
            found = self._running.run([Chosen(self._source, self._findings.needing(repair))])
        self.report.backfills.add(found)
        self.report.backfills.seconds += found.seconds
        self._running = None

    def _compare_again(self) -> None:
        """Compare the objects with dead letters once more. Dead letters that remain belong to other
        sources, or hold no event at all."""
        stored = StoredEvents(
            self._client, self._settings, RetryPolicy(self._settings.ingest.give_up_after)
        )
        stored.refresh()
        contents = Contents(self._settings, Selection(), stored)
        ingest = self._settings.ingest
        named = {uri for uri, _ in self.report.backfills.failures}
        letters: dict[str, int] = {}
        chosen = Chosen(self._source, self._with_letters(letters))
        with Prefetcher(
            chosen,
            chosen.objects(Selection()),
            threads=ingest.prefetch_threads,
            max_bytes=ingest.prefetch_bytes,
        ) as fetched:
            for item, stream in fetched:
                content = contents.of(item, stream)
                dead = letters.pop(item.uri)
                waiting = stored.dead_letters(item.uri) if content.absent and dead else Letters()
                dead -= len(content.absent & waiting.dismissed)
                content.absent -= waiting.dismissed
                if content.absent:
                    self._leave(partial(item, content, waiting.codes))
                elif content.fault and item.uri not in named:
                    self._leave(finding_of(item, ReconcileFindingKind.UNREADABLE, content.fault))
                elif not content.fault:
                    self.report.unusable += dead

    def _with_letters(self, letters: dict[str, int]) -> Iterator[ReconcileFinding]:
        """Findings whose dead letters were tried again, and those whose object has dead letters
        now, with their number in `letters`."""
        objects = StateStore(self._client, self._settings, ObjectState)
        findings = self._findings.needing(Repair.READ, Repair.READ_AGAIN, *RETRIES)
        while group := list(islice(findings, _AT_ONCE)):
            entries = objects.get([object_id(each.object) for each in group])
            for each in group:
                entry = entries.get(object_id(each.object))
                dead = entry.dead_lettered if entry is not None else 0
                if dead or not RETRIES.isdisjoint(each.repairs):
                    letters[each.object] = dead
                    yield each

    def _leave(self, finding: ReconcileFinding) -> None:
        self.report.left.add(finding)
        self.report.left_objects += 1
        self.report.still_absent += finding.events

    @contextmanager
    def _watched(self, running: Backfill, repair: Repair) -> Iterator[None]:
        """Report progress while a repair runs."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_LOOK_EVERY):
                self._on_progress(repair.value, running.snapshot().counts.accounted)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def _note_gone(self) -> None:
        objects = StateStore(self._client, self._settings, ObjectState)
        now = datetime.now(UTC)
        for each in self._findings.needing(Repair.NOTE_GONE):
            if self._stopping:
                return
            note_gone(objects, each.object, now)
            self.report.noted_gone += 1


def note_gone(
    objects: StateStore[ObjectState], uri: str, now: datetime, by: str = "", note: str = ""
) -> bool:
    """Note in the ledger that an object is no longer in its source; its events stay. False where
    the ledger has no such object."""
    return objects.change(object_id(uri), lambda entry: entry.gone(now, by, note)) is not None
