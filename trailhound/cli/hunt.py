"""`trailhound hunt`: leads, ranked and with evidence, and the threat report."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from trailhound.aws.insights_query import PRICE
from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.empty_results import explain_empty_span
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.hunt_logs import Hunted, hunt_log_groups
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import (
    Form,
    Listing,
    Output,
    form_of,
    is_table,
    note,
    note_left_off,
)
from trailhound.cli.options import Config, Json, Namespace, Since, Until, Url, settings_from
from trailhound.cli.screen import plural, say, warn
from trailhound.cli.skipped_days import not_searched, skipped_days
from trailhound.cli.stages import show_stages
from trailhound.cli.stopping import note_interruption
from trailhound.errors import UsageError

with late_imports():
    from detections.alerts.document import stamp
    from detections.events.daily_indices import daily_indices
    from detections.events.index import EventIndex
    from detections.history import bounds
    from detections.investigation.alerted import mark_alerted
    from detections.investigation.changes import Changes
    from detections.investigation.hunting import Hunting, hunted
    from detections.investigation.lead import (
        TOP,
        Lead,
        ranked,
        report_name,
        threat_report,
        threats_of,
        together,
        twins_joined,
    )
    from detections.investigation.scoring import SUSPICIOUS
    from detections.investigation.signs import Signs
    from detections.investigation.threats import Threats
    from detections.span import Span
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.report.atomic_file import write_atomically


_DAYS = timedelta(days=7)
_HOURS = 24
_SECOND = "%F %T"
_LOGS = "Without a cluster"


def _what(lead: Lead) -> str:
    """The pattern of a lead; of an address also the reasons, which its pattern does not give."""
    if lead.family != "address":
        return lead.pattern
    return f"{lead.pattern}: {lead.description.replace(SUSPICIOUS, '')}"


LISTING = Listing[Lead](
    "leads",
    (
        Column("score", lambda each: each.score, "score", ColumnType.NUMBER),
        Column("pattern", lambda each: each.pattern, "what", whole=True, shown=_what, yields=24),
        Column("identifier", lambda each: each.identifier, "who or where"),
        Column("description", lambda each: each.description, "because", whole=True, priority=3),
        Column("calls", lambda each: list(each.calls), "calls", priority=4),
        Column("count", lambda each: each.count, "events", ColumnType.NUMBER),
        Column("first_seen", lambda each: each.first, "first", ColumnType.INSTANT, priority=2),
        Column("last_seen", lambda each: each.last, "last (UTC)", ColumnType.INSTANT, priority=1),
        Column(
            "event", lambda each: next(iter(each.events), ""), "event", ColumnType.ID, priority=5
        ),
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
        typer.Option("--report", help="Also write the threat report to a file in this folder."),
    ] = False,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="The file of the threat report.")
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
    log_group: Annotated[
        list[str] | None,
        typer.Option(
            "--log-group",
            metavar="NAME",
            help="Find threats in this log group, not in an index; may be repeated.",
            rich_help_panel=_LOGS,
        ),
    ] = None,
    hours: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="With --log-group: the last N hours. Default: 24.",
            rich_help_panel=_LOGS,
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            metavar="REGION",
            help="With --log-group: its region; may be repeated. Default: aws.region.",
            rich_help_panel=_LOGS,
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Don't ask about the cost.", rich_help_panel=_LOGS),
    ] = False,
    price: Annotated[
        float,
        typer.Option(
            "--price",
            min=0,
            metavar="DOLLARS",
            help="US dollars for a GB scanned. Default: the price of us-east-1 in 2025.",
            rich_help_panel=_LOGS,
        ),
    ] = PRICE,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Look for what no single event shows: patterns, anomalies, suspicious addresses, new names.

    Without `--since`, searches the seven days up to the last event and compares them with what came
    before. What was done comes first, by falling score; then addresses, anomalies and first calls,
    which on a terminal are one line a kind where there are many. With `--log-group`, finds only
    threats, in CloudWatch and without a cluster. Exits with 1 if anything could not be searched;
    the leads of the other kinds are shown, as on Ctrl-C those that are ready.

    Examples: `trailhound hunt --since 30d --report`, `trailhound hunt --log-group trail --hours 6`
    """
    dates.check_order(since, until)
    form = form_of(output, json)
    report = report or bool(log_group)
    if report and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="create it first")
    if log_group:
        span = _span_of_logs(hours, since, until)
        found = hunt_log_groups(config, log_group, region, span, price, yes=yes)
    elif hours or region or yes:
        raise UsageError("--hours, --region and --yes are of log groups", hint="add --log-group")
    else:
        found = _of_index(config, url, namespace, since, until)
    _show(found, form, limit, expand or (), folder if report else None)
    if not found.complete:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _span_of_logs(hours: int | None, since: datetime | None, until: datetime | None) -> Span:
    if hours and (since or until):
        raise UsageError("--hours and --since or --until exclude each other", hint="give one")
    dates.check_begun(since, datetime.now(UTC))
    end = dates.end_of(until) if until else datetime.now(UTC)
    return Span(dates.start_of(since) if since else end - timedelta(hours=hours or _HOURS), end)


def _of_index(
    config: Config,
    url: Url,
    namespace: Namespace,
    since: datetime | None,
    until: datetime | None,
) -> Hunted:
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]), show_stages("hunt") as stage:
        client = connect(settings)
        days = daily_indices(client, settings)
        # What nobody waits for any more is not searched on.
        index = EventIndex(client, days, seconds=settings.cluster.timeout)
        index.refresh()
        known = bounds(client, days)
        end = dates.end_of(until) if until else _after(known)
        span = Span(dates.start_of(since) if since else end - _DAYS, end)
        nothing = explain_empty_span(client, days, span)
        signs = Signs(index, days)
        threats = Threats(client, settings, index, days)
        changes = Changes(client, settings, index, days)
        done = Hunting()
        if not nothing:
            mark = partial(mark_alerted, client, settings, span=span)
            parts = [*threats.parts(), *changes.parts(), *signs.parts()]
            done = hunted(client, parts, span, mark, stage)
    skipped = days.skipped_in(span)
    warnings = [nothing] if nothing else []
    if signs.unread:
        warnings.append(
            f"{plural(signs.unread, 'other call')} with refusals before a success were not read: "
            "narrow the time"
        )
    warnings += not_searched(skipped)
    if done.not_searched:
        kinds = plural(len(done.not_searched), "kind")
        warnings.append(f"{kinds} of leads not searched, or only in part:")
        warnings += [f"  {each}" for each in done.not_searched]
    if done.interrupted:
        note_interruption()
    beside = {
        "unread_sequences": signs.unread,
        "skipped_days": skipped_days(skipped),
        "not_searched": [each.as_json() for each in done.not_searched],
    }
    return Hunted(
        done.leads,
        span,
        beside,
        warnings,
        complete=not skipped and not done.not_searched,
        empty=bool(nothing),
        known=known,
        disabled=(*threats.disabled, *changes.disabled),
    )


def _searched(hunted: Hunted) -> str:
    """Which span was searched, and that there are events outside it."""
    span, known = hunted.span, hunted.known
    text = f"searched: from {span.since:{_SECOND}} to {span.until:{_SECOND}} UTC"
    if known is None or (span.since <= known[0] and known[1] < span.until):
        return text
    return (
        f"{text}; there are events from {known[0]:{_SECOND}} to {known[1]:{_SECOND}}: --since and "
        "--until search others"
    )


def _show(
    hunted: Hunted, form: Form, limit: int, expand: Sequence[str], folder: Path | None
) -> None:
    """Print the leads and the remarks on them, and write the report if a folder is given."""
    found = ranked(hunted.leads)
    _check_kinds(expand, found)
    now = datetime.now(UTC)
    made = threat_report(found, now)
    beside = {
        "since": stamp(hunted.span.since),
        "until": stamp(hunted.span.until),
        "total": len(found),
        "more": len(found) > limit,
        "threats": {name: value for name, value in made.items() if name != "threats"},
        "disabled": list(hunted.disabled),
        **hunted.beside,
    }
    # One of the same events by user and by address is one line; programs get each.
    rows = twins_joined(found) if form is Form.TABLE else found
    if is_table(form) and "all" not in expand:
        rows = together(rows, expand)
    if rows or not hunted.empty or form is not Form.TABLE:
        LISTING.show(rows[:limit], form, beside=beside)
    if len(rows) > limit:
        note_left_off(f"{limit:,} of {plural(len(rows), 'line')} shown: --limit N for more", form)
    if not hunted.empty:  # else a warning says which span has no event
        note(_searched(hunted), form)
    if hunted.disabled:
        off = ", ".join(hunted.disabled)
        note(f"not looked for, since detections.overrides switches it off: {off}", form)
    kinds = {
        each.pattern: each.more["together"] for each in rows[:limit] if "together" in each.more
    }
    for pattern, number in kinds.items():
        note(f"{number:,} {pattern} are one line: --expand {pattern} shows each", form)
    if folder is not None:
        _write(made, found, folder / report_name(now), form)
    for text in hunted.warnings:
        warn(text)


def _check_kinds(expand: Sequence[str], found: Sequence[Lead]) -> None:
    """Raises `UsageError` for a kind to expand that no lead has."""
    kinds = sorted({each.pattern for each in found})
    missing = [each for each in expand if each not in ("all", *kinds)]
    if missing and kinds:  # without any lead, another message says so
        raise UsageError(
            f"there is no lead of the kind {', '.join(missing)} to expand",
            hint=f"there are: {', '.join(kinds)}",
        )


def _write(made: dict[str, object], found: list[Lead], path: Path, form: Form) -> None:
    """Write the threat report; without a threat, only say so."""
    threats = threats_of(found)
    show = say if is_table(form) else lambda text: note(text, form)
    if not threats:
        show("no threat was found, so there is no report")
        return
    write_atomically(path, (jsonlib.dumps(made, indent=2) + "\n").encode())
    show(f"the threat report is in {path}: {plural(len(threats), 'threat')}")
    for each in twins_joined(threats)[:TOP]:
        show(f"  {each.score:>2} {each.pattern} {each.identifier}: {plural(each.count, 'event')}")


def _after(known: tuple[datetime, datetime] | None) -> datetime:
    """The moment after the last event."""
    return known[1] + timedelta(milliseconds=1) if known else datetime.now(UTC)
