"""Backfills made from settings: in this process, or divided among several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from opensearchpy import OpenSearch

from detections.span import Span
from ingest.backfill.backfill import Backfill
from ingest.backfill.request import BackfillRequest
from ingest.integrity.expected import ExpectedHashes
from ingest.late_events import TakenOver
from ingest.objects import HISTORY
from ingest.sources import is_stream
from trailhound.app.backfill.unfinished import UnfinishedBackfills
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import UsageError
from trailhound.settings import Settings

_TAKEN_OVER: Final = (
    "files that a daemon had begun hold events that came too late for the scheduled rules: "
    "`trailhound status` names the `detect` command that runs the rules over them"
)

if TYPE_CHECKING:
    from ingest.backfill.worker_pool import WorkerPool


def backfill_of(
    settings: Settings,
    request: BackfillRequest,
    *,
    warn: Callable[[str], None],
    expected: ExpectedHashes | None = None,
) -> Backfill:
    """A backfill in this process. `warn` is called with what of the enrichment cannot be used."""
    client = connect(settings)
    return Backfill(
        client,
        settings,
        enricher_from(settings, warn),
        selection=request.selection,
        force=request.force,
        limit=request.limit,
        expected=expected,
        late=TakenOver(lambda: _named(client, settings), lambda: warn(_TAKEN_OVER)),
        store_late=True,
    )


def _named(client: OpenSearch, settings: Settings) -> list[Span]:
    """When events were ingested that the notes of unfinished commands name. Raises
    `ClusterError`."""
    unfinished = UnfinishedBackfills(client, settings)
    with cluster_errors(settings):
        return unfinished.spans(unfinished.all())


def worker_pool_of(
    settings: Settings,
    request: BackfillRequest,
    workers: int,
    *,
    warn: Callable[[str], None],
    expected: ExpectedHashes | None = None,
) -> WorkerPool:
    """A backfill in `workers` processes. `warn` must be importable by name. Raises `UsageError` for
    sources that cannot be divided."""
    if any(text.startswith(HISTORY) for text in request.sources):
        raise UsageError(
            "several workers don't read the event history faster: AWS allows two requests a "
            "second in a region",
            hint="leave out --workers",
        )
    if any(is_stream(text) for text in request.sources):
        raise UsageError(
            "several workers cannot share one stream",
            hint="give a bucket, folder, file or glob, or leave out --workers",
        )
    # Imported here, so that a backfill in one process starts faster.
    from ingest.backfill.worker_pool import Job, WorkerPool

    named = _named(connect(settings), settings)
    return WorkerPool(Job(settings, request, enricher_from, warn, expected, named), workers)
