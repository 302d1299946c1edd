"""`trailhound timeline`: from an alert to the whole story."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType, instant
from trailhound.cli.empty_results import explain_no_events
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, is_table, note, shown_of
from trailhound.cli.options import (
    Config,
    Html,
    Json,
    Namespace,
    Since,
    Until,
    Url,
    settings_from,
    span_of,
)
from trailhound.cli.screen import plural, say, warn
from trailhound.cli.skipped_days import (
    all_skipped,
    not_searched,
    skipped_days,
    unreadable_events,
)
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError

with late_imports():
    from detections.alerts.absent_events import absent_events
    from detections.events.daily_indices import SkippedDay, daily_indices
    from detections.events.index import EventIndex
    from detections.incidents.incident_events import events_of_incident
    from detections.incidents.undoing.outsiders import account_in
    from detections.investigation.subject import subject_of
    from detections.investigation.timeline import (
        EXPANDED,
        MOST_LINES,
        Line,
        Timeline,
        TimelineReader,
        in_order,
    )
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.report.atomic_file import check_writable


_DEFAULT_LIMIT = 500
_HTML_EVENTS = 50
"""Events of a line that the page holds; the command names the others with `--expand`."""

_SHORT_ID = 8
"""Characters of an event's id on a terminal: as many as `trailhound event` needs."""
_OWN = 3
"""Targets of an expanded event, other than those of the whole line, on a terminal."""

Row = dict[str, Any]


def _called(row: Row) -> str:
    """The call with its number, on what, and why it failed; or the alert."""
    if row["kind"] == "alert":
        return f"ALERT {row['call']}"
    names = row["resources"]
    if row["kind"] == "event":  # its line above says the call, and on what all of them are
        on = f" on {', '.join(map(_short, row['own']))}" if row["own"] else ""
        return f"  {row['id'][:_SHORT_ID]}{on}"
    many = f" ×{row['count']:,}" if row["count"] > 1 else ""
    further = f" +{row['resources_total'] - 1:,}" if row["resources_total"] > 1 else ""
    on = f" on {_short(names[0])}{further}" if names else ""
    failed = f" ({row['error'] or 'failed'})" if row["outcome"] == "failure" else ""
    outside = [account_in(each) or each for each in row["outsiders"]]
    lets_in = f", lets in {outside[0]}" if outside else ""
    lets_in += f" +{len(outside) - 1:,}" if len(outside) > 1 else ""
    return f"{row['call']}{many}{on}{lets_in}{failed}"


def _short(name: str) -> str:
    """The name at the end of an ARN; another name as it is.

    >>> _short("arn:aws:iam::111122223333:policy/team/Ops")
    'Ops'
    >>> _short("logs/2025/")
    'logs/2025/'
    """
    if not name.startswith("arn:"):
        return name
    return name.rpartition(":")[2].rpartition("/")[2] or name


def _who(row: Row) -> str:
    if row["kind"] == "alert":
        names = row["alert"].get("entity", {}).get("principal", ())
        return f"{names[0]} +{len(names) - 1}" if len(names) > 1 else "".join(names)
    name, _, account = str(row["principal"]).rpartition("@")
    of_another = bool(row["account"]) and account != row["account"]
    short = name if _has_account(row) and not of_another else row["principal"]
    return short.removeprefix("user:") + (_UNTRACED if _is_untraced(row) else "")


_UNTRACED = " ?"
"""After the name of a session's role on a terminal; other forms have `traced` and none of it."""


def _is_untraced(row: Row) -> bool:
    return row["kind"] != "alert" and not row.get("traced", True)


def _has_account(row: Row) -> bool:
    return str(row["principal"]).rpartition("@")[2].isdecimal()


def legend(rows: Iterable[Row]) -> str:
    """What the mark after a name means; empty if none of the rows has it."""
    if not any(map(_is_untraced, rows)):
        return ""
    return f"{_UNTRACED.strip()} after a name: who opened the session is not known; --json says why"


LISTING = Listing[Row](
    "lines",
    (
        Column("line", lambda each: each["line"], "line", ColumnType.NUMBER),
        Column("time", lambda each: each["time"], "time (UTC)", ColumnType.INSTANT),
        Column("until", lambda each: each["until"], "until", ColumnType.INSTANT, priority=6),
        Column("count", lambda each: each["count"], "count", ColumnType.NUMBER, priority=9),
        Column("call", lambda each: each["call"], "call", whole=True, shown=_called, yields=24),
        Column("principal", lambda each: each["principal"], "who", shown=_who, yields=16),
        Column("as", lambda each: each["as"], "as", priority=3),
        Column("address", lambda each: each["address"], "from", yields=15),
        Column("resource", lambda each: each["resources"], "on", priority=12, piped=True),
        Column("outsider", lambda each: each["outsiders"], "lets in", priority=12, piped=True),
        Column("outcome", lambda each: each["outcome"], "outcome", priority=10),
        Column("error", lambda each: each["error"], "error", priority=11),
        Column("relation", lambda each: each["relation"], "relation", priority=4),
        Column("account", lambda each: each["account"], "account", priority=5),
        Column("level", lambda each: each["level"], "level", ColumnType.LEVEL, priority=7),
        Column("id", lambda each: each["id"], "id", ColumnType.ID, priority=2),
        Column("risk", lambda each: each.get("risk"), "risk", ColumnType.NUMBER, priority=1),
    ),
    dict,
    empty="no event matches",
)
"""`trailhound timeline`."""


def _in_one_year(row: Row) -> str:
    """Its time without the year, which leaves room for where it came from."""
    return instant(row["time"])[5:19].replace("T", " ")


_OF_ONE_YEAR = replace(
    LISTING,
    columns=tuple(
        replace(each, shown=_in_one_year) if each.name == "time" else each
        for each in LISTING.columns
    ),
)
"""The same where all lines are of one year, which the line below the table says."""


def timeline(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT",
            help="A principal, access key, address, resource, incident or alert.",
        ),
    ],
    since: Since = None,
    until: Until = None,
    expand: Annotated[
        list[str] | None,
        typer.Option(
            "--expand",
            metavar="LINE",
            help="Show each event of this line, or of `all`; may be repeated.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Show the latest N lines.")
    ] = _DEFAULT_LIMIT,
    every: Annotated[bool, typer.Option("--all", help="Show all lines; no limit.")] = False,
    html: Html = None,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show everything that a principal, key or resource did or had done to it, in order.

    Sessions are joined to the person who opened them, repeated calls are one line, alerts are in
    their place. A name is looked for among principals and resources; `user:ada`,
    `role:Ops@ACCOUNT`, `s3:logs`, `key:…`, `ip:…` and `incident:…` say which. Exits with 1 if a
    day could not be searched, or events of the incident are gone.

    Examples:

    `trailhound timeline ada --since 7d`

    `trailhound timeline ID --html story.html`
    """
    dates.check_order(since, until)
    form = form_of(output, json)
    if html is not None:
        check_writable(html)
    wanted = _lines_wanted(expand or [])
    settings = settings_from(config, url, namespace)
    span = span_of(since, until)
    with cluster_errors(settings.hosts[0]), show_stages("timeline", unit="events") as stage:
        client = connect(settings)
        days = daily_indices(client, settings)
        index = EventIndex(client, days)
        index.refresh()
        about = subject_of(client, settings, index, subject)
        absent = []
        if about.kind == "incident":
            named = events_of_incident(client, settings, about.text.removeprefix("incident:")).named
            absent = [
                each
                for each in absent_events(client, settings, named)
                if span is None or each.touches(span)
            ]
        found = TimelineReader(client, settings, index).read(
            about,
            span,
            expand=None if html is not None else wanted,
            most_events=_HTML_EVENTS if html is not None else EXPANDED,
            progress=stage,
        )
        nothing = ""
        if not found.total:
            nothing = (
                f"no event of {about.text} can be read"
                if absent
                else explain_no_events(client, days, index, about, span)
            )
    _check_lines(wanted, found)
    closed = days.skipped_in(span)
    for each in (*not_searched(closed), *unreadable_events(absent, closed)):
        warn(each)
    skipped = all_skipped(closed, absent)
    if nothing:
        warn(nothing)
    if html is not None:
        from trailhound.report.render.timeline import write_timeline

        write_timeline(html, found, span, namespace=settings.namespace)
        say(f"the time line is in {html}")
    elif not nothing or form is not Form.TABLE:
        _show(found, form, None if every else limit, skipped, wanted)
    _notes(found, form)
    if skipped:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _show(
    found: Timeline,
    form: Form,
    most: int | None,
    skipped: Sequence[SkippedDay],
    expanded: set[int] | None,
) -> None:
    rows = list(_rows(found, apart=form is not Form.JSON, joined=is_table(form)))
    shown = rows if most is None or expanded != set() else rows[-most:]
    years = {instant(each["time"])[:4] for each in shown}
    listing = _OF_ONE_YEAR if len(years) == 1 else LISTING
    listing.show(
        shown,
        form,
        beside={
            "subject": found.subject,
            "total": found.total,
            "folded": found.folded,
            "alerts": len(found.alerts),
            "opened_sessions": found.opened,
            "left_out": found.left_out,
            "more": len(shown) < len(rows),
            "skipped_days": skipped_days(skipped),
        },
    )
    if rows:
        shown_of(len(rows), len(shown), "line", form)
    if is_table(form) and (explanation := legend(shown)):
        note(explanation, form)


def _notes(found: Timeline, form: Form) -> None:
    if found.lines:
        ends = [f"{each:%Y-%m-%d}" for each in (found.lines[0].first, found.lines[-1].last)]
        when = f"on {ends[0]}" if ends[0] == ends[1] else f"from {ends[0]} to {ends[1]}"
        opened = f", with {plural(found.opened, 'session key')} that it opened"
        note(
            f"{plural(found.total, 'event')} {when}{opened if found.opened else ''}, "
            f"{plural(len(found.alerts), 'alert')}; --expand LINE shows each event of a line",
            form,
        )
    if found.folded < found.total:
        warn(
            f"{plural(found.total - found.folded, 'event')} would have needed more than "
            f"{MOST_LINES:,} lines and were left out: narrow the time with --since and --until"
        )
    for each in found.left_out:
        warn(f"of the sessions that it opened, {each}")
    for line in found.lines:
        if len(line.events) == EXPANDED < line.count:
            warn(f"line {line.number}: the first {EXPANDED:,} of its {line.count:,} events")


def _rows(found: Timeline, *, apart: bool, joined: bool) -> Iterator[Row]:
    """Lines, alerts (twins as one where `joined`), and (`apart`) each event of an expanded line as
    a row of its own."""
    for each in in_order(found, joined=joined):
        if not isinstance(each, Line):
            yield _alert(each)
            continue
        made = each.as_json()
        yield made | {"level": "", "id": made["event"]}
        if apart:
            several = [set(it["resources"]) for it in each.events]
            alike = set.intersection(*several) if len(several) > 1 else set()
            for event in each.events:
                names = event["resources"]
                own = [name for name in names if name not in alike][:_OWN] or names[:1]
                yield made | {
                    "kind": "event",
                    "time": event["time"],
                    "until": event["time"],
                    "count": 1,
                    "resources": event["resources"],
                    "resources_total": len(event["resources"]),
                    "level": "",
                    "id": event["id"],
                    "event": event["id"],
                    "events": [],
                    **({"own": own} if joined else {}),
                }


def _alert(alert: dict[str, Any]) -> Row:
    entity = alert.get("entity", {})
    return {
        "kind": "alert",
        "line": None,
        "time": alert["first_seen"],
        "until": alert["last_seen"],
        "count": alert["count"],
        "call": f"{alert['level']}: {alert['rule']['name']}",
        "principal": ", ".join(entity.get("principal", ())),
        "as": "",
        "address": ", ".join(entity.get("address", ())),
        "resources": [],
        "outsiders": list(entity.get("outsider", ())),
        "outcome": alert.get("outcome", ""),
        "error": "",
        "relation": "alert",
        "account": ", ".join(entity.get("account", ())),
        "level": alert["level"],
        "id": alert["id"],
        "alert": alert,
    }


def _lines_wanted(given: list[str]) -> set[int] | None:
    """The numbers of lines; None for all."""
    if "all" in given:
        return None
    for each in given:
        if not each.isdecimal():
            raise UsageError(
                f"--expand {each} is no line", hint="give a number of the first column, or all"
            )
    return {int(each) for each in given}


def _check_lines(wanted: set[int] | None, found: Timeline) -> None:
    """Raises `UsageError` for a line that is to be expanded and is not there."""
    if missing := sorted((wanted or set()) - {each.number for each in found.lines}):
        there = f"1 to {len(found.lines):,}" if found.lines else "none"
        raise UsageError(
            f"there is no line {', '.join(map(str, missing))} to expand",
            hint=f"the lines of this time line are {there}",
        )
