"""Backfills that did not end: the next one names their events that no rule has looked at."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from ingest.ledger_index import LedgerIndex
from ingest.worker import Worker
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.settings import Settings
from trailhound.state.backfills import BackfillState
from trailhound.state.store import StateStore
from trailhound.state.workers import WorkerState


class Unfinished:
    """The backfills of a namespace that have not ended or were interrupted, and one that begins.

    Methods raise `ClusterError` and opensearch-py's exceptions.
    """

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store: StateStore[BackfillState] = StateStore(client, settings, BackfillState)
        self._written = LedgerIndex(
            client, self._store.index, RetryPolicy(settings.ingest.give_up_after)
        )
        self._worker = Worker.this()
        self._earlier: list[BackfillState] = []

    def begin(self, now: datetime) -> None:
        """Note a backfill before its first event, once the templates are known to be ours."""
        self._earlier = self.earlier()
        worker = self._worker
        begun = BackfillState(
            id=worker.id, began=now, host=worker.host, boot=worker.boot, pid=worker.pid
        )
        self._written.bulk([{"index": {"_id": begun.identifier}}, begun.document()])

    def earlier(self) -> list[BackfillState]:
        """Those that have not ended, without those that may still run: their process does, or on
        another machine a worker."""
        client, settings, now = self._store.client, self._store.settings, datetime.now(UTC)
        left = [each for each in self._store.all() if each.id != self._worker.id]
        if not left:
            return []
        silent = timedelta(seconds=settings.ingest.claim_seconds)
        workers = StateStore(client, settings, WorkerState).all()
        active = {each.host for each in workers if now - each.heartbeat < silent}
        here = (self._worker.host, self._worker.boot)
        return [
            each
            for each in left
            if self._worker.gone(each)
            or ((each.host, each.boot) != here and each.host not in active)
        ]

    @property
    def since(self) -> datetime | None:
        """When the first of the earlier ones began; None where all have ended."""
        return min((each.began for each in self._earlier), default=None)

    def end(self) -> None:
        """The one that began has ended, and named what it and the earlier ones have left."""
        ended = [self._worker.id, *(each.id for each in self._earlier)]
        self._written.bulk([{"delete": {"_id": BackfillState.id_prefix + each}} for each in ended])

    def forget(self, ended: Collection[str]) -> None:
        """Rules have looked at all events of these, by id."""
        self._store.delete(ended)
