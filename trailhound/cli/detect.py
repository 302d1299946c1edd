"""`trailhound detect`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from detections.rule import Level
from trailhound.cli import dates
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Output, form_of
from trailhound.cli.options import Config, Json, Namespace, Since, Until, Url, settings_from
from trailhound.cli.screen import emit, out, plural, say, table, warn
from trailhound.cli.skipped_days import skipped_days, warn_skipped
from trailhound.cli.stages import show_stages
from trailhound.cli.stopping import stopped_by_signals
from trailhound.errors import NoEventsIndexError, UsageError

with late_imports():
    from opensearchpy import OpenSearch

    from detections.automation.left_out import LeftOut
    from detections.history import END, Piece, Survey
    from detections.packs.describe import problem_lines
    from detections.packs.pack import Pack
    from detections.rule import LEVELS
    from detections.running.detector import RuleRun
    from detections.span import BEGINNING, Span
    from trailhound.app.detection import DetectionTotals, History, rules_in_force, tallied
    from trailhound.app.undetected import note_searched
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings


def detect(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="With --files: files, folders, globs or -, as for `trailhound enrich`.",
        ),
    ] = None,
    over_files: Annotated[
        bool,
        typer.Option(
            "--files",
            help="Over these files, without a cluster; events that memory can't hold are in a "
            "temporary file in TMPDIR.",
        ),
    ] = False,
    since: Since = None,
    until: Until = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option(
            "--rules", metavar="PATH", help="More rules: a file or folder. May be repeated."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be found; write no alert.")
    ] = False,
    fail_on: Annotated[
        Level | None,
        typer.Option(
            "--fail-on", help="Exit with 4 if a rule of this level or above found something."
        ),
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Run the rules over history, by the time events happened, and raise alerts.

    Without `--since` and `--until`, over all events. It is safe to run again: a finding raises its
    alert once. Exits with 1 if a rule failed or a day could not be searched; the
    other rules and days are still searched.

    With `--files`, over the events of files: shows the alerts that would be raised, and writes
    nothing. Rules that compare with the past are not run, and are named.

    With `--fail-on`, exits with 4 where a rule of that level or above found something, new or not.

    Examples:

    `trailhound detect --since 2025-03-01 --until 2025-03-31`

    `trailhound detect --files ./AWSLogs --fail-on high`
    """
    settings = settings_from(config, url, namespace)
    if files and not over_files:
        raise UsageError(f"{files[0]}: a file without --files", hint="add --files")
    if over_files:
        of_files = _detect_files(
            settings, files or [], rules or [], asked(since, until), output, json=json
        )
        _end(of_files[1], fail_on, complete=of_files[0])
        return
    if output is not None:
        raise UsageError("--output is for --files", hint="see `trailhound alerts list --output`")
    pack = rules_in_force(settings, rules or [])
    began, span = datetime.now(UTC), asked(since, until)
    left_out = any(fault.stops for fault in pack.problems)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        history = History(client, settings, pack, span)
        found = run_history(history, record=not dry_run, quiet=json)
        failed = any(each.errors for each in found.values())
        complete = history.complete and not (left_out or failed)
        if complete and not dry_run:
            missing = note_searched(client, settings, pack.alerting, span, began)
            if missing:
                warn(_still_noted(missing))
        trusted = history.left_out()
        ends = history.bounds() if not history.survey.events else None
    show(pack, found, history.survey, trusted, dry_run=dry_run, json=json)
    if ends is not None and not json:
        say(f"events in the index are from {ends[0]:%Y-%m-%d} to {ends[1]:%Y-%m-%d}")
    _end(
        {each.rule.level for each in found.values() if each.findings},
        fail_on,
        complete=complete,
    )


def _still_noted(missing: Sequence[str]) -> str:
    """Why events stay noted as those that no rule has looked at. `missing`: titles of rules."""
    named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
    return (
        f"daemons run {plural(len(missing), 'rule')} that these settings lack ({named}): "
        "`trailhound status` goes on naming events that no rule has looked at, until `detect` runs "
        "with the daemons' settings"
    )


def _end(found: Collection[Level], fail_on: Level | None, *, complete: bool) -> None:
    """The exit code: that of `--fail-on` before that of an incomplete run."""
    if fail_on is not None and set(found) & set(LEVELS[LEVELS.index(fail_on) :]):
        raise typer.Exit(ExitCode.FOUND)
    if not complete:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _detect_files(
    settings: Settings,
    files: list[str],
    rules: list[Path],
    span: Span,
    output: Form | None,
    *,
    json: bool,
) -> tuple[bool, set[Level]]:
    """Whether everything was read and run, and the levels of the rules that found something."""
    # Imported here: no other run reads files.
    from trailhound.cli.detect_files import detect_files

    if not files:
        raise UsageError("--files names no file", hint="give files, folders, globs or -")
    form = form_of(output, json)
    return detect_files(settings, rules_in_force(settings, rules), files, span, form)


@dataclass(frozen=True, slots=True)
class Detected:
    """What the rules found. `faults`: those of rules, exceptions and files that were left out.
    `searched_all`: every day could be searched. `trusted`: what was left out as known
    automation."""

    found: dict[str, DetectionTotals] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    searched_all: bool = True
    trusted: Sequence[LeftOut] = ()

    @property
    def complete(self) -> bool:
        """Whether every rule ran over every day."""
        failed = any(each.errors for each in self.found.values())
        return self.searched_all and not self.faults and not failed

    def as_dict(self) -> dict[str, Any]:
        """The members that `--json` adds to the report of the backfill."""
        errors = {each.rule.title: list(each.errors) for each in self.found.values() if each.errors}
        return {
            "alerts": new_alerts(self.found),
            "rule_faults": self.faults,
            "rule_errors": errors,
            "known_automation": [each.as_dict() for each in self.trusted],
        }


def detect_ingested(
    client: OpenSearch, settings: Settings, since: datetime, *, json: bool
) -> Detected:
    """Run the rules over what a backfill indexed since a moment, whatever the age of the events."""
    pack = rules_in_force(settings)
    margin = timedelta(seconds=5)
    span = Span(since - margin, datetime.now(UTC) + margin, "event.ingested")
    faults = [str(each) for each in pack.problems if each.stops]
    try:
        history = History(client, settings, pack, span)
    except NoEventsIndexError:  # nothing was indexed, and there is no index
        if not json:
            for problem in problem_lines(pack):
                warn(problem)
        return Detected({}, faults)
    found = run_history(history, quiet=json)
    trusted = history.left_out()
    if not json:
        show(pack, found, history.survey, trusted)
    return Detected(found, faults, searched_all=history.complete, trusted=trusted)


def new_alerts(found: dict[str, DetectionTotals]) -> int:
    """How many new alerts were raised."""
    return sum(len(each.created) for each in found.values())


def run_history(
    history: History, *, record: bool = True, quiet: bool = False
) -> dict[str, DetectionTotals]:
    """Run rules over a history, with progress, and join their alerts into incidents. Ctrl-C ends it
    after the current piece."""
    done = 0
    with (
        stopped_by_signals(history),
        show_stages("detect", unit="events", quiet=quiet) as stage,
    ):

        def watch(piece: Piece, share: float) -> None:
            stage(_days(piece.span), done + int(share * piece.events), history.survey.events)

        def counted() -> Iterator[tuple[Piece, list[RuleRun]]]:
            nonlocal done
            for piece, runs in history.run(record=record, watch=watch):
                done += piece.events
                yield piece, runs

        found = tallied(counted())
    if record and (refused := history.join()):
        warn(f"alerts are not joined into incidents: {refused}")
    return found


def _days(span: Span) -> str:
    """The days of a piece of history, which can be several days with few events.

    >>> _days(Span(datetime(2025, 3, 1, 6), datetime(2025, 3, 2)))
    '2025-03-01'
    >>> _days(Span(datetime(2025, 3, 1), datetime(2025, 3, 9)))
    '2025-03-01 to 2025-03-08'
    """
    first, last = span.since, span.until - timedelta(microseconds=1)
    if first.date() == last.date():
        return f"{first:%Y-%m-%d}"
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def asked(since: datetime | None, until: datetime | None) -> Span:
    """The span of two options; an `until` that is a date includes that day.

    Raises `UsageError` if `since` is not before `until`.
    """
    dates.check_order(since, until)
    begin = since or BEGINNING
    end = dates.end_of(until) if until else END
    return Span(begin, end)


def show(
    pack: Pack,
    found: dict[str, DetectionTotals],
    looked_at: Survey,
    trusted: Sequence[LeftOut] = (),
    *,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Print the result, for people or as JSON."""
    fired = [each for each in found.values() if each.findings or each.errors]
    new = new_alerts(found)
    known = sum(len(each.updated) for each in fired)
    if json:
        emit(
            {
                "events": looked_at.events,
                "skipped_days": skipped_days(looked_at.skipped),
                "rules": [each.as_dict() for each in fired],
                "created": new,
                "updated": known,
                "faults": [str(fault) for fault in pack.problems],
                "known_automation": [each.as_dict() for each in trusted],
            }
        )
        return
    for problem in problem_lines(pack):
        warn(problem)
    rows = [
        (each.rule.level, each.rule.title, each.findings, len(each.created), len(each.updated))
        for each in fired
        if each.findings
    ]
    if rows:
        out.print(table(["level", "rule", "#findings", "#new alerts", "#updated"], rows))
    for each in fired:
        for reason in dict.fromkeys(each.errors):
            warn(f"{each.rule.labelled}: {reason}")
    silent = len(pack.alerting) - len(rows)
    what = "nothing was written (--dry-run)" if dry_run else plural(new, "new alert")
    warn_skipped(looked_at.skipped)
    for left in trusted:
        say(left.sentence())
    say(
        f"{plural(looked_at.events, 'event')} searched; {what}; "
        f"{plural(silent, 'rule')} found nothing"
    )
    if new and not dry_run:
        say("read them with `trailhound incidents list`, each with `trailhound alerts list`")
