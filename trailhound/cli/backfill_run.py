"""Runs a backfill in one process or several, with progress and a graceful end."""

from __future__ import annotations

from collections.abc import Callable

from trailhound.cli.backfill_report import CutOff, show_notes
from trailhound.cli.late_imports import late_imports
from trailhound.cli.progress import show_progress
from trailhound.cli.screen import warn
from trailhound.cli.stopping import stopped_by_signals
from trailhound.errors import UsageError

with late_imports():
    from ingest.backfill.backfill import Backfill
    from ingest.integrity.expected import ExpectedHashes
    from ingest.objects import HISTORY, Selection
    from ingest.run_report import RunReport
    from ingest.sources import is_stream, open_source
    from trailhound.app.enrichment import enricher_from
    from trailhound.cluster import templates
    from trailhound.cluster.client import connect
    from trailhound.cluster.retry_policy import RetryPolicy
    from trailhound.settings import Settings


def run_backfill(
    settings: Settings,
    sources: list[str],
    selection: Selection,
    cut_off: CutOff,
    *,
    begin: Callable[[], None] = lambda: None,
    force: bool = False,
    limit: int | None = None,
    workers: int = 1,
    quiet: bool = False,
    expected: ExpectedHashes | None = None,
) -> RunReport:
    """Run a backfill; unless `quiet`, with progress. Ctrl-C stops it gracefully, and `cut_off`
    knows its report from then on. `begin` is called before the first event."""
    if workers > 1:
        if any(text.startswith(HISTORY) for text in sources):
            raise UsageError(
                "several workers don't read the event history faster: AWS allows two requests a "
                "second in a region",
                hint="leave out --workers",
            )
        if any(is_stream(text) for text in sources):
            raise UsageError(
                "several workers cannot share one stream",
                hint="give a bucket, folder, file or glob, or leave out --workers",
            )
        from ingest.backfill.worker_pool import Job, WorkerPool

        job = Job(
            settings=settings,
            sources=tuple(sources),
            selection=selection,
            enricher_from=enricher_from,
            warn=warn,
            force=force,
            limit=limit,
            expected=expected,
        )
        pool = WorkerPool(job, workers)
        shown = show_progress(pool, settings, sources, selection, quiet=quiet, limit=limit)
        templates.check(connect(settings), settings)
        begin()
        cut_off.report = pool.snapshot
        with stopped_by_signals(pool), shown:
            return pool.run()
    opened = [open_source(text, settings) for text in sources]
    backfill = Backfill(
        connect(settings),
        settings,
        enricher_from(settings, warn),
        selection=selection,
        force=force,
        limit=limit,
        retry_policy=RetryPolicy(settings.ingest.give_up_after, on_wait=_waiting),
        expected=expected,
    )
    shown = show_progress(backfill, settings, sources, selection, quiet=quiet, limit=limit)
    begin()
    cut_off.report = backfill.snapshot
    with stopped_by_signals(backfill), shown:
        report = backfill.run(opened)
    show_notes(opened)
    return report


def _waiting(seconds: float, reason: str) -> None:
    if seconds >= 1:
        warn(f"waiting {seconds:.0f} s for the cluster: {reason}")
