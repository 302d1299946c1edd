"""`trailhound incidents`: what one intruder did, read and closed as one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, cast

import typer
from rich.text import Text

from detections.alerts.triage import DISPOSITIONS, Decision, Disposition
from detections.incidents.store import Found, IncidentStore, no_incident
from trailhound.cli.alert_selection import (
    AtLevel,
    InState,
    OfAccount,
    OfPrincipal,
    Since,
    State,
    Until,
    alert_query,
    disposition,
)
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.listing import LEVEL_COLOURS, Column, Kind, Listing, Output, form_of, note
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, out, plural, safe, say, warn
from trailhound.cli.triage import By, Note, who
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Incidents: list, read, close.")

_RULES = 10
"""Rules that `show` names; `--json` has all."""


class Sort(StrEnum):
    """What `--sort` takes."""

    LEVEL = "level"
    LAST_SEEN = "last-seen"
    FIRST_SEEN = "first-seen"
    ALERTS = "alerts"


Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID…",
        help="From `trailhound incidents list`, or of an alert; its beginning is enough if unique.",
    ),
]

LISTING = Listing[dict[str, Any]](
    "incidents",
    (
        Column("level", lambda each: each["level"], "level", Kind.LEVEL),
        Column("last_seen", lambda each: each["last_seen"], "when", Kind.TIME),
        Column("state", lambda each: each["state"], "state", priority=1),
        Column("title", lambda each: each["title"], "what", whole=True),
        Column("principal", lambda each: each["principals"], "who"),
        Column("address", lambda each: each["addresses"], "from", priority=2),
        Column("account", lambda each: each["accounts"], "account", priority=4),
        Column("first_seen", lambda each: each["first_seen"], "since", Kind.TIME, priority=3),
        Column("alerts", lambda each: each["alerts"], "alerts", Kind.NUMBER),
        Column("open", lambda each: each["open"], "open", Kind.NUMBER, priority=5),
        Column("id", lambda each: each["id"], "id", Kind.ID),
    ),
    dict,
    empty="no incidents",
)
"""`trailhound incidents list`."""


@app.command("list")
def list_incidents(
    state: InState = None,
    level: AtLevel = "informational",
    since: Since = None,
    until: Until = None,
    principal: OfPrincipal = None,
    account: OfAccount = None,
    sort: Annotated[
        Sort, typer.Option("--sort", help="What comes first: the most severe, latest or largest.")
    ] = Sort.LEVEL,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Show at most N.")
    ] = 100,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """The most severe incidents first; without `--state` those that are not closed.

    The other options select incidents with such an alert.

    Example: `trailhound incidents list --level high --since 7d`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    wanted = alert_query(
        state or [State.OPEN, State.ACKNOWLEDGED],
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
        found = IncidentStore(connect(settings), settings).find(wanted, sort)
    more, found = len(found) - limit, found[:limit]
    LISTING.show(found, form, beside={"more": more > 0})
    if more > 0:
        note(f"and {plural(more, 'other incident')}: raise --limit, or narrow the selection", form)


@app.command()
def show(
    id_: Annotated[
        str,
        typer.Argument(metavar="ID", help="From `trailhound incidents list`, or of an alert."),
    ],
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one incident: who, from where, and what happened when, an entry for each alert.

    Example: `trailhound incidents show 5f1c0a`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        store = IncidentStore(connect(settings), settings)
        incident = store.get(_resolved(store.resolve([id_]))[0])
    if json:
        emit(incident)
        return
    level = incident["level"] + (" (attempts)" if incident["attempt"] else "")
    out.print(Text(level, style=LEVEL_COLOURS.get(incident["level"], "")), safe(incident["title"]))
    for name, value in _lines(incident):
        if value:
            out.print(Text(f"{name:<12}", style="dim"), safe(value))
    for entry in incident["timeline"]:
        closed = " (closed)" if entry["state"] == "closed" else ""
        when = entry["time"][:19].replace("T", " ")
        out.print(
            Text(when, style="dim"),
            Text(entry["level"], style=LEVEL_COLOURS.get(entry["level"], "")),
            safe(f"{entry['rule']}{closed} {entry['alert'][:8]}"),
        )
        out.print(safe(f"    {entry['summary']}"))


@app.command()
def close(
    ids: Ids,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            parser=disposition,
            metavar="WHAT",
            help=f"What its alerts were: {', '.join(DISPOSITIONS)}.",
        ),
    ] = None,
    by: By = None,
    note: Note = "",
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Close incidents: every alert of them that is not closed yet.

    A new alert that joins opens the incident again. Exits with 1 if an alert could not be closed;
    the same command again completes it.

    Example: `trailhound incidents close 5f1c0a --as true-positive --note "key revoked"`
    """
    settings = settings_from(config, url, namespace)
    decision = Decision("close", who(by), note, cast("Disposition | None", as_))
    with cluster_errors(settings.hosts[0]):
        store = IncidentStore(connect(settings), settings)
        found = store.resolve(dict.fromkeys(ids))
        names = _resolved(found)
        done = store.close(names, decision)
        if done.fault is not None and not done.alerts:
            raise done.fault
        now = [store.get(name) for name in names]
    left = found.left | done.left
    if json:
        not_changed = [{"id": name, "reason": reason} for name, reason in left.items()]
        emit({"incidents": now, "closed": sorted(done.alerts), "not_changed": not_changed})
    else:
        for incident in now:
            closed = incident["alerts"] - incident["open"]
            say(f"{incident['id']} {incident['state']}: {closed} of {incident['alerts']} closed")
    for name, reason in left.items():
        warn(f"{name} was not closed: {reason}")
    if done.fault is not None:
        warn(f"the rest was not tried: {done.fault}; run the same command again")
    if left:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _resolved(found: Found) -> list[str]:
    """The ids that are meant. Raises `UsageError` where none is an incident's."""
    if found.names:
        return list(dict.fromkeys(found.names.values()))
    if all(why.startswith("there is no") for why in found.left.values()):
        raise no_incident(*found.left)
    raise UsageError(
        "; ".join(f"{name}: {why}" for name, why in found.left.items()),
        hint="give more of the id",
    )


def _lines(incident: dict[str, Any]) -> list[tuple[str, object]]:
    rules = [f"{name} ×{count}" if count > 1 else name for name, count in incident["rules"].items()]
    more = f" and {len(rules) - _RULES} more" if len(rules) > _RULES else ""
    return [
        ("id", incident["id"]),
        ("state", f"{incident['state']}: {incident['open']} of {incident['alerts']} alerts open"),
        ("seen", f"from {incident['first_seen']} to {incident['last_seen']}"),
        ("principal", ", ".join(incident["principals"])),
        ("address", ", ".join(incident["addresses"])),
        ("account", ", ".join(incident["accounts"])),
        ("tactics", " ".join(incident["tactics"])),
        ("rules", ", ".join(rules[:_RULES]) + more),
    ]
