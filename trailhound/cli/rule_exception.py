"""`trailhound rules except`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

import typer
from rich.text import Text

from trailhound.cli.decisions import who
from trailhound.cli.late_imports import late_imports
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
from trailhound.cli.screen import emit, err, out, plural, safe, sentence, write
from trailhound.errors import RuleError, UsageError

with late_imports():
    from detections.alerts.store import AlertStore
    from detections.packs.expiry import day_of, expiry, today
    from detections.packs.reading import rule_id
    from detections.span import BEGINNING
    from trailhound.app.detection.rule_exception import (
        Proposal,
        chosen,
        exceptions_folder,
        propose,
        save,
    )
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors


_PLACES = ("sourceIPAddress", "source.ip", "geolocation.asn", "vpcEndpointId")
"""Fields that say where a call comes from."""
_NAMED = 10
"""The most other alerts that are named by id."""


def write_exception(
    alert: Annotated[
        str,
        typer.Argument(metavar="ALERT", help="The alert's id, from `trailhound alerts list`."),
    ],
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="FIELD",
            help="What distinguishes its events: principal, address, agent, resource, call, "
            "account, region, or any field. May be repeated. Default: the principal and what else "
            "they share.",
        ),
    ] = None,
    principal: Annotated[
        str | None,
        typer.Option(
            "--principal",
            metavar="NAME",
            help="Only for the events of this one, where the alert is of several.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the exception and its effect; write nothing.")
    ] = False,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="DAY",
            help="The last UTC day on which it applies, as 2026-12-31. Default: no end.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    author: Annotated[
        str | None,
        typer.Option("--author", metavar="WHO", help="Default: your login name."),
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write an exception to the rule of an alert, by which that alert would not have been raised.

    It is saved in the first folder of `detections.exceptions`, or else of `detections.rules`. With
    `--dry-run` its text goes to stdout, and everything else to stderr. It is tried on the alerts of
    `--since` and `--until`: by default of 30 days.

    Example: `trailhound rules except 5f1c0a --by principal --by address --dry-run`
    """
    settings = settings_from(config, url, namespace)
    last = _last_day(expires)
    # Checked first: an exception needs a folder to be saved in.
    folder = None if dry_run else exceptions_folder(settings.detections)
    name = who(author)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        found = AlertStore(client, settings).named(alert)
        proposal = propose(
            client,
            settings,
            found,
            by=fields or (),
            principal=principal,
            author=name,
            expires=last,
            span=history_span_of(since, until) if since or until else None,
        )
    file = save(proposal, folder) if folder is not None else None
    if json:
        emit(_as_dict(proposal, None if file is None else str(file)))
        return
    lines = _lines(proposal)
    if file is not None:
        lines.append(("saved", str(file)))
        lines.append(("next", "`detect` uses it at once, a running daemon after a reload: SIGHUP"))
        if found["state"] != "closed":
            close = f"`trailhound alerts close {found['id']} --as false-positive`"
            lines.append(("", f"this alert stays until it is closed: {close}"))
    screen = err if file is None else out  # so that stdout has only the file
    for label, text in lines:
        sentence(Text(f"{label:<13}", style="dim") + safe(text), 13, screen=screen)
    if file is None:
        write(proposal.text)


def _last_day(given: str | None) -> date | None:
    """The day of `--expires`. Raises `UsageError` for none, or one that is over."""
    if given is None:
        return None
    try:
        last = day_of(given)
    except RuleError as error:
        raise UsageError(f"--{error}", hint=error.hint) from None
    if last < today():
        raise UsageError(f"--expires {last}: that day is over", hint="give a later one, or none")
    return last


def _lines(proposal: Proposal) -> list[tuple[str, str]]:
    effect = proposal.effect
    lines = [("rule", f"{proposal.rule.title} ({proposal.rule.id})")]
    if proposal.rule.is_correlation:
        lines += [("narrows", f"{each.title} ({rule_id(each)})") for each in proposal.narrows]
    lines += [
        ("leaves out" if not place else "  and", f"{each.field}: {' or '.join(each.values)}")
        for place, each in enumerate(proposal.conditions)
    ]
    for field in chosen(proposal):
        lines.append(("but", f"a caller can set {field} so that its events are left out too"))
    if not any(each.field in _PLACES for each in proposal.conditions):
        anywhere = "it applies from any network, also to whoever has the same credentials"
        lines.append(("but", f"{anywhere}: --by address binds it"))
    if last := expiry(proposal.content):
        lines.append(("until", f"the end of {last:%Y-%m-%d} UTC"))
    some = f"{effect.hidden:,} of {plural(effect.alerts, 'alert')} of this rule"
    number = plural(max(1, round((effect.until - effect.since) / timedelta(days=1))), "day")
    time = f"from {effect.since:%Y-%m-%d} to {effect.until:%Y-%m-%d} ({number})"
    if effect.since <= BEGINNING:
        time = f"up to {effect.until:%Y-%m-%d}"
    lines.append(("would hide", f"{some} {time}"))
    others = [each for each in effect.hidden_ids if each != proposal.alert["id"]]
    lines += [("", each) for each in others[:_NAMED]]
    if len(others) > _NAMED:
        lines.append(("", f"and {len(others) - _NAMED:,} more: --json has all of their ids"))
    if effect.networks:
        shown = [f"{name} ({count:,})" for name, count in list(effect.networks.items())[:_NAMED]]
        left = len(effect.networks) - len(shown)
        lines.append(("from", ", ".join(shown) + (f" and {left:,} more" if left else "")))
    for name, network in list(effect.apart.items())[:_NAMED]:
        lines.append(("look at", f"{name} first: no other alert of these is from {network}"))
    if len(effect.apart) > _NAMED:
        lines.append(("", f"and {len(effect.apart) - _NAMED:,} more from a network of their own"))
    if effect.fewer:
        lines.append(("", f"{effect.fewer:,} more would have fewer events, perhaps too few"))
    if effect.unknown:
        lines.append(("", f"of {effect.unknown:,} no event is in the index any more"))
    if not effect.itself:
        lines.append(("", "not this alert itself: not all of its events are left out"))
    lines.append(("other rules", f"none of {proposal.compared:,} that alert is changed"))
    for twin in proposal.alert.get("twins", ()):
        again = f"trailhound rules except {twin['id']}"
        lines.append(("its twin", f"is still raised, by {twin['rule']['name']}: {again}"))
    return lines


def _as_dict(proposal: Proposal, file: str | None) -> dict[str, Any]:
    effect = proposal.effect
    return {
        "alert": proposal.alert["id"],
        "rule": {"id": proposal.rule.id, "title": proposal.rule.title},
        "narrows": [{"id": rule_id(each), "title": each.title} for each in proposal.narrows],
        "conditions": [
            {"field": each.field, "values": list(each.values)} for each in proposal.conditions
        ],
        "effect": {
            "since": effect.since.isoformat(),
            "until": effect.until.isoformat(),
            "alerts": effect.alerts,
            "hidden": effect.hidden,
            "hidden_alerts": list(effect.hidden_ids),
            "networks": dict(effect.networks),
            "from_a_network_of_their_own": dict(effect.apart),
            "fewer_events": effect.fewer,
            "unknown": effect.unknown,
            "this_alert_hidden": effect.itself,
        },
        "other_rules": {"compared": proposal.compared, "changed": []},
        "id": proposal.content["id"],
        "chosen_by_callers": chosen(proposal),
        "expires": last.isoformat() if (last := expiry(proposal.content)) else None,
        "exception": proposal.text,
        "file": file,
    }
