"""`trailhound incidents list | show`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from trailhound.cli import completion
from trailhound.cli.alert_selection import (
    AlertState,
    AtLevel,
    InState,
    OfAccount,
    OfPrincipal,
    Since,
    Until,
    alert_query,
)
from trailhound.cli.columns import Column, ColumnType, second
from trailhound.cli.containment import show_containment
from trailhound.cli.decision_commands import add_decision_commands
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.incident_context import (
    earlier_incidents,
    entry_details,
    further_calls,
    placed,
)
from trailhound.cli.incident_triage import HELP, SELECT, closure, decide
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import (
    Form,
    Listing,
    Output,
    OutputOfOne,
    form_of,
    is_for_programs,
    is_table,
    note,
    shown_of,
)
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, out, part_of, plural, safe, say, say_field, say_folded, warn
from trailhound.cli.skipped_days import skipped_days, unreadable_events
from trailhound.cli.table_layout import LEVEL_COLOURS

with late_imports():
    from detections.alerts.absent_events import absent_events
    from detections.alerts.summary import usually_benign
    from detections.events.daily_indices import SkippedDay
    from detections.incidents.advice import contain
    from detections.incidents.context import Context, context_of, with_countries
    from detections.incidents.folding import folded
    from detections.incidents.incident_events import events_of_incident
    from detections.incidents.store import IncidentStore
    from detections.investigation.absent_names import check_names
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


app = typer.Typer(no_args_is_help=True, help="Incidents: list, read, acknowledge, assign, close.")

_PRINCIPALS = 3
"""Principals of an incident that are handed over to `whois`."""
_RULES = 10
"""The most rules that `show` names; `--json` has all."""


class IncidentSort(StrEnum):
    """What `--sort` takes."""

    LEVEL = "level"
    LAST_SEEN = "last-seen"
    FIRST_SEEN = "first-seen"
    ALERTS = "alerts"


LISTING = Listing[dict[str, Any]](
    "incidents",
    (
        Column("level", lambda each: each["level"], "level", ColumnType.LEVEL),
        Column("last_seen", lambda each: each["last_seen"], "when", ColumnType.TIME),
        Column("state", lambda each: each["state"], "state", priority=1),
        Column(
            "title",
            lambda each: each["title"],
            "what",
            whole=True,
            shown=lambda each: _titled(each),
        ),
        Column("principal", lambda each: each["principals"], "who"),
        Column("address", lambda each: each["addresses"], "from", priority=2),
        Column("account", lambda each: each["accounts"], "account", priority=4),
        Column("first_seen", lambda each: each["first_seen"], "since", ColumnType.TIME, priority=3),
        Column("alerts", lambda each: each["alerts"], "alerts", ColumnType.NUMBER),
        Column("open", lambda each: each["open"], "open", ColumnType.NUMBER, priority=5),
        Column("id", lambda each: each["id"], "id", ColumnType.ID),
        Column("file", lambda each: each["files"], piped=True),
        Column("raised_because", lambda each: each["raised_because"], piped=True),
    ),
    dict,
    empty="no incidents",
)
"""`trailhound incidents list`."""


def _titled(incident: Mapping[str, Any]) -> str:
    """The title; of attempts, which come last within their level, and of what is raised, with
    that."""
    attempts = " (attempts)" if incident["attempt"] else ""
    raised = " (raised)" if incident.get("raised_from") else ""
    return with_file(incident["title"], incident["files"]) + attempts + raised


def with_file(title: str, files: Sequence[str]) -> str:
    """A title with the name of the trail file or folder that it is about, and how many others.

    >>> with_file("Trail file missing", ["s3://logs/AWSLogs/1/x.json.gz", "s3://logs/y"])
    'Trail file missing: x.json.gz +1'
    """
    if not files:
        return title
    first = files[0].rstrip("/")
    name = f"{first}/" if files[0].endswith("/") else first.rpartition("/")[2]
    return f"{title}: {name}" + (f" +{len(files) - 1:,}" if len(files) > 1 else "")


@app.command("list")
def list_incidents(
    state: InState = None,
    level: AtLevel = "informational",
    since: Since = None,
    until: Until = None,
    principal: OfPrincipal = None,
    account: OfAccount = None,
    sort: Annotated[
        IncidentSort,
        typer.Option("--sort", help="What comes first: the most severe, latest or largest."),
    ] = IncidentSort.LEVEL,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Show at most N.")
    ] = 100,
    every: Annotated[
        bool, typer.Option("--all", help="A row for each incident, and no limit.")
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """List incidents, the most severe first; without `--state` those that are not closed.

    Within a level, attempts (none of the calls succeeded) come last, and the latest first.

    The other options select incidents that have a matching alert. On a terminal, three or more
    incidents of the same single rule are one row.

    Example: `trailhound incidents list --level high --since 7d`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    wanted = alert_query(
        state or [AlertState.OPEN, AlertState.ACKNOWLEDGED],
        level=level,
        since=since,
        until=until,
        rule=None,
        principal=principal,
        account=account,
        tactic=None,
        assignee=None,
        text=None,
    )
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        found = IncidentStore(client, settings).find(wanted, sort)
        if not found:
            check_names(client, settings, wanted)
    rows = folded(found) if is_table(form) and not every else found  # programs get every incident
    most = len(rows) if every else limit
    more, rows = max(len(rows) - most, 0), rows[:most]
    LISTING.show(rows, form, beside={"total": more + len(rows), "more": more > 0})
    note_folded(rows, form, "--all")
    if more and is_table(form):
        note(f"and {plural(more, 'other row')}: --limit N or --all for more", form)
    elif more:
        shown_of(more + len(rows), most, "incident", form)


def note_folded(rows: Sequence[Mapping[str, Any]], form: Form, flag: str) -> None:
    """Say how many incidents are in rows that stand for several, and which flag shows each."""
    several = [each["incidents"] for each in rows if each.get("incidents", 1) > 1]
    if several:
        rows_ = plural(len(several), "row")
        note(
            f"{plural(sum(several), 'incident')} of one rule each in {rows_}: {flag} shows each",
            form,
        )


@app.command()
def show(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="From `trailhound incidents list`, or the id of an alert.",
            autocompletion=completion.incident_ids,
        ),
    ],
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: OutputOfOne = None,
    json: Json = False,
) -> None:
    """Show one incident: who, from where, and what happened when, by its alerts.

    Exits with 1 if events of it cannot be read: the advice on what to do lacks what they prove.

    Example: `trailhound incidents show 5f1c0a`
    """
    for_programs = is_for_programs(output, json)
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        store = IncidentStore(client, settings)
        incident = store.get(store.named(id_))
        named = events_of_incident(client, settings, incident["id"]).named
        absent = absent_events(client, settings, named)
        advice = contain(client, settings, incident, datetime.now(UTC))
        context = context_of(client, settings, incident)
    incident = with_countries(incident, context.countries)
    if for_programs:
        more = {"containment": advice.as_dict(), "skipped_days": skipped_days(absent)}
        emit({**incident, **context.as_json(), **more})
        _end_incomplete(absent)
        return
    level = incident["level"] + (" (attempts)" if incident["attempt"] else "")
    out.print(Text(level, style=LEVEL_COLOURS.get(incident["level"], "")), safe(incident["title"]))
    for name, value in _lines(incident, context):
        if value:
            say_field(name, value)
    for entry in incident["timeline"]:
        closed = " (closed)" if entry["state"] == "closed" else ""
        when = second(entry["time"])
        level = Text(entry["level"], style=LEVEL_COLOURS.get(entry["level"], ""))
        what = safe(f"{entry['rule']}{closed} {entry['alert'][:8]}")
        say_folded(Text(" ").join((Text(when, style="dim"), level, what)), indent=4)
        say_field("", entry["summary"], indent=4)
        if details := entry_details(entry):
            say_field("", details, indent=4)
    say(f"its events: trailhound events --incident {incident['id']}")
    say(f"what happened around it: trailhound timeline {incident['id']}")
    for who in incident["principals"][:_PRINCIPALS]:
        day = incident["last_seen"][:10]
        say(f"who it was, then: trailhound whois {shlex.quote(safe(who).plain)} --until {day}")
    show_containment(advice)
    _end_incomplete(absent)


def _end_incomplete(absent: Sequence[SkippedDay]) -> None:
    """Exit with 1 if events of the incident cannot be read."""
    for sentence in unreadable_events(absent):
        warn(f"what to do now is incomplete: {sentence}")
    if absent:
        raise typer.Exit(ExitCode.INCOMPLETE)


def raised(incident: Mapping[str, Any]) -> str:
    """From which level it was raised, and why; empty if it was not."""
    if not incident["raised_from"]:
        return ""
    return f"from {incident['raised_from']}: {incident['raised_because']}"


def closed_ways(incident: Mapping[str, Any]) -> Iterator[str]:
    """How the alerts were closed: disposition, by whom, why. With numbers if there are several
    ways."""
    ways = incident["closed_as"]
    for each in ways:
        of = f"{plural(each['alerts'], 'alert')} " if len(ways) > 1 else ""
        note = f": {each['note']}" if each["note"] else ""
        yield f"{of}{closure(each['disposition'], each['by'])}{note}"


def _lines(incident: dict[str, Any], context: Context) -> list[tuple[str, object]]:
    rules = [f"{name} ×{count}" if count > 1 else name for name, count in incident["rules"].items()]
    more = f" and {len(rules) - _RULES} more" if len(rules) > _RULES else ""
    is_open = part_of(incident["open"], incident["alerts"], "alert")
    return [
        ("id", incident["id"]),
        ("state", f"{incident['state']}: {is_open} open"),
        ("raised", raised(incident)),
        *(("closed", way) for way in closed_ways(incident)),
        ("seen", f"from {second(incident['first_seen'])} to {second(incident['last_seen'])} UTC"),
        ("principal", ", ".join(incident["principals"])),
        ("since then", further_calls(context.further, context.countries)),
        *(("earlier", each) for each in earlier_incidents(context, incident["first_seen"])),
        ("address", placed(incident["addresses"], context.countries)),
        ("account", ", ".join(incident["accounts"])),
        ("outsider", ", ".join(incident["outsiders"])),
        ("access key", ", ".join(incident["access_keys"])),
        ("tactics", " ".join(incident["tactics"])),
        ("rules", ", ".join(rules[:_RULES]) + more),
        ("usually benign", usually_benign(incident["falsepositives"])),
    ]


add_decision_commands(app, SELECT, decide, HELP)
