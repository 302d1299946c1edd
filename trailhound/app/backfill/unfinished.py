"""Backfills that did not end: the next one, and `status`, name their events that no rule has looked
at.

Every backfill writes a note into the ledger before its first event, renews it while it runs, and
removes it once its events are among the late ones, which `status` names. So a note that is no
longer renewed is of a backfill that was interrupted or killed, or that an error ended. The other
commands that index old events leave the same note: see `noted.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Self

from opensearchpy import OpenSearch

from detections.span import Span
from ingest.ledger.index import LedgerIndex
from ingest.ledger.worker import Worker
from ingest.run_report import RunReport
from trailhound.cluster.retry_policy import RetryPolicy, Stopped
from trailhound.errors import ClusterError, ForeignTemplateError, SourceError
from trailhound.settings import Settings
from trailhound.state.backfills import BACKFILL, BackfillState
from trailhound.state.store import StateStore


class UnfinishedBackfills:
    """Those of a namespace. Methods raise `ClusterError` and opensearch-py's exceptions."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store: StateStore[BackfillState] = StateStore(client, settings, BackfillState)
        self._silent = timedelta(seconds=settings.ingest.claim_seconds)
        self._worker = Worker.this()

    def all(self, but: str = "") -> list[BackfillState]:
        """The first to begin first, except one by its id. Left out are those that may still run:
        their process does, and renews its note."""
        now = datetime.now(UTC)
        found = (each for each in self._store.all() if each.id != but)
        return sorted(
            (each for each in found if self._ended(each, now)), key=lambda each: each.began
        )

    def _ended(self, backfill: BackfillState, now: datetime) -> bool:
        silent = now - (backfill.heartbeat or backfill.began)
        return self._worker.gone(backfill) or silent >= self._silent

    def spans(self, backfills: Iterable[BackfillState]) -> list[Span]:
        """When they may have indexed events. One that renewed its note last at a moment was at work
        no longer after it than it takes to count as ended."""
        now = datetime.now(UTC)
        return [
            Span(
                each.recorded or each.began,
                now if each.heartbeat is None else min(now, each.heartbeat + self._silent),
                "event.ingested",
            )
            for each in backfills
        ]

    def forget(self, backfills: Iterable[BackfillState]) -> None:
        """Rules have looked at all of their events, or a backfill that ended has recorded them."""
        self._store.delete([each.id for each in backfills])


def _has_read(report: RunReport) -> bool:
    return bool(report.objects or report.counts.read or report.indices)


class BackfillNote:
    """The note of a backfill that runs. Within, it is renewed from when the backfill `begin`s.

    It stays unless the backfill has said that it `end`ed, or an error of its source ended it before
    it read an object: there is nothing to resume. Methods raise `ClusterError`.
    """

    def __init__(self, client: OpenSearch, settings: Settings, command: str = BACKFILL) -> None:
        self.unfinished = UnfinishedBackfills(client, settings)
        self.began = datetime.now(UTC)
        self.report: Callable[[], RunReport] | None = None
        """What the backfill has read until now; None before it began."""
        self._command = command
        self._recorded: datetime | None = None
        names = StateStore(client, settings, BackfillState)
        seconds = settings.ingest.give_up_after
        self._closed = threading.Event()
        self._written = LedgerIndex(client, names.index, RetryPolicy(seconds))
        # The writers of events say what is waited for.
        quiet = RetryPolicy(seconds, stop=self._closed, on_wait=lambda _seconds, _reason: None)
        self._renewed = LedgerIndex(client, names.index, quiet)
        self._once = LedgerIndex(client, names.index, RetryPolicy(0.0))
        self._every = settings.ingest.claim_seconds / 4
        self._worker = Worker.this()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        failed = kind is not None and issubclass(kind, SourceError | ForeignTemplateError)
        if failed and self.report is not None and not _has_read(self.report()):
            self._written = self._once
            with suppress(ClusterError, Stopped):
                self.end(())
        self.close()

    def close(self) -> None:
        """Renew it no longer."""
        self._closed.set()

    def begin(self, began: datetime, report: Callable[[], RunReport] | None = None) -> None:
        """Write it before the first event, once the templates are known to be ours. `report`: what
        the backfill has read until it is called."""
        self.began = began
        self.report = report
        self._renew(self._written)
        threading.Thread(target=self._keep_renewing, name="backfill", daemon=True).start()

    def earlier(self) -> list[BackfillState]:
        """The other backfills that have not ended and no longer run."""
        return self.unfinished.all(but=self._worker.id)

    def recorded(self, until: datetime) -> None:
        """What was indexed `until` then is counted as late events elsewhere."""
        with self._lock:
            self._recorded = until
            self._renew(self._written)

    def end(self, named: Collection[BackfillState]) -> None:
        """The backfill has ended, and recorded what it and these earlier ones have left."""
        self._closed.set()
        ended = [self._worker.id, *(each.id for each in named)]
        with self._lock:  # no renewal writes it again
            self._written.bulk(
                [{"delete": {"_id": BackfillState.id_prefix + each}} for each in ended]
            )

    def _renew(self, index: LedgerIndex) -> None:
        worker = self._worker
        state = BackfillState(
            id=worker.id,
            began=self.began,
            heartbeat=datetime.now(UTC),
            host=worker.host,
            boot=worker.boot,
            pid=worker.pid,
            command=self._command,
            recorded=self._recorded,
        )
        index.bulk([{"index": {"_id": state.identifier}}, state.document()])

    def _keep_renewing(self) -> None:
        """While the cluster cannot be reached, the backfill writes no event either."""
        while not self._closed.wait(self._every):
            with self._lock:
                if self._closed.is_set():
                    return
                with suppress(ClusterError, Stopped):
                    self._renew(self._renewed)
