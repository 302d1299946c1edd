"""`trailhound alerts`."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from opensearchpy.exceptions import OpenSearchException
from rich.text import Text

from detections.alerts.store import AlertQuery, AlertStore, unknown
from detections.alerts.summary import at_least
from detections.rule import Level
from trailhound.cli import dates
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.listing import LEVEL_COLOURS, Column, Kind, Listing, Output, form_of, note
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, out, plural, safe, say, warn
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import ClusterError, UsageError

app = typer.Typer(no_args_is_help=True, help="Alerts: list, read, acknowledge, close.")

_EVENTS = 10
"""Events of an alert that are shown; `--json` has all that it names."""

Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="From `trailhound alerts list`.")]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="WHO", help="Who makes the change. Default: your login name."),
]
Note = Annotated[
    str, typer.Option("--note", metavar="TEXT", help="The reason; stored with the alert.")
]


LISTING = Listing[dict[str, Any]](
    "alerts",
    (
        Column("level", lambda each: each["level"], "level", Kind.LEVEL),
        Column("last_seen", lambda each: each["last_seen"], "when", Kind.TIME),
        Column("state", lambda each: each["state"], "state", priority=1),
        Column("rule", lambda each: each["rule"]["name"], "rule", whole=True),
        Column("principal", lambda each: _entity(each, "principal"), "who"),
        Column("address", lambda each: _entity(each, "address"), "from", priority=2),
        Column("account", lambda each: _entity(each, "account"), "account", priority=4),
        Column("calls", lambda each: _named_calls(each), "calls", priority=3),
        Column("count", lambda each: each["count"], "count", Kind.NUMBER),
        Column("id", lambda each: each["id"], "id", Kind.ID),
    ),
    dict,
    empty="no alerts",
)
"""`trailhound alerts list`. What alerts of the last release lack is empty."""


class State(StrEnum):
    """What `--state` takes."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    ALL = "all"


@app.command("list")
def list_alerts(
    state: Annotated[
        list[State] | None,
        typer.Option("--state", help="open, acknowledged, closed or all. Default: not closed."),
    ] = None,
    level: Annotated[
        Level, typer.Option("--level", help="This level and above.")
    ] = "informational",
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            parser=dates.time,
            metavar=dates.METAVAR,
            help="Last seen at or after this time: 7d (before now), 2025-03-01, an ISO instant.",
        ),
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="The rule's id or title.")] = None,
    principal: Annotated[
        str | None, typer.Option("--principal", metavar="NAME", help="A user's name or ARN.")
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
    """The latest alerts first.

    Example: `trailhound alerts list --level high --since 2025-03-01`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    states = tuple(state or (State.OPEN, State.ACKNOWLEDGED))
    wanted = AlertQuery(
        () if State.ALL in states else states,
        level,
        since,
        rule,
        principal,
    )
    with cluster_errors(settings.hosts[0]):
        found = AlertStore(connect(settings), settings).find(wanted, limit + 1)
    more, found = len(found) > limit, found[:limit]
    LISTING.show(found, form, beside={"more": more})
    if more:
        note(
            f"there are more than {plural(limit, 'alert')}: raise --limit, or narrow the selection",
            form,
        )


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="From `trailhound alerts list`.")],
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one alert: what was seen, by whom, what to do, where it was sent.

    Example: `trailhound alerts show 5f1c0a…`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        alert = AlertStore(connect(settings), settings).get(id_)
    if json:
        emit(alert)
        return
    level = alert["level"] + (" (attempt)" if alert.get("attempt") else "")
    out.print(Text(level, style=LEVEL_COLOURS.get(alert["level"], "")), safe(_title(alert)))
    say(alert["summary"])
    for name, value in _lines(alert):
        if value:
            out.print(Text(f"{name:<12}", style="dim"), safe(value))


@app.command()
def ack(
    ids: Ids,
    by: By = None,
    note: Note = "",
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Acknowledge alerts: somebody works on them.

    Example: `trailhound alerts ack 5f1c0a… --by ada --note "asking the team"`
    """
    settings = settings_from(config, url, namespace)
    who = _who(by)
    with cluster_errors(settings.hosts[0]):
        store = AlertStore(connect(settings), settings)
        _change(store, ids, lambda name: store.acknowledge(name, who, note), json=json)


@app.command()
def close(
    ids: Ids,
    by: By = None,
    note: Note = "",
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Close alerts. The same events don't raise an alert again; new events raise new alerts.

    Example: `trailhound alerts close 5f1c0a… --note "a drill"`
    """
    settings = settings_from(config, url, namespace)
    who = _who(by)
    with cluster_errors(settings.hosts[0]):
        store = AlertStore(connect(settings), settings)
        _change(store, ids, lambda name: store.close(name, who, note), json=json)


def _who(by: str | None) -> str:
    """Who acts: as given, else the login name. Raises `UsageError` if there is none."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        raise UsageError("your login name is not known", hint="give your name: --by NAME") from None


def _change(
    store: AlertStore,
    ids: list[str],
    change: Callable[[str], dict[str, Any]],
    *,
    json: bool,
) -> None:
    """Change each alert that exists, and report for every id what was written, or why not.

    All ids are looked up before the first write. Exits with 1 if any was not changed; the same
    command again completes the rest. Raises `UsageError` if none of them exists.
    """
    names = list(dict.fromkeys(ids))
    missing = store.missing(names)
    if len(missing) == len(names):
        raise unknown(*names)
    left = {name: "there is no alert with this id" for name in names if name in missing}
    done: list[dict[str, Any]] = []
    fault: Exception | None = None
    for name in names:
        if name in missing:
            continue
        if fault is not None:
            left[name] = "not tried: an earlier change failed"
            continue
        try:
            done.append(change(name))
        except UsageError as error:
            left[name] = error.message
        except (OpenSearchException, ClusterError) as error:
            left[name] = "its change was not confirmed"
            fault = error
    if json and fault is None:
        not_changed = [{"id": name, "reason": reason} for name, reason in left.items()]
        emit({"alerts": done, "not_changed": not_changed})
    tell = warn if json else say  # where the error is the one object on stdout
    for alert in done if fault is not None or not json else ():
        tell(f"{alert['id']} {alert['state']}, by {alert['state_by']}")
    for name, reason in left.items():
        warn(f"{name} was not changed: {reason}")
    if fault is not None:
        raise fault
    if left:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _entity(alert: dict[str, Any], kind: str) -> list[str]:
    return list(alert["entity"].get(kind, ()))


def _named_calls(alert: dict[str, Any]) -> list[str]:
    return [call["name"] for call in alert.get("calls", ())]


def _call(call: dict[str, Any]) -> str:
    failed = f" ({call['failed']:,} failed)" if call["failed"] else ""
    return f"{call['name']} ×{call['count']:,}{failed}"


def _before(alert: dict[str, Any]) -> str:
    before = alert.get("before")
    if before is None:
        return ""
    last = f", last until {before['last']}" if "last" in before else ""
    return f"{at_least(before.get('relation'))}{plural(before['count'], 'alert')}{last}"


def _events(alert: dict[str, Any]) -> list[tuple[str, object]]:
    """The first events, and how the others are found."""
    evidence = alert["evidence"]
    ids = evidence["event_id"]
    lines: list[tuple[str, object]] = [("event", each) for each in ids[:_EVENTS]]
    if alert["count"] == len(lines):
        return lines
    more: list[tuple[str, object]] = [
        ("events", f"{len(lines)} of {alert['count']:,} shown; `--json` has {len(ids):,} ids")
    ]
    if "query" in evidence:
        wider = "" if evidence["query_exact"] else ", and others"
        more.append(("events", f"`--json` has the query that finds all of them{wider}"))
    return lines + more


def _title(alert: dict[str, Any]) -> str:
    return f"{alert['rule']['name']} ({alert['rule']['id']})"


def _lines(alert: dict[str, Any]) -> list[tuple[str, object]]:
    entity, least = alert["entity"], at_least(alert["count_relation"])
    lines: list[tuple[str, object]] = [
        ("id", alert["id"]),
        ("reason", alert["reason"]),
        ("state", f"{alert['state']}, by {alert['state_by']} at {alert['state_at']}"),
        (
            "seen",
            f"{least}{alert['count']:,} from {alert['first_seen']} to {alert['last_seen']}",
        ),
        ("ATT&CK", " ".join([*alert["attack"]["tactic"], *alert["attack"]["technique"]])),
        *(("group", each) for each in alert["group"]),
        ("calls", ", ".join(map(_call, alert.get("calls", ())))),
        ("before", _before(alert)),
    ]
    lines += [(kind, ", ".join(values)) for kind, values in entity.items()]
    lines += [("what it is", alert["description"])]
    lines += [("to do", step) for step in alert["response"]]
    lines += [("maybe only", each) for each in alert["falsepositives"]]
    lines += _events(alert)
    lines += [("events at", alert["evidence"].get("url", ""))]
    for entry in alert["history"]:
        note = f": {entry['note']}" if entry.get("note") else ""
        lines.append(("history", f"{entry['at']} {entry['state']}, by {entry['by']}{note}"))
    for channel, sent in alert["delivery"].items():
        lines.append(("sent", f"{channel}: {sent['state']} {sent['at']} {sent.get('error', '')}"))
    return lines
