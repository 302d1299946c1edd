"""`trailhound alerts`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from trailhound.cli import alert_precision, completion
from trailhound.cli.alert_selection import (
    AlertState,
    AtLevel,
    InState,
    OfAccount,
    OfAssignee,
    OfDisposition,
    OfIncident,
    OfPrincipal,
    OfRule,
    OfTactic,
    Query,
    Since,
    Until,
    alert_query,
)
from trailhound.cli.alert_triage import HELP, SELECT, decide, state_of
from trailhound.cli.columns import Column, ColumnType, second
from trailhound.cli.decision_commands import add_decision_commands
from trailhound.cli.incidents import LISTING as INCIDENTS
from trailhound.cli.incidents import note_folded, with_file
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
from trailhound.cli.screen import emit, out, plural, safe, say, say_field
from trailhound.cli.table_layout import LEVEL_COLOURS

with late_imports():
    from detections.alerts.store import AlertStore
    from detections.alerts.summary import at_least
    from detections.alerts.triage import NOBODY
    from detections.alerts.twins import folded
    from detections.incidents.folding import folded as fold_incidents
    from detections.incidents.store import IncidentStore
    from detections.investigation.absent_names import check_names
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


app = typer.Typer(no_args_is_help=True, help="Alerts: list, read, acknowledge, assign, close.")

_EVENTS = 10
"""The most events of an alert that are shown; `--json` has all that it names."""


class AlertSort(StrEnum):
    """What `--sort` takes."""

    LAST_SEEN = "last-seen"
    FIRST_SEEN = "first-seen"
    RAISED = "raised"
    LEVEL = "level"
    COUNT = "count"


LISTING = Listing[dict[str, Any]](
    "alerts",
    (
        Column("level", lambda each: each["level"], "level", ColumnType.LEVEL),
        Column("last_seen", lambda each: each["last_seen"], "when", ColumnType.TIME),
        Column("state", lambda each: each["state"], "state", priority=1),
        Column(
            "rule",
            lambda each: each["rule"]["name"],
            "rule",
            whole=True,
            shown=lambda each: _named_rule(each),
        ),
        Column("principal", lambda each: _entity(each, "principal"), "who"),
        Column("address", lambda each: _entity(each, "address"), "from", priority=2),
        Column("account", lambda each: _entity(each, "account"), "account", priority=4),
        Column("calls", lambda each: _named_calls(each), "calls", priority=3),
        Column("assignee", lambda each: each.get("assignee", ""), "owner", priority=5),
        Column("disposition", lambda each: each.get("disposition", ""), "closed as", priority=6),
        Column("count", lambda each: each["count"], "count", ColumnType.NUMBER),
        Column("id", lambda each: each["id"], "id", ColumnType.ID),
        Column("file", lambda each: _files(each), piped=True),
    ),
    dict,
    empty="no alerts",
)
"""`trailhound alerts list`. Fields that alerts of the last release lack are empty."""

FOLDED = replace(INCIDENTS, empty=LISTING.empty)
"""`trailhound alerts list` on a terminal: a row for each incident."""


@app.command("list")
def list_alerts(
    state: InState = None,
    level: AtLevel = "informational",
    since: Since = None,
    until: Until = None,
    rule: OfRule = None,
    principal: OfPrincipal = None,
    account: OfAccount = None,
    tactic: OfTactic = None,
    assignee: OfAssignee = None,
    disposition: OfDisposition = None,
    query: Query = None,
    incident: OfIncident = None,
    flat: Annotated[
        bool,
        typer.Option("--flat", help="On a terminal: a row for each alert, not for each incident."),
    ] = False,
    sort: Annotated[
        AlertSort,
        typer.Option("--sort", help="What comes first: the latest, or the most severe or largest."),
    ] = AlertSort.LAST_SEEN,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Show at most N.")
    ] = 100,
    every: Annotated[bool, typer.Option("--all", help="Show all; no limit.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """List alerts, the latest first; without `--state` those that are not closed.

    On a terminal the alerts of an incident are one row, with the id and title of the most
    significant alert. `--flat`, `--incident ID` and all other forms of output show every alert.

    Example: `trailhound alerts list --level high --since 2025-03-01 --sort level`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    # Only closed alerts have a disposition.
    states = state or (
        [AlertState.CLOSED] if disposition else [AlertState.OPEN, AlertState.ACKNOWLEDGED]
    )
    wanted = alert_query(
        states,
        level=level,
        since=since,
        until=until,
        rule=rule,
        principal=principal,
        account=account,
        tactic=tactic,
        assignee=assignee,
        disposition=disposition,
        text=query,
    )
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        if incident is not None:
            found_incident = IncidentStore(client, settings).named(incident)
            wanted = replace(wanted, incident=found_incident)
        elif is_table(form) and not flat:
            incidents = IncidentStore(client, settings).of_alerts(wanted, sort)
            if not incidents:
                check_names(client, settings, wanted)
            _show_folded(incidents, None if every else limit)
            return
        store = AlertStore(client, settings)
        found = store.find(wanted, None if every else limit + 1, sort)
        if not found:
            check_names(client, settings, wanted)
        more = not every and len(found) > limit
        total = store.count(wanted) if more else len(found)
    found = found[:limit] if more else found
    rows = folded(found) if form is Form.TABLE else found
    LISTING.show(rows, form, beside={"total": total, "more": more})
    if len(rows) < len(found):
        note(f"{plural(len(found), 'alert')}: those of the same events are in one row", form)
    if more:
        shown_of(total, limit, "alert", form)


def _show_folded(found: Sequence[Mapping[str, Any]], limit: int | None) -> None:
    """A row for each incident of the alerts, with the id of its most significant alert."""
    rows = fold_incidents({**each, "id": each["alert"]} for each in found)
    FOLDED.show(rows[:limit])
    note_folded(rows[:limit], Form.TABLE, "--flat")
    if rows:
        alerts = sum(each["alerts"] for each in found)
        note(f"{plural(alerts, 'alert')} of {plural(len(found), 'incident')}: --flat shows each")
    if limit is not None and len(rows) > limit:
        note(f"and {plural(len(rows) - limit, 'other row')}: --limit N or --all for more")


@app.command()
def show(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="From `trailhound alerts list`.",
            autocompletion=completion.alert_ids,
        ),
    ],
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: OutputOfOne = None,
    json: Json = False,
) -> None:
    """Show one alert: what happened, who did it, what to do, where the alert was sent.

    Example: `trailhound alerts show 5f1c0a…`
    """
    for_programs = is_for_programs(output, json)
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        alert = AlertStore(connect(settings), settings).named(id_)
    if for_programs:
        emit(alert)
        return
    level = alert["level"] + (" (attempt)" if alert.get("attempt") else "")
    out.print(Text(level, style=LEVEL_COLOURS.get(alert["level"], "")), safe(_title(alert)))
    say(alert["summary"], 0)
    for name, value in _lines(alert):
        if value:
            say_field(name, value)


def _named_rule(alert: dict[str, Any]) -> str:
    """The rule's title; of an attempt, whose level may be lower than the rule's, with that."""
    attempt = " (attempt)" if alert.get("attempt") else ""
    return with_file(alert["rule"]["name"], _files(alert)) + attempt


def _entity(alert: dict[str, Any], kind: str) -> list[str]:
    return list(alert["entity"].get(kind, ()))


def _files(alert: dict[str, Any]) -> list[str]:
    """The trail file that an alert of a verification is about."""
    return [alert["file"]["object"]] if "file" in alert else []


def _named_calls(alert: dict[str, Any]) -> list[str]:
    return [call["name"] for call in alert.get("calls", ())]


def _call(call: dict[str, Any]) -> str:
    failed = f" ({call['failed']:,} failed)" if call["failed"] else ""
    return f"{call['name']} ×{call['count']:,}{failed}"


def _before(alert: dict[str, Any]) -> str:
    before = alert.get("before")
    if before is None:
        return ""
    last = f", last until {before['last'].replace('+00:00', 'Z')}" if before.get("last") else ""
    return f"{at_least(before.get('relation'))}{plural(before['count'], 'alert')}{last}"


def _events(alert: dict[str, Any]) -> list[tuple[str, object]]:
    """The first events of an alert, and the command that shows the others."""
    evidence = alert["evidence"]
    ids = evidence["event_id"]
    lines: list[tuple[str, object]] = [("event", each) for each in ids[:_EVENTS]]
    if alert["count"] == len(lines):
        return lines
    found = f"trailhound events --alert {alert['id']}"
    exact = alert["count"] <= len(ids) or evidence.get("query_exact")
    wider = "" if exact or "query" not in evidence else ", and others"
    if exact or "query" in evidence:
        shown = f"{len(lines)} of {alert['count']:,} shown; all of them{wider}: {found}"
    else:
        shown = f"{len(lines)} of {alert['count']:,} shown; {len(ids):,} are known: {found}"
    return [*lines, ("events", shown)]


def _twin(twin: Mapping[str, Any]) -> str:
    return f"{twin['id']} {twin['rule']['name']}, {twin['state']}: of the same events"


def _history(alert: dict[str, Any]) -> Iterator[str]:
    """A line for each decision: what changed, who, why."""
    before = ""
    for entry in alert["history"]:
        if "assignee" in entry:
            what = f"assigned to {entry['assignee'] or NOBODY}"
        elif _is_note(entry, before):
            what = "noted"
        else:
            what = state_of(entry)
        before = entry["state"]
        note = f": {entry['note']}" if entry.get("note") else ""
        yield f"{second(entry['at'])} {what}, by {entry['by']}{note}"


def _is_note(entry: Mapping[str, Any], before: str) -> bool:
    """Whether a decision changed nothing. Those of the last release do not say whether they took an
    acknowledged alert over, but a note has a text."""
    changed = entry["state"] != before or "disposition" in entry or "taken_over" in entry
    return not changed and bool(entry.get("note"))


def _title(alert: dict[str, Any]) -> str:
    return f"{alert['rule']['name']} ({alert['rule']['id']})"


def _lines(alert: dict[str, Any]) -> list[tuple[str, object]]:
    entity, least = alert["entity"], at_least(alert["count_relation"])
    first, last = second(alert["first_seen"]), second(alert["last_seen"])
    lines: list[tuple[str, object]] = [
        ("id", alert["id"]),
        ("reason", alert["reason"]),
        ("state", f"{state_of(alert)}, by {alert['state_by']} at {second(alert['state_at'])}"),
        ("assigned to", alert.get("assignee", "")),
        ("incident", alert.get("incident", "")),
        *(("twin", _twin(each)) for each in alert.get("twins", ())),
        (
            "seen",
            f"{least}{alert['count']:,} from {first} to {last} UTC",
        ),
        ("ATT&CK", " ".join([*alert["attack"]["tactic"], *alert["attack"]["technique"]])),
        *(("group", each) for each in alert["group"]),
        ("calls", ", ".join(map(_call, alert.get("calls", ())))),
        ("before", _before(alert)),
    ]
    lines += [(kind, ", ".join(values)) for kind, values in entity.items()]
    lines += [("access key", ", ".join(alert.get("access_keys", ())))]
    lines += [("opened by", ", ".join(alert.get("opened_by", ())))]
    lines += [("what it is", alert["description"])]
    lines += [("to do", step) for step in alert["response"]]
    lines += [("maybe only", each) for each in alert["falsepositives"]]
    lines += _events(alert)
    lines += [("events at", alert["evidence"].get("url", ""))]
    lines += [("history", each) for each in _history(alert)]
    for channel, sent in alert["delivery"].items():
        state = f"{channel}: {sent['state']} {sent['at']}"
        if sent.get("into"):
            state += f", {_covered_by(alert, sent['into'])}"
        lines.append(("sent", f"{state} {sent.get('error', '')}".rstrip()))
    return lines


def _covered_by(alert: Mapping[str, Any], other: str) -> str:
    """Why a channel was sent no message about an alert."""
    if any(twin["id"] == other for twin in alert.get("twins", ())):
        return f"in the message about its twin {other}"
    about = f" and its incident {alert['incident']}" if alert.get("incident") else ""
    return f"in no message of its own: there was one about alert {other}{about}"


add_decision_commands(app, SELECT, decide, HELP)
app.command("precision")(alert_precision.show)
