"""`trailhound detect`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from opensearchpy import OpenSearch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from detections.packs.pack import Pack
from detections.running.detector import RuleRun
from detections.span import Span
from trailhound.app.detection import PIECE, DetectionTotals, History, rules_in_force, tallied
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, err, out, plural, say, table, warn
from trailhound.cli.stopping import stopped_by_signals
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import UsageError
from trailhound.settings import Settings

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


def detect(
    since: Annotated[
        datetime | None,
        typer.Option(formats=_TIMES, metavar="TIME", help="From this UTC day or time on."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_TIMES, metavar="TIME", help="To the end of this UTC day, or time."),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option(
            "--rules", metavar="PATH", help="More rules: a file or folder. May be repeated."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be found; write no alert.")
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run the rules over history, by the time events happened, and raise alerts.

    Without `--since` and `--until`, over all there is. Run it again whenever you like: what was
    found before is the same alert.

    Example: `trailhound detect --since 2025-03-01 --until 2025-03-31`
    """
    settings = settings_from(config, url, namespace)
    pack = rules_in_force(settings, rules or [])
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        history = History(client, settings, pack)
        span = asked(history, since, until)
        found = run_history(history, span, record=not dry_run, quiet=json) if span else {}
    show(pack, found, dry_run=dry_run, json=json)
    if history.stopped or any(each.errors for each in found.values()):
        raise typer.Exit(1)


def detect_ingested(
    client: OpenSearch, settings: Settings, since: datetime, *, json: bool
) -> dict[str, DetectionTotals]:
    """Alerts of what a backfill brought since a moment, however long ago it happened."""
    pack = rules_in_force(settings)
    history = History(client, settings, pack)
    margin = timedelta(seconds=5)
    span = Span(since - margin, datetime.now(UTC) + margin, "event.ingested")
    found = run_history(history, span, quiet=json)
    if not json:
        show(pack, found)
    return found


def new_alerts(found: dict[str, DetectionTotals]) -> int:
    """How many alerts were raised that were not there."""
    return sum(len(each.created) for each in found.values())


def run_history(
    history: History, span: Span, *, record: bool = True, quiet: bool = False
) -> dict[str, DetectionTotals]:
    """A history with a bar on a terminal, that Ctrl-C ends after the piece under way."""
    with stopped_by_signals(history):
        return tallied(_with_bar(history.run(span, record=record), span, quiet=quiet))


def _with_bar(
    runs: Iterator[tuple[Span, list[RuleRun]]], span: Span, *, quiet: bool
) -> Iterator[tuple[Span, list[RuleRun]]]:
    columns = [TextColumn("detecting {task.fields[day]}"), BarColumn(), TimeRemainingColumn()]
    hidden = quiet or not err.is_terminal
    with Progress(*columns, console=err, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=(span.until - span.since) / PIECE, day="")
        for piece, several in runs:
            done = (piece.until - span.since) / PIECE
            bar.update(task, completed=done, day=f"{piece.since:%Y-%m-%d}")
            yield piece, several


def asked(history: History, since: datetime | None, until: datetime | None) -> Span | None:
    """What is asked for; where it is open, up to the first or the last event. None for nothing."""
    begin = since.replace(tzinfo=UTC) if since else None
    end = until.replace(tzinfo=UTC) if until else None
    if end is not None and end == end.replace(hour=0, minute=0, second=0):
        end += timedelta(days=1)
    if begin is None or end is None:
        bounds = history.bounds()
        if bounds is None:
            return None
        begin = begin or bounds[0].replace(hour=0, minute=0, second=0, microsecond=0)
        end = end or bounds[1] + timedelta(milliseconds=1)
    if begin >= end:
        raise UsageError("--since is not before --until", hint="swap the two")
    return Span(begin, end)


def show(
    pack: Pack, found: dict[str, DetectionTotals], *, dry_run: bool = False, json: bool = False
) -> None:
    """What came of it, for people or for programs."""
    fired = [each for each in found.values() if each.findings or each.errors]
    new = new_alerts(found)
    known = sum(len(each.updated) for each in fired)
    if json:
        emit(
            {
                "rules": [each.as_dict() for each in fired],
                "created": new,
                "updated": known,
                "faults": [str(fault) for fault in pack.faults],
            }
        )
        return
    for fault in pack.faults:
        if fault.stops:
            warn(f"left out: {fault}")
    rows = [
        (each.rule.level, each.rule.title, each.findings, len(each.created), len(each.updated))
        for each in fired
        if each.findings
    ]
    if rows:
        out.print(table(["level", "rule", "#findings", "#new alerts", "#updated"], rows))
    for each in fired:
        for reason in dict.fromkeys(each.errors):
            warn(f"{each.rule.title}: {reason}")
    silent = len(pack.alerting) - len(rows)
    what = "nothing was written (--dry-run)" if dry_run else plural(new, "new alert")
    say(f"{what}; {plural(silent, 'rule')} found nothing")
    if new and not dry_run:
        say("read them with `trailhound alerts list`")
