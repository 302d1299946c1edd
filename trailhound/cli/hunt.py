"""`trailhound hunt`: what is worth a look, ranked, with evidence; and the threat report."""

from __future__ import annotations

import json as jsonlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli import dates
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Column, Form, Kind, Listing, Output, form_of, is_table, note
from trailhound.cli.nothing import nothing_in
from trailhound.cli.options import Config, Json, Namespace, Since, Until, Url, settings_from
from trailhound.cli.screen import plural, say, warn
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError

with late_imports():
    from detections.alerts.document import stamp
    from detections.events.daily_indices import daily_indices
    from detections.events.index import EventIndex
    from detections.history import bounds
    from detections.investigation.lead import (
        TOP,
        Lead,
        ranked,
        report_name,
        threat_report,
        threats_of,
        together,
    )
    from detections.investigation.signs import Signs
    from detections.investigation.threats import Threats
    from detections.span import Span
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.report.files import put


_DAYS = timedelta(days=7)

LISTING = Listing[Lead](
    "leads",
    (
        Column("score", lambda each: each.score, "score", Kind.NUMBER),
        Column("pattern", lambda each: each.pattern, "what", whole=True),
        Column("identifier", lambda each: each.identifier, "who or where"),
        Column("description", lambda each: each.description, "because", whole=True, priority=3),
        Column("calls", lambda each: list(each.calls), "calls", priority=4),
        Column("count", lambda each: each.count, "events", Kind.NUMBER),
        Column("first_seen", lambda each: each.first, "first", Kind.INSTANT, priority=2),
        Column("last_seen", lambda each: each.last, "last (UTC)", Kind.INSTANT, priority=1),
        Column("event", lambda each: next(iter(each.events), ""), "event", Kind.ID, priority=5),
    ),
    lambda each: each.as_json(),
    empty="nothing was found",
)
"""`trailhound hunt`."""


def hunt(
    since: Since = None,
    until: Until = None,
    report: Annotated[
        bool,
        typer.Option("--report", help="Write the threat report to a file in this folder, too."),
    ] = False,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where the threat report is written.")
    ] = Path(),
    expand: Annotated[
        list[str] | None,
        typer.Option(
            "--expand",
            metavar="WHAT",
            help="Show each lead of this kind, or of `all`, where a terminal has one line for "
            "many; repeatable.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Show at most N.")
    ] = 100,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Look for what no single event shows: patterns, anomalies, suspicious addresses, what is new.

    Without `--since` over the seven days up to the last event; what is before them is what is
    known. One list, the highest score first. Exits with 1 if a day could not be searched.

    Example: `trailhound hunt --since 30d --report`
    """
    dates.check_order(since, until)
    form = form_of(output, json)
    if report and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="create it first")
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]), show_stages("hunt") as stage:
        client = connect(settings)
        days = daily_indices(client, settings)
        index = EventIndex(client, days.expression)
        index.refresh()
        known = bounds(client, days)
        end = dates.end_of(until) if until else _after(known)
        span = Span(dates.start_of(since) if since else end - _DAYS, end)
        nothing = nothing_in(client, days, span)
        signs = Signs(index)
        leads: list[Lead] = []
        if not nothing:
            stage("looking for threats", 0, 0)
            leads += Threats(client, settings, index, days.expression).found(span)
            stage("looking for signs", 0, 0)
            leads += signs.found(span)
    found = ranked(leads)
    skipped = days.skipped_in(span)
    now = datetime.now(UTC)
    made = threat_report(found, now)
    beside = {
        "since": stamp(span.since),
        "until": stamp(span.until),
        "more": len(found) > limit,
        "unread_sequences": signs.unread,
        "threats": {name: value for name, value in made.items() if name != "threats"},
        "skipped_days": [{"index": each.index, "reason": each.reason} for each in skipped],
    }
    rows = found
    if is_table(form) and "all" not in (expand or ()):
        rows = together(found, expand or ())
    if nothing:
        warn(nothing)
    if rows or not nothing or form is not Form.TABLE:
        LISTING.show(rows[:limit], form, beside=beside)
    if len(rows) > limit:
        note(f"{limit:,} of {plural(len(rows), 'line')} shown: --limit N for more", form)
    kinds = {
        each.pattern: each.more["together"] for each in rows[:limit] if "together" in each.more
    }
    for pattern, number in kinds.items():
        note(f"{number:,} {pattern} are one line: --expand {pattern} shows each", form)
    if signs.unread:
        warn(
            f"{plural(signs.unread, 'other call')} with refusals before a success were not read: "
            "narrow the time"
        )
    if report:
        _write(made, found, folder / report_name(now), form)
    for day in skipped:
        warn(f"not searched: {day}")
    if skipped:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _write(made: dict[str, object], found: list[Lead], path: Path, form: Form) -> None:
    """The threat report; without a threat there is a sentence and no file."""
    threats = threats_of(found)
    tell = say if is_table(form) else lambda text: note(text, form)
    if not threats:
        tell("no threat was found, so there is no report")
        return
    put(path, (jsonlib.dumps(made, indent=2) + "\n").encode())
    tell(f"the threat report is in {path}: {plural(len(threats), 'threat')}")
    for each in threats[:TOP]:
        tell(f"  {each.score:>2} {each.pattern} {each.identifier}: {plural(each.count, 'event')}")


def _after(known: tuple[datetime, datetime] | None) -> datetime:
    """The moment after the last event."""
    return known[1] + timedelta(milliseconds=1) if known else datetime.now(UTC)
