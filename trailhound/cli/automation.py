"""`trailhound automation`: lists known automation, learns it, and changes it by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.consent import agree
from trailhound.cli.decisions import By, who
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, plural, say, say_on_stderr, warn
from trailhound.errors import UsageError

with late_imports():
    from pydantic import ValidationError

    from detections.automation.known_summary import known_summary
    from trailhound.app.detection.known_automation import KnownCalls
    from trailhound.app.settings_check import is_wide
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings
    from trailhound.settings.detections import TrustedCallSettings

app = typer.Typer(
    no_args_is_help=True,
    help="Known automation: calls of roles that rules leave out, learned or set by hand.",
)

Note = Annotated[
    str, typer.Option("--note", metavar="TEXT", help="The reason; stored with the entry.")
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask about a very large network.")]

LISTING = Listing[dict[str, Any]](
    "entries",
    (
        Column("call", lambda each: each["call"], "call"),
        Column("role", lambda each: each["role"], "role", tail=True),
        Column("network", lambda each: _network(each), "network", whole=True),
        Column("rule", lambda each: each["rule"], "rule", priority=2),
        Column("since", lambda each: each["since"], "since", ColumnType.TIME, priority=3),
        Column("until", lambda each: each["until"], "until", ColumnType.TIME),
        Column("days", lambda each: each["days"], "days", ColumnType.NUMBER, priority=4),
        Column("origin", lambda each: each["origin"], "origin", priority=1),
        Column("account", lambda each: each["account"], "account", priority=6),
        Column("note", lambda each: each["note"], "note", priority=7),
        Column("id", lambda each: each["id"], "id", ColumnType.ID),
    ),
    dict,
    empty="no call is known automation",
)


def _network(row: dict[str, Any]) -> str:
    return f"{row['network']} by {row['endpoint']}" if row["endpoint"] else str(row["network"])


@app.command("list")
def list_entries(
    every: Annotated[bool, typer.Option("--all", help="Include entries that have ended.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """List the calls that rules leave out, by role: learned from history, or set by hand.

    Example: `trailhound automation list`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    now = datetime.now(UTC)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        found = KnownCalls(client, settings).all()
        summary = known_summary(client, settings, now)
    rows = [each.as_dict() for each in found if every or each.until > now]
    rows += _by_settings(settings, now)
    if rows or form is not Form.TABLE:
        LISTING.show(rows, form, beside={"summary": summary.as_dict()})
    if form is Form.TABLE:
        (say_on_stderr if rows else say)(summary.sentence())


def _by_settings(settings: Settings, now: datetime) -> list[dict[str, Any]]:
    """The entries of `detections.known_automation.trusted`; these have no id."""
    return [
        {
            **dict.fromkeys(("id", "rule_id", "rule", "account", "role_id", "source"), ""),
            "role": each.role,
            "call": call,
            "network": network,
            "endpoint": each.vpc_endpoint,
            "since": None,
            "until": each.until.isoformat() if each.until else None,
            "days": 0,
            "last_day": None,
            "origin": "settings",
            "by": "",
            "note": "",
            "forgotten": None,
        }
        for each in settings.detections.known_automation.trusted
        if each.until is None or each.until > now
        for call in each.calls
        for network in each.networks
    ]


@app.command()
def learn(
    at: Annotated[
        datetime | None,
        typer.Option(
            "--at",
            metavar="DATE",
            parser=dates.day,
            help="Learn as on this day, from the days before it. Default: today.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be learned; write nothing.")
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Learn from past days, as the daemon does every hour. Each new entry raises an alert (low).

    Example: `trailhound automation learn --dry-run`
    """
    settings = settings_from(config, url, namespace)
    if not settings.detections.known_automation.enabled:
        raise UsageError("learning is off", hint="set detections.known_automation.enabled to true")
    now = datetime.now(UTC)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        known = KnownCalls(client, settings)
        unsearched = known.unsearched(at or now)
        done = known.learn(at or now, record=not dry_run)
        summary = known_summary(client, settings, now)
        summary = replace(summary, ran=summary.ran or not dry_run)
    changes = done.changes
    if json:
        emit(
            {
                "day": done.day.isoformat(),
                "observed": done.observed,
                "new": [each.as_dict() for each in changes.new],
                "kept": [each.as_dict() for each in changes.kept],
                "ended": [each.as_dict() for each in changes.ended],
                "written": not dry_run,
                "unsure": [each.key for each in done.unsure],
                "unsearched_days": [each.isoformat() for each in unsearched],
                "summary": summary.as_dict(),
            }
        )
        return
    if changes.new:
        LISTING.show([each.as_dict() for each in changes.new], form_of(None, json=False))
    say(
        f"of {plural(done.observed, 'pattern')} of role, call and network before {done.day}: "
        f"{len(changes.new)} new, {len(changes.kept)} still known, {len(changes.ended)} ended"
        + ("; nothing was written (--dry-run)" if dry_run else "")
    )
    if unsearched and done.observed:
        warn(
            f"scheduled rules did not look at {plural(len(unsearched), 'day')} of these, and no "
            "alert is about them: they count as harmless. Unless it was done, run "
            f"`trailhound detect --since {unsearched[0]} --until {unsearched[-1]}` first, then "
            "learn again"
        )
    elif done.unsure:
        warn(
            f"{plural(len(done.unsure), 'new entry', 'new entries')} by days at which no rule had "
            "looked as it is now: it is new, was changed, or an exception of it ended. That no "
            "alert is about them says nothing: run `trailhound detect` over them first, then learn "
            "again"
        )
    if at is None and not (changes.new or changes.kept):
        say(summary.sentence())


def _is_wide(text: str) -> bool:
    """Whether a network is larger than any organisation's; False for text that is not a network."""
    try:
        return is_wide(text)
    except ValueError:
        return False


@app.command()
def trust(
    role: Annotated[str, typer.Option("--role", metavar="ARN", help="The role's ARN.")],
    call: Annotated[
        list[str],
        typer.Option(
            "--call", metavar="NAME", help="The call's name in CloudTrail; may be repeated."
        ),
    ],
    network: Annotated[
        list[str],
        typer.Option(
            "--network",
            metavar="CIDR",
            help="The network that the calls come from; may be repeated.",
        ),
    ],
    vpc_endpoint: Annotated[
        str,
        typer.Option(
            "--vpc-endpoint", metavar="ID", help="The VPC endpoint that the calls come through."
        ),
    ] = "",
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            metavar=dates.METAVAR,
            parser=dates.coming,
            help="The last day, an ISO instant, or a time from now (`30d`). Default: 90 days.",
        ),
    ] = None,
    by: By = None,
    note: Note = "",
    yes: Yes = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Trust calls of a role from a network from now on, without waiting for history.

    Warns of names that no event has. Asks before it trusts a very large network.

    Example: `trailhound automation trust --role arn:aws:iam::111122223333:role/deploy --call
    PutRule --network 203.0.113.0/24`
    """
    settings = settings_from(config, url, namespace)
    wide = [each for each in network if _is_wide(each)]
    try:
        calls = TrustedCallSettings(
            role=role, calls=call, networks=network, vpc_endpoint=vpc_endpoint, until=until
        )
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"][0] == "role":
            raise UsageError(
                f"--role {role!r} is no role's ARN",
                hint="write the role's ARN: arn:aws:iam::ACCOUNT:role/NAME, without wildcards",
            ) from None
        raise UsageError(
            f"{first['loc'][0]}: {first['msg']}", hint="write networks as 203.0.113.0/24"
        ) from None
    if wide and not yes:
        what = f"{' and '.join(wide)}: whoever has the role's credentials would be trusted there"
        agree(f"{what}. Trust it?", what, "name the pipeline's network, or add --yes")
    with cluster_errors(settings.hosts[0]):
        known = KnownCalls(connect(settings), settings)
        doubts = known.doubts(calls)
        made = known.trust(calls, who(by), datetime.now(UTC), note)
    for doubt in doubts:
        warn(doubt)
    if json:
        emit({"entries": [each.as_dict() for each in made]})
        return
    LISTING.show([each.as_dict() for each in made], form_of(None, json=False))
    warn("every rule that asks for known automation leaves these calls out")


@app.command()
def forget(
    entry: Annotated[
        list[str], typer.Argument(metavar="ID…", help="From `trailhound automation list`.")
    ],
    by: By = None,
    note: Note = "",
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """End entries, so that rules report these calls again. Days before are not learned from.

    Example: `trailhound automation forget 3f1c2a`
    """
    settings = settings_from(config, url, namespace)
    with cluster_errors(settings.hosts[0]):
        made = KnownCalls(connect(settings), settings).forget(
            entry, who(by), datetime.now(UTC), note
        )
    if json:
        emit({"entries": [each.as_dict() for each in made]})
        return
    for each in made:
        say(f"forgotten: {each.call} of {each.role} from {each.network} ({each.key})")
