"""What a backfill did, for people: its counts, what is missing, and what to run next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trailhound.cli.backfill_plan import kinds_text, size_text
from trailhound.cli.failed_objects import failure_lines
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import err, out, plural, say, say_on_stderr, table, warn
from trailhound.errors import ClusterError

with late_imports():
    from detections.span import Span
    from ingest.backfill.unmatched import Run, in_index, unmatched
    from ingest.matched import SelectedRecords
    from ingest.objects import Selection, Source
    from ingest.run_report import RunReport
    from ingest.sources import is_stream, open_source
    from trailhound.app.backfill.unfinished import BackfillNote
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.cluster.templates import Names
    from trailhound.settings import Settings
    from trailhound.state.backfills import BackfillState

if TYPE_CHECKING:
    from trailhound.app.backfill.undetected import Undetected


def show_follow_up(report: RunReport) -> None:
    """Name the commands that list what was not indexed."""
    if report.dead_letter_codes:
        say("which records are dead letters, and why: `trailhound deadletters list`")
    if report.failures:
        say("which objects were not fully read, and why: `trailhound ledger list`")


def show_undetected(
    settings: Settings, report: RunReport, started: datetime, note: BackfillNote, *, json: bool
) -> tuple[list[BackfillState] | None, Undetected | None]:
    """The events that no rule looks at, of this run and of those before that did not end: these
    runs, and the events; None where there are none, or it is not known. Without `json` also
    prints the command that runs the rules over them.

    The backfill has ended at this point, so a cluster that does not answer is only a warning.
    """
    from trailhound.app.backfill.undetected import undetected

    client = connect(settings)
    try:
        with cluster_errors(settings.hosts[0]):
            earlier = note.earlier()
            spans = note.unfinished.spans(earlier)
            if report.counts.indexed:
                spans.append(Span(started, datetime.now(UTC), "event.ingested"))
            left = undetected(client, settings, spans, report.indices) if spans else None
    except ClusterError as error:
        warn(f"can't say which of these events rules have not looked at: {error}")
        return None, None
    if left is None:
        return earlier, None
    if not json:
        first, last = left.days
        events = plural(left.events, "event")
        say(
            f"rules have not looked at {events} of {_runs(report, earlier)}: run "
            f"`trailhound detect --since {first} --until {last}`"
        )
    return earlier, left


def _runs(report: RunReport, earlier: Sequence[BackfillState]) -> str:
    """By which runs events were indexed."""
    if not earlier:
        return "these"
    were = plural(len(earlier), "run that did", "runs that did")
    began = "it began" if len(earlier) == 1 else "the first began"
    of_earlier = f"those indexed during {were} not end"
    own = "these and of " if report.counts.indexed else ""
    return f"{own}{of_earlier} ({began} {earlier[0].began:%F %T} UTC)"


class CutOff:
    """A context in which a signal that ends the command at once has it print what is left to do,
    once there is a `report`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.report: Callable[[], RunReport] | None = None
        self.left: Callable[[RunReport], str] = lambda _: ""
        """How many objects are left, in words; empty where that is not known."""

    def __enter__(self) -> CutOff:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self.report is not None:
            report = self.report()
            show_cut_off(report, self._settings, self.left(report))


def show_cut_off(report: RunReport, settings: Settings, left: str = "") -> None:
    """Say how to continue after a run that was ended at once. `report`: its report until then,
    `left`: how many objects are left.

    Nothing is asked of the cluster: the person wants the command to end. So the days are those
    that events were sent to, whether or not a scheduled rule covers some of them.
    """
    _show_resuming(left)
    names = Names(settings.prefix)
    days = sorted(day.replace(".", "-") for index in report.indices if (day := names.day_of(index)))
    if days:
        warn(
            "rules have not looked at the events that were indexed until now: run "
            f"`trailhound detect --since {days[0]} --until {days[-1]}`; the next backfill names "
            "them too"
        )


def warn_unmatched(
    run: Run,
    settings: Settings,
    sources: Sequence[str],
    selection: Selection,
    *,
    selected: SelectedRecords | None = None,
) -> list[str]:
    """Warn of accounts, regions, days and sources that were asked for and do not exist.

    Returns those that make the run incomplete.
    """
    opened = [open_source(text, settings) for text in sources if not is_stream(text)]
    known = in_index(connect(settings), settings)
    problems, notes = unmatched(run, opened, selection, selected, known)
    for problem in problems:
        warn(problem)
    for note in notes:
        warn(note)
    return problems


def warn_removed(
    run: Run, settings: Settings, sources: Sequence[str], selection: Selection
) -> list[str]:
    """Warn of days that the retention removed and whose objects count as ingested. Returns it as a
    sentence, which makes the run incomplete; a cluster that does not answer is only a warning."""
    if not run.skipped_objects:
        return []
    from trailhound.app.backfill.removed import describe, still_removed

    client, today = connect(settings), datetime.now(UTC).date()
    try:
        with cluster_errors(settings.hosts[0]):
            days = still_removed(client, settings, run.matched.days, selection, today)
    except ClusterError as error:
        warn(f"can't say which days the retention removed: {error}")
        return []
    if not days:
        return []
    problem = describe(days, [text for text in sources if not is_stream(text)])
    warn(problem)
    return [problem]


def show_notes(sources: Sequence[Source]) -> None:
    """Warn of what the sources say they cannot deliver."""
    for source in sources:
        for each in getattr(source, "notes", ()):
            warn(each)


def _show_resuming(left: str) -> None:
    warn(f"interrupted: run the same command again to resume{left and f'; {left}'}")


def show_report(report: RunReport, left: str = "") -> None:
    """Print the counts of a run, and what is to be known about what it read or did not read.
    `left`: how many objects are left, if it was interrupted."""
    _show_counts(report)
    _show_selection(report)
    _show_records(report)
    _show_objects(report)
    if report.interrupted:
        _show_resuming(left)


def _show_counts(report: RunReport) -> None:
    """What was read, how fast, and what became of its records."""
    counts = report.counts
    rate = counts.read / report.seconds if report.seconds else 0
    say(
        f"{plural(report.objects, 'object')} read{size_text(report.bytes)}, "
        f"{report.skipped_objects:,} already ingested, "
        + (f"{report.failed_objects:,} not fully read, " if report.failed_objects else "")
        + f"in {report.seconds:.1f} s"
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


def _show_selection(report: RunReport) -> None:
    """What the selection, the retention and earlier runs made of the objects."""
    if past := report.selected.past:
        say(
            f"{plural(past, 'filtered record')} past retention: before "
            f"{report.selected.oldest.replace('.', '-')}, the first day that retention.days keeps"
        )
    if report.ignored_objects:
        say(
            f"{plural(report.ignored_objects, 'object')} skipped: no events "
            f"({kinds_text(report.ignored_kinds)})"
        )
    if report.objects_read_again:
        say(
            f"{plural(report.objects_read_again, 'object')} read again: an earlier run had read "
            "them by another selection, filter or retention"
            + (
                "; what it had indexed of them counts as duplicates"
                if report.counts.duplicates
                else ""
            )
        )
    if number := report.selected.by_folder:
        say(
            f"{plural(number, 'record')} selected by {'its' if number == 1 else 'their'} "
            f"folder's name only: {report.selected.why()}"
        )


def _show_records(report: RunReport) -> None:
    """Claims that were lost to another worker; records that were changed, or are not in the
    index."""
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


def _show_objects(report: RunReport) -> None:
    """Objects that were not fully read."""
    if report.failures:
        # Lines, not a table: a long key would be cut to the width of a terminal.
        warn(f"{plural(report.failed_objects, 'object')} not fully read:")
        for line in failure_lines(report.failures, report.failed_objects):
            say_on_stderr(f"  {line}", 4)
    if report.archived_objects:
        warn(
            f"{plural(report.archived_objects, 'object')} in an archive tier of S3 (`trailhound "
            "ledger list --state archived`): run again with --restore to ask for them, and to read "
            "what has come back"
        )
