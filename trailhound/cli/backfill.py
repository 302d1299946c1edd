"""`trailhound backfill`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trailhound.cli.backfill_plan import show_plan
from trailhound.cli.backfill_report import (
    CutOff,
    explain,
    point_to_left,
    show_notes,
    show_report,
    show_undetected,
)
from trailhound.cli.backfill_verified import check_first, require_verifiable, settle
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.object_selection import SinceDay, UntilDay, selection_of
from trailhound.cli.options import Accounts, Config, Json, Namespace, Regions, Url, settings_from
from trailhound.cli.progress import show_progress
from trailhound.cli.screen import emit, warn
from trailhound.cli.stopping import stopped, stopped_by_signals
from trailhound.errors import UsageError

with late_imports():
    from ingest.backfill.backfill import Backfill
    from ingest.backfill.plan import plan
    from ingest.backfill.rate import rate_of
    from ingest.integrity.expected import ExpectedHashes
    from ingest.lookup.estimate import Estimated, sum_of
    from ingest.objects import HISTORY, Selection
    from ingest.run_report import RunReport
    from ingest.sources import is_stream, open_source
    from trailhound.app.enrichment import enricher_from
    from trailhound.app.settings_check import check_filter
    from trailhound.app.unfinished_backfills import Unfinished
    from trailhound.cluster import templates
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.cluster.retry_policy import RetryPolicy
    from trailhound.settings import Settings


if TYPE_CHECKING:
    from trailhound.cli.detect import Detected


def backfill(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            show_default=False,
            help="s3://bucket/prefix, lookup://[REGION,…], a folder, a file, a glob or -",
        ),
    ],
    since: SinceDay = None,
    until: UntilDay = None,
    account: Accounts = None,
    region: Regions = None,
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, metavar="N", help="Number of processes that read and enrich."),
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be read; write nothing.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Read at most N objects.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also read objects that are already ingested.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Verify CloudTrail's digests first, and each file against them when it is read.",
        ),
    ] = False,
    detect: Annotated[
        bool,
        typer.Option(
            "--detect",
            help="Run the rules over the indexed events, however old, and raise alerts.",
        ),
    ] = False,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore",
            help="Request a bulk restore of archived objects, after showing its cost, and read "
            "them "
            "once they are restored.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --restore: don't ask about the cost.")
    ] = False,
    enqueue: Annotated[
        str | None,
        typer.Option(
            metavar="QUEUE",
            help="Read nothing; put the objects on this SQS queue, for the daemons that read it.",
        ),
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Read CloudTrail files, enrich every event, index it by day.

    It is safe to run again: ingested objects are skipped, and an event that is already in the
    index is counted as a duplicate, not indexed twice. After an interruption or kill it resumes.

    Examples:

    `trailhound backfill s3://my-trail-bucket --since 2025-01-01`

    `trailhound backfill ./AWSLogs 'exports/**/*.json.gz'`

    `trailhound backfill lookup://eu-west-1 --since 30d`

    `aws cloudtrail lookup-events | trailhound backfill -`

    `trailhound backfill s3://my-trail-bucket --since 2020-01-01 --enqueue trail-notifications`
    """
    selection = selection_of(since, until, account, region)
    settings = settings_from(config, url, namespace, check_filter)
    _check_combination(source, enqueue, workers, limit, restore=restore, dry_run=dry_run)
    if verify:
        require_verifiable(source, enqueue=enqueue is not None, dry_run=dry_run)
    with cluster_errors(settings.hosts[0]):
        if enqueue is not None:
            _put_on_queue(
                settings,
                enqueue,
                source,
                selection,
                force=force,
                limit=limit,
                dry_run=dry_run,
                json=json,
            )
            return
        if dry_run:
            _show_plan(settings, source, selection, force=force, limit=limit, json=json)
            return
        report, found, complete = _read(
            settings,
            source,
            selection,
            force=force,
            limit=limit,
            workers=workers,
            verify=verify,
            detect=detect,
            restore=restore,
            yes=yes,
            json=json,
        )
    if json:
        emit(report.as_dict() | found)
    else:
        point_to_left(report)
    if not complete:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _read(
    settings: Settings,
    source: list[str],
    selection: Selection,
    *,
    force: bool,
    limit: int | None,
    workers: int,
    verify: bool,
    detect: bool,
    restore: bool,
    yes: bool,
    json: bool,
) -> tuple[RunReport, dict[str, Any], bool]:
    """Read the objects, and do what was asked for besides: the report, further members of the JSON
    object, and whether all was done."""
    started = datetime.now(UTC)
    with CutOff(settings) as cut_off:
        chains = check_first(settings, source, selection, quiet=json) if verify else None
        unfinished = Unfinished(connect(settings), settings)
        report = run_backfill(
            settings,
            source,
            selection,
            cut_off,
            begin=lambda: unfinished.begin(started),
            force=force,
            limit=limit,
            workers=workers,
            quiet=json,
            expected=chains.expected if chains is not None else None,
        )
        cut_off.report = lambda: report  # what is restored is added to it
        report.note_killed(unfinished.since)
        restored: dict[str, Any] = {}
        if restore and not report.interrupted:
            from trailhound.cli.restore import restore as restore_archived

            restored = restore_archived(settings, source, selection, report, yes=yes, quiet=json)
        if not json:
            show_report(report)
        cut_short = limit is not None or report.interrupted
        problems = (
            []
            if cut_short
            else explain(report, settings, source, selection, selected=report.selected)
        )
        found: dict[str, Any] = {"problems": problems, "undetected": None} | restored
        complete = report.complete and not problems
        if chains is not None:
            found["verification"] = settle(settings, chains, started, quiet=json)
            complete = complete and not chains.whole.fails and not chains.recorded.alerts
        if detect:
            detected = _detect(settings, report, started, json=json)
            found |= detected.as_dict()
            complete = complete and detected.complete
        # An interrupted run names its own events, and so does the run after it.
        interrupted = report.interrupted or stopped()  # the reading, or the rules after it
        if (report.counts.indexed or report.killed_since) and (interrupted or not detect):
            found["undetected"] = show_undetected(settings, report, started, json=json)
        if not interrupted:
            unfinished.end()
    return report, found, complete


def _check_combination(
    source: list[str],
    enqueue: str | None,
    workers: int,
    limit: int | None,
    *,
    restore: bool,
    dry_run: bool,
) -> None:
    """Raises `UsageError` for options that have no use together."""
    if enqueue is not None and workers > 1:
        raise UsageError(
            "--workers has no use with --enqueue, which reads no objects",
            hint="start more daemons instead",
        )
    if restore:
        from trailhound.cli.restore import check_restore

        check_restore(source)
        if enqueue is not None or dry_run or limit is not None:
            raise UsageError(
                "--restore can't be combined with --enqueue, --dry-run or --limit",
                hint="leave one of them out",
            )


def _put_on_queue(
    settings: Settings,
    queue: str,
    source: list[str],
    selection: Selection,
    *,
    force: bool,
    limit: int | None,
    dry_run: bool,
    json: bool,
) -> None:
    """Put the objects on a queue in place of reading them."""
    # Imported here, as are the rules and the pool below: a plain backfill needs none of them, and
    # starts in half the time.
    from ingest.backfill.enqueue import Enqueue
    from trailhound.cli.enqueue import put_on_queue

    put_on_queue(
        Enqueue(
            connect(settings),
            settings,
            queue,
            selection=selection,
            force=force,
            limit=limit,
            dry_run=dry_run,
        ),
        source,
        json=json,
        explain=lambda report: explain(report, settings, source, selection),
    )


def _show_plan(
    settings: Settings,
    source: list[str],
    selection: Selection,
    *,
    force: bool,
    limit: int | None,
    json: bool,
) -> None:
    """List what would be read. Exits with 1 if something that was asked for does not exist."""
    opened = [open_source(text, settings) for text in source]
    client = connect(settings)
    planned = plan(client, settings, opened, selection, force=force, limit=limit)
    problems = [] if limit else explain(planned, settings, source, selection)
    history = [each.estimate(selection) for each in opened if isinstance(each, Estimated)]
    show_plan(planned, rate_of(client, settings), problems, json=json, history=sum_of(history))
    show_notes(opened)
    if problems:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _detect(settings: Settings, report: RunReport, started: datetime, *, json: bool) -> Detected:
    """Run the rules over what was indexed, also by a run that was killed and that this one resumed;
    not after an interruption."""
    from trailhound.cli.detect import Detected, detect_ingested

    if report.interrupted:
        return Detected()
    begin = min(started, report.killed_since or started)
    return detect_ingested(connect(settings), settings, begin, json=json)


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

        job = Job(settings, tuple(sources), selection, enricher_from, warn, force, limit, expected)
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
