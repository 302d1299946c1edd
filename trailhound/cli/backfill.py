"""`trailhound backfill`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trailhound.cli.backfill_plan import kinds, show_plan, stored
from trailhound.cli.backfill_verified import check_first, require_verifiable, settle
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.object_selection import SinceDay, UntilDay, selection_of
from trailhound.cli.options import (
    Accounts,
    Config,
    Json,
    Namespace,
    Regions,
    Url,
    command_flags,
    settings_from,
)
from trailhound.cli.progress import show_progress
from trailhound.cli.screen import emit, err, out, plural, say, table, tell, warn
from trailhound.cli.stopping import stopped_by_signals
from trailhound.errors import ClusterError, UsageError

with late_imports():
    from ingest.backfill.backfill import Backfill
    from ingest.backfill.matched import Selected
    from ingest.backfill.plan import plan
    from ingest.backfill.rate import rate_of
    from ingest.backfill.unmatched import Run, in_index, unmatched
    from ingest.integrity.expected import ExpectedHashes
    from ingest.lookup.estimate import Estimated, sum_of
    from ingest.objects import HISTORY, Selection, Source
    from ingest.run_report import RunReport
    from ingest.sources import is_stream, open_source
    from trailhound.app.enrichment import enricher_from
    from trailhound.app.settings_check import check_filter
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
            help="Verify CloudTrail's digests first, and each file against them as it is read.",
        ),
    ] = False,
    detect: Annotated[
        bool,
        typer.Option(
            "--detect",
            help="Run the rules over what was indexed, whatever its age, and raise alerts.",
        ),
    ] = False,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore",
            help="Ask S3 for a bulk restore of archived objects, the cost shown first, and read "
            "them as they come back.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --restore: don't ask about the cost.")
    ] = False,
    enqueue: Annotated[
        str | None,
        typer.Option(
            metavar="QUEUE",
            help="Read nothing: put the objects on this SQS queue, for the daemons that follow it.",
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
    if enqueue is not None and workers > 1:
        raise UsageError(
            "--workers reads, and --enqueue does not", hint="start more daemons instead"
        )
    if restore:
        from trailhound.cli.restore import check_restore

        check_restore(source)
        if enqueue is not None or dry_run or limit is not None:
            raise UsageError(
                "--restore reads, and can't be joined with --enqueue, --dry-run or --limit",
                hint="leave one of them out",
            )
    if verify:
        require_verifiable(source, enqueue=enqueue is not None, dry_run=dry_run)
    with cluster_errors(settings.hosts[0]):
        if enqueue is not None:
            # Imported here, as are the rules and the pool below: a plain backfill needs none of
            # them, and starts in half the time.
            from ingest.backfill.enqueue import Enqueue
            from trailhound.cli.enqueue import put_on_queue

            put_on_queue(
                Enqueue(
                    connect(settings),
                    settings,
                    enqueue,
                    selection=selection,
                    force=force,
                    limit=limit,
                    dry_run=dry_run,
                ),
                source,
                json=json,
                explain=lambda report: explain(report, settings, source, selection),
            )
            return
        if dry_run:
            opened = [open_source(text, settings) for text in source]
            client = connect(settings)
            planned = plan(client, settings, opened, selection, force=force, limit=limit)
            problems = [] if limit else explain(planned, settings, source, selection)
            history = [each.estimate(selection) for each in opened if isinstance(each, Estimated)]
            show_plan(
                planned, rate_of(client, settings), problems, json=json, history=sum_of(history)
            )
            show_notes(opened)
            if problems:
                raise typer.Exit(ExitCode.INCOMPLETE)
            return
        started = datetime.now(UTC)
        chains = check_first(settings, source, selection, quiet=json) if verify else None
        report = run_backfill(
            settings,
            source,
            selection,
            force=force,
            limit=limit,
            workers=workers,
            quiet=json,
            expected=chains.expected if chains is not None else None,
        )
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
        elif report.counts.indexed and not report.interrupted:
            flags = command_flags(url=url, namespace=namespace, config=config)
            found["undetected"] = _show_undetected(settings, started, flags, json=json)
    if json:
        emit(report.as_dict() | found)
    else:
        _point_to_left(report, command_flags(url=url, namespace=namespace, config=config))
    if not complete:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _point_to_left(report: RunReport, flags: str) -> None:
    """Which commands list what was not indexed."""
    if report.dead_letter_codes:
        say(f"which records are dead letters, and why: `trailhound deadletters list{flags}`")
    if report.failures:
        say(f"which objects were not fully read, and why: `trailhound ledger list{flags}`")


def _detect(settings: Settings, report: RunReport, started: datetime, *, json: bool) -> Detected:
    """Run the rules over what was indexed; nothing after an interruption."""
    from trailhound.cli.detect import Detected, detect_ingested

    if report.interrupted:
        return Detected()
    return detect_ingested(connect(settings), settings, started, json=json)


def _show_undetected(
    settings: Settings, started: datetime, flags: str, *, json: bool
) -> dict[str, Any] | None:
    """What no rule looks at by itself of what was indexed; for people, the command that does.

    All is ingested by now: a cluster that does not say is a warning.
    """
    from trailhound.app.undetected import undetected

    try:
        left = undetected(connect(settings), settings, started)
    except ClusterError as error:
        warn(f"can't say which of these events rules have not looked at: {error}")
        return None
    if left is None:
        return None
    if not json:
        since, until = left.days
        say(
            f"rules have not looked at {plural(left.events, 'event')} of these: run "
            f"`trailhound detect --since {since} --until {until}{flags}`"
        )
    return left.as_dict()


def explain(
    run: Run,
    settings: Settings,
    places: list[str],
    selection: Selection,
    *,
    selected: Selected | None = None,
) -> list[str]:
    """Print what the selection or a source names and does not exist; returns what was printed."""
    opened = [open_source(text, settings) for text in places if not is_stream(text)]
    known = in_index(connect(settings), settings)
    problems, notes = unmatched(run, opened, selection, selected, known)
    for problem in problems:
        warn(problem)
    for note in notes:
        warn(note)
    return problems


def run_backfill(
    settings: Settings,
    sources: list[str],
    selection: Selection,
    *,
    force: bool = False,
    limit: int | None = None,
    workers: int = 1,
    quiet: bool = False,
    expected: ExpectedHashes | None = None,
) -> RunReport:
    """A backfill that shows its progress (not with `quiet`), and that Ctrl-C stops gracefully."""
    if workers > 1:
        if any(text.startswith(HISTORY) for text in sources):
            raise UsageError(
                "several workers read the event history no faster: AWS answers two requests a "
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
        fleet = WorkerPool(job, workers)
        shown = show_progress(fleet, settings, sources, selection, quiet=quiet, limit=limit)
        with stopped_by_signals(fleet), shown:
            return fleet.run()
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
    with stopped_by_signals(backfill), shown:
        report = backfill.run(opened)
    show_notes(opened)
    return report


def show_notes(sources: Sequence[Source]) -> None:
    """What a source says that it cannot have."""
    for source in sources:
        for each in getattr(source, "notes", ()):
            warn(each)


def _waiting(seconds: float, reason: str) -> None:
    if seconds >= 1:
        warn(f"waiting {seconds:.0f} s for the cluster: {reason}")


def show_report(report: RunReport) -> None:
    """The summary for people."""
    counts = report.counts
    rate = counts.read / report.seconds if report.seconds else 0
    say(
        f"{plural(report.objects, 'object')} read{stored(report.bytes)}, "
        f"{report.skipped_objects:,} already ingested, in {report.seconds:.1f} s"
        + (f", {rate:,.0f} events/s" if counts.read else "")
    )
    out.print(
        table(
            ["#read", "=", "#indexed", "+", "#duplicates", "+", "#dead-lettered", "+", "#filtered"],
            [
                (
                    counts.read,
                    "=",
                    counts.indexed,
                    "+",
                    counts.duplicates,
                    "+",
                    counts.dead_lettered,
                    "+",
                    counts.filtered,
                )
            ],
        )
    )
    if past := report.selected.past:
        say(
            f"{plural(past, 'filtered record')} past retention: before "
            f"{report.selected.oldest.replace('.', '-')}, the first day that retention.days keeps"
        )
    if report.ignored_objects:
        say(
            f"{plural(report.ignored_objects, 'object')} skipped: not CloudTrail log files "
            f"({kinds(report.ignored_kinds)})"
        )
    if report.objects_read_again:
        say(
            f"{plural(report.objects_read_again, 'object')} read again: an earlier run had read "
            "them by another selection, filter or retention"
            + ("; what it had indexed of them counts as duplicates" if counts.duplicates else "")
        )
    if number := report.selected.by_folder:
        say(
            f"{plural(number, 'record')} selected by {'its' if number == 1 else 'their'} "
            f"folder's name only: {report.selected.why()}"
        )
    if report.lost_claims:
        warn(
            f"{plural(report.lost_claims, 'object')} taken over by another worker while this one "
            "did not respond; the other worker's ledger entry is kept"
        )
    if report.repaired:
        say(f"{plural(report.repaired, 'record')} repaired to be indexed (trail.repaired)")
    if report.conflicts:
        warn(
            f"{plural(report.conflicts, 'record')} had the eventID of a different record; "
            "both are kept (trail.conflict)"
        )
    if report.dead_letter_codes:
        rows = sorted(report.dead_letter_codes.items(), key=lambda row: -row[1])
        err.print(table(["dead letters", "#records"], rows))
    if report.spooled:
        warn(f"{plural(report.spooled, 'dead letter')} in the spool folder, not in the index")
    if report.failures:
        # Lines, not a table: a long key would be cut to the width of a terminal.
        shown = report.failures[:10]
        warn(f"{plural(report.failed_objects, 'object')} not fully read:")
        for uri, reason in shown:
            tell("  " + (reason if uri in reason else f"{uri}: {reason}"), 4)
        if report.failed_objects > len(shown):
            tell(f"  … and {report.failed_objects - len(shown):,} more", 4)
    if report.archived_objects:
        warn(
            f"{plural(report.archived_objects, 'object')} in an archive tier of S3 (`trailhound "
            "ledger list --state archived`): run again with --restore to ask for them, and to read "
            "what has come back"
        )
    if report.interrupted:
        warn("interrupted: run the same command again to resume")
