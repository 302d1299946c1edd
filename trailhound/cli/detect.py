"""`trailhound detect`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from detections.rule import Level
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.history_run import run_history, show_history
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Output, form_of
from trailhound.cli.options import (
    Config,
    Json,
    Namespace,
    Since,
    Until,
    Url,
    history_span_of,
    settings_from,
)
from trailhound.cli.rule_selection import Rules
from trailhound.cli.screen import plural, say, warn
from trailhound.errors import UsageError

with late_imports():
    from detections.rule import LEVELS
    from trailhound.app.backfill.undetected import note_searched
    from trailhound.app.detection.detection import History, rules_in_force
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


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
    rules: Rules = None,
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
        # Imported here: no other run reads files.
        from trailhound.cli.detect_files import detect_files

        span = history_span_of(since, until)
        if not files:
            raise UsageError("--files names no file", hint="give files, folders, globs or -")
        form = form_of(output, json)
        pack = rules_in_force(settings, rules or [])
        complete, levels = detect_files(settings, pack, files, span, form)
        _end(levels, fail_on, complete=complete)
        return
    if output is not None:
        raise UsageError("--output is for --files", hint="see `trailhound alerts list --output`")
    pack = rules_in_force(settings, rules or [])
    began, span = datetime.now(UTC), history_span_of(since, until)
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
    show_history(pack, found, history, trusted, dry_run=dry_run, json=json)
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
