"""Runs a backfill in one process or several, with progress and a graceful end."""

from __future__ import annotations

from collections.abc import Callable

from trailhound.cli.backfill_report import CutOff, show_notes
from trailhound.cli.late_imports import late_imports
from trailhound.cli.progress import show_progress
from trailhound.cli.screen import warn
from trailhound.cli.stopping import stopped_by_signals

with late_imports():
    from ingest.backfill.request import BackfillRequest
    from ingest.integrity.expected import ExpectedHashes
    from ingest.run_report import RunReport
    from ingest.sources import open_source
    from trailhound.app.backfill.backfill import backfill_of, worker_pool_of
    from trailhound.cluster import templates
    from trailhound.cluster.client import connect
    from trailhound.settings import Settings


def run_backfill(
    settings: Settings,
    request: BackfillRequest,
    cut_off: CutOff,
    *,
    begin: Callable[[Callable[[], RunReport]], None] = lambda _: None,
    workers: int = 1,
    quiet: bool = False,
    expected: ExpectedHashes | None = None,
) -> RunReport:
    """Run a backfill; unless `quiet`, with progress. Ctrl-C stops it gracefully, and `cut_off`
    knows its report from then on. `begin` is called before the first event,
    with what gives its report from then on."""
    if workers > 1:
        pool = worker_pool_of(settings, request, workers, warn=warn, expected=expected)
        shown = show_progress(pool, settings, request, quiet=quiet)
        templates.check(connect(settings), settings)
        begin(pool.snapshot)
        cut_off.report = pool.snapshot
        with stopped_by_signals(pool), shown as cut_off.left:
            return pool.run()
    opened = [open_source(text, settings) for text in request.sources]
    backfill = backfill_of(settings, request, warn=warn, expected=expected)
    shown = show_progress(backfill, settings, request, quiet=quiet)
    begin(backfill.snapshot)
    cut_off.report = backfill.snapshot
    with stopped_by_signals(backfill), shown as cut_off.left:
        report = backfill.run(opened)
    show_notes(opened)
    return report
