"""What `trailhound backfill --enqueue` shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import typer

from trailhound.cli.backfill_plan import show_left_out
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import emit, err, plural, say, size, warn
from trailhound.cli.stopping import stopped_by_signals

with late_imports():
    from ingest.backfill.enqueue import Enqueue, Enqueued


def put_on_queue(
    job: Enqueue, sources: Sequence[str], *, json: bool, explain: Callable[[Enqueued], list[str]]
) -> None:
    """Put objects on a queue, with a line of progress. Exits with 1 if it was interrupted, or if
    `explain` returns problems."""
    ended = threading.Event()
    with stopped_by_signals(job), err.status("looking for objects …") as line:
        if json:
            line.stop()

        def update() -> None:
            while not ended.wait(0.25):
                line.update(_sentence(job.report))

        updater = threading.Thread(target=update, daemon=True)
        updater.start()
        try:
            report = job.run(sources)
        finally:
            ended.set()
            updater.join()
    problems = [] if report.interrupted or job.limit is not None else explain(report)
    if json:
        emit(report.as_dict() | {"problems": problems})
    else:
        say(_sentence(report) + f", in {report.seconds:.1f} s")
        if report.ignored_objects:
            say(f"{plural(report.ignored_objects, 'object')} skipped: they hold no events")
        if report.objects_read_again:
            say(
                f"{plural(report.objects_read_again, 'object')} of them to be read again: an "
                "earlier run had read them by another selection, filter or retention"
            )
        if report.left_out is not None:
            show_left_out(report.left_out)
        if report.dry_run:
            say("nothing was sent (--dry-run)")
    if report.interrupted:
        warn("interrupted: run the same command again; what is ingested by then is skipped")
        raise typer.Exit(ExitCode.INCOMPLETE)  # 130 after a signal
    if problems:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _sentence(report: Enqueued) -> str:
    verb = "to put on the queue" if report.dry_run else "put on the queue"
    stored = f" ({size(report.bytes)})" if report.bytes else ""
    return (
        f"{plural(report.objects, 'object')} {verb}{stored}, "
        f"{report.skipped_objects:,} already ingested"
    )
