"""`trailhound backfill`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trailhound.cli.backfill_plan import show_plan
from trailhound.cli.backfill_report import (
    CutOff,
    show_follow_up,
    show_notes,
    show_report,
    show_undetected,
    warn_removed,
    warn_unmatched,
)
from trailhound.cli.backfill_run import run_backfill
from trailhound.cli.backfill_verified import alert_altered_files, require_verifiable, verify_digests
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.object_selection import SinceDay, UntilDay, selection_of
from trailhound.cli.options import Accounts, Config, Json, Namespace, Regions, Url, settings_from
from trailhound.cli.screen import emit, warn
from trailhound.cli.stopping import stopped
from trailhound.errors import UsageError

with late_imports():
    from ingest.backfill.denied import note_listing
    from ingest.backfill.plan import plan
    from ingest.backfill.rate import rate_of
    from ingest.backfill.request import BackfillRequest
    from ingest.lookup.estimate import Estimated, sum_of
    from ingest.run_report import RunReport
    from ingest.sources import open_source
    from trailhound.app.backfill.unfinished import BackfillNote
    from trailhound.app.settings_check import check_filter, doubtful_filters
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings
    from trailhound.state.late_events import LateEventsStore


if TYPE_CHECKING:
    from trailhound.app.backfill.undetected import Undetected
    from trailhound.cli.history_run import Detected
    from trailhound.state.backfills import BackfillState


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
    for location, doubt in doubtful_filters(settings):
        warn(f"{'.'.join(map(str, location))}: {doubt}")
    request = BackfillRequest(tuple(source), selection, force=force, limit=limit)
    _check_combination(request, enqueue, workers, restore=restore, dry_run=dry_run)
    if verify:
        require_verifiable(source, enqueue=enqueue is not None, dry_run=dry_run)
    with cluster_errors(settings.hosts[0]):
        if enqueue is not None:
            _put_on_queue(settings, enqueue, request, dry_run=dry_run, json=json)
            return
        if dry_run:
            _show_plan(settings, request, json=json)
            return
        steps = _Steps(workers, verify=verify, detect=detect, restore=restore, yes=yes)
        done = _read(settings, request, steps, json=json)
    if json:
        emit(done.report.as_dict() | done.members)
    else:
        show_follow_up(done.report)
    if not done.complete:
        raise typer.Exit(ExitCode.INCOMPLETE)


@dataclass(frozen=True, slots=True)
class _Steps:
    """What to do besides reading, by the options of the same names."""

    workers: int
    verify: bool
    detect: bool
    restore: bool
    yes: bool


@dataclass(frozen=True, slots=True)
class _Done:
    """`members` are further members of the JSON object, beside those of `report`. `complete`:
    everything that was asked for was done."""

    report: RunReport
    members: dict[str, Any]
    complete: bool


def _read(settings: Settings, request: BackfillRequest, steps: _Steps, *, json: bool) -> _Done:
    """Verify digests, read the objects, restore archived ones, and run the rules, as far as each
    was asked for; show what was done, and what is left."""
    started = datetime.now(UTC)
    sources, selection = request.sources, request.selection
    with CutOff(settings) as cut_off, BackfillNote(connect(settings), settings) as note:
        chains = verify_digests(settings, sources, selection, quiet=json) if steps.verify else None
        report = run_backfill(
            settings,
            request,
            cut_off,
            begin=lambda report: note.begin(started, report),
            workers=steps.workers,
            quiet=json,
            expected=chains.expected if chains is not None else None,
        )
        cut_off.report = lambda: report  # what is restored is added to it
        note_listing(
            connect(settings),
            settings,
            selection,
            denied=report.denied,
            listed=() if report.interrupted else report.listed,
        )
        restored: dict[str, Any] = {}
        if steps.restore and not report.interrupted:
            from trailhound.cli.restore import restore

            restored = restore(settings, sources, selection, report, yes=steps.yes, quiet=json)
        if not json:
            show_report(report, cut_off.left(report))
        problems: list[str] = []
        if request.limit is None and not report.interrupted:
            problems = warn_unmatched(
                report, settings, sources, selection, selected=report.selected
            )
            problems += warn_removed(report, settings, sources, selection)
        members: dict[str, Any] = {"problems": problems, "undetected": None} | restored
        complete = report.complete and not problems
        if chains is not None:
            members["verification"] = alert_altered_files(settings, chains, started, quiet=json)
            complete = complete and not chains.whole.fails and not chains.recorded.alerts
        searched, detected = _search(settings, report, started, note, steps.detect, json=json)
    return _Done(report, members | searched, complete and detected)


def _search(
    settings: Settings,
    report: RunReport,
    started: datetime,
    note: BackfillNote,
    detect: bool,
    *,
    json: bool,
) -> tuple[dict[str, Any], bool]:
    """Run the rules over what was indexed, or else say which events no rule looks at; the note of
    this run ends unless it is needed by the next one. Returns members of the JSON object, and
    whether the rules have run if they were to."""
    members: dict[str, Any] = {}
    complete = True
    earlier: Sequence[BackfillState] | None = None
    left: Undetected | None = None
    if detect:
        earlier = [] if report.interrupted else note.earlier()
        detected = _detect(settings, report, started, earlier, json=json)
        members |= detected.as_dict()
        complete = detected.complete
    # An interrupted run names its own events, and so does the run after it.
    interrupted = report.interrupted or stopped()  # the reading, or the rules after it
    if interrupted or not detect:
        earlier, left = show_undetected(settings, report, started, note, json=json)
        members["undetected"] = left.as_dict() if left is not None else None
    if earlier is not None and not interrupted:
        if left is not None:  # `status` names them until rules have looked at them
            LateEventsStore(connect(settings), settings).add(left.late())
        note.end(earlier)
    return members, complete


def _check_combination(
    request: BackfillRequest,
    enqueue: str | None,
    workers: int,
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

        check_restore(request.sources)
        if enqueue is not None or dry_run or request.limit is not None:
            raise UsageError(
                "--restore can't be combined with --enqueue, --dry-run or --limit",
                hint="leave one of them out",
            )


def _put_on_queue(
    settings: Settings, queue: str, request: BackfillRequest, *, dry_run: bool, json: bool
) -> None:
    """Put the objects on a queue in place of reading them."""
    # Imported here, as are the rules below: a plain backfill needs none of them, and starts in
    # half the time.
    from ingest.backfill.enqueue import Enqueue
    from trailhound.cli.enqueue import put_on_queue

    job = Enqueue(
        connect(settings),
        settings,
        queue,
        selection=request.selection,
        force=request.force,
        limit=request.limit,
        dry_run=dry_run,
    )
    put_on_queue(
        job,
        request.sources,
        json=json,
        explain=lambda report: warn_unmatched(report, settings, request.sources, request.selection),
    )


def _show_plan(settings: Settings, request: BackfillRequest, *, json: bool) -> None:
    """List what would be read. Exits with 1 if something that was asked for does not exist."""
    opened = [open_source(text, settings) for text in request.sources]
    client = connect(settings)
    selection, limit = request.selection, request.limit
    planned = plan(client, settings, opened, selection, force=request.force, limit=limit)
    problems = [] if limit else warn_unmatched(planned, settings, request.sources, selection)
    problems += [] if limit else warn_removed(planned, settings, request.sources, selection)
    for why in planned.denied.values():
        warn(why)
        problems.append(why)
    history = [each.estimate(selection) for each in opened if isinstance(each, Estimated)]
    show_plan(planned, rate_of(client, settings), problems, json=json, history=sum_of(history))
    show_notes(opened)
    if problems:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _detect(
    settings: Settings,
    report: RunReport,
    started: datetime,
    earlier: Sequence[BackfillState],
    *,
    json: bool,
) -> Detected:
    """Run the rules over what was indexed, also by these earlier runs that did not end; not after
    an interruption."""
    from trailhound.cli.history_run import Detected, detect_ingested

    if report.interrupted:
        return Detected()
    begin = min([started, *(each.began for each in earlier)])
    return detect_ingested(connect(settings), settings, begin, json=json)
