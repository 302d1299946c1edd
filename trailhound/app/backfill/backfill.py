"""Backfills made from settings: in this process, or divided among several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ingest.backfill.backfill import Backfill
from ingest.backfill.request import BackfillRequest
from ingest.integrity.expected import ExpectedHashes
from ingest.objects import HISTORY
from ingest.sources import is_stream
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.errors import UsageError
from trailhound.settings import Settings

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
    return Backfill(
        connect(settings),
        settings,
        enricher_from(settings, warn),
        selection=request.selection,
        force=request.force,
        limit=request.limit,
        expected=expected,
    )


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

    return WorkerPool(Job(settings, request, enricher_from, warn, expected), workers)
