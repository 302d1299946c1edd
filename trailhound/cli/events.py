"""`trailhound events`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from trailhound.cli import completion, dates
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.empty_results import describe_other_times, explain_empty_span
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of, shown_of
from trailhound.cli.options import (
    Config,
    Json,
    Namespace,
    Since,
    Until,
    Url,
    settings_from,
)
from trailhound.cli.screen import warn
from trailhound.cli.skipped_days import (
    all_skipped,
    not_searched,
    skipped_days,
    unreadable_events,
)
from trailhound.errors import UsageError

with late_imports():
    from opensearchpy import OpenSearch

    from detections.alerts.absent_events import absent_events
    from detections.alerts.alert_events import events_of
    from detections.events.daily_indices import daily_indices
    from detections.events.index import EventIndex
    from detections.events.query_fields import unknown_fields
    from detections.incidents.incident_events import story_of_incident
    from detections.investigation.absent import absent_addresses, check_values, unknown_values
    from trailhound.app.search.events import Event, EventFilter, EventSearch
    from trailhound.cluster.client import connect
    from trailhound.cluster.queries import Query, both, either
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.settings import Settings


_DEFAULT_LIMIT = 100
_LONGEST_CODE = 22
"""The most characters of an error code that a terminal shows beside the call."""


class Outcome(StrEnum):
    """What `--outcome` takes."""

    SUCCESS = "success"
    FAILURE = "failure"


def _text(event: Event, path: str) -> str:
    """The text at a path; empty if a repaired record has another value there, or none."""
    value: Any = event
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def _called(event: Event) -> str:
    """The call, and why it failed."""
    name, code = _text(event, "eventName"), _text(event, "errorCode")
    if _text(event, "event.outcome") != "failure":
        return name
    return f"{name} ({code if 0 < len(code) <= _LONGEST_CODE else 'failed'})"


def _resources(event: Event) -> list[str]:
    """The resources of the call, ARNs last: names are shorter. The others by the names of their
    fields: each product returns fields in an order of its own."""
    found = event.get("resource")
    values = found if isinstance(found, dict) else {}
    ordered = sorted(values.items(), key=lambda each: (each[0] == "arn", each[0]))
    return list(dict.fromkeys(str(text) for _, texts in ordered for text in texts))


LISTING = Listing[Event](
    "events",
    (
        Column("time", lambda each: _text(each, "@timestamp"), "time (UTC)", ColumnType.INSTANT),
        Column("risk", lambda each: each.get("risk_score"), "risk", ColumnType.NUMBER),
        Column("call", lambda each: _text(each, "eventName"), "call", whole=True, shown=_called),
        Column("principal", lambda each: _text(each, "user.name"), "who"),
        Column("address", lambda each: _text(each, "sourceIPAddress"), "from", priority=1),
        Column("resource", _resources, "on", priority=2),
        Column("account", lambda each: _text(each, "recipientAccountId"), "account", priority=3),
        Column("region", lambda each: _text(each, "awsRegion"), "region", priority=4),
        Column("service", lambda each: _text(each, "eventSource"), "service", priority=6),
        Column("outcome", lambda each: _text(each, "event.outcome"), "outcome", priority=7),
        Column("error", lambda each: _text(each, "errorCode"), "error", priority=8),
        Column("category", lambda each: _text(each, "event_category"), "category", priority=5),
        Column("id", lambda each: each["_id"], "id", ColumnType.ID),
    ),
    dict,
    empty="no event matches",
)
_FIELDS = (
    *("@timestamp", "risk_score", "eventName", "user.name", "sourceIPAddress", "resource"),
    *("recipientAccountId", "awsRegion", "eventSource", "event.outcome", "errorCode"),
    "event_category",
)
"""The fields of an event that the columns need."""

_SELECT = "Selection (each may be repeated: one or the other)"


def _several(flag: str, metavar: str, text: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=text, rich_help_panel=_SELECT)


def events(
    query: Annotated[
        str | None,
        typer.Argument(metavar="QUERY", help="Lucene query, as in the query bar of Dashboards."),
    ] = None,
    since: Since = None,
    until: Until = None,
    principal: Annotated[
        list[str] | None,
        _several("--principal", "NAME", "Who acted: a name, ARN, id; a role's for its sessions."),
    ] = None,
    key: Annotated[
        list[str] | None,
        _several("--key", "ID", "An access key: calls made with it, or that touch it."),
    ] = None,
    address: Annotated[
        list[str] | None,
        _several("--address", "IP", "A source address, a network, or an AWS service's name."),
    ] = None,
    call: Annotated[
        list[str] | None,
        _several("--call", "NAME", "An API call: DeleteTrail, iam:CreateUser, iam:*."),
    ] = None,
    resource: Annotated[
        list[str] | None,
        _several("--resource", "NAME", "What was touched: a name, an id or an ARN."),
    ] = None,
    account: Annotated[
        list[str] | None,
        _several("--account", "ID", "The event's account, or that of its trail's folder."),
    ] = None,
    region: Annotated[list[str] | None, _several("--region", "NAME", "An AWS region.")] = None,
    outcome: Annotated[
        Outcome | None, typer.Option(help="success or failure.", rich_help_panel=_SELECT)
    ] = None,
    risk: Annotated[
        int | None,
        typer.Option(
            min=1, max=10, metavar="N", help="This risk score and above.", rich_help_panel=_SELECT
        ),
    ] = None,
    alert: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="The events of this alert; may be repeated.",
            rich_help_panel=_SELECT,
            autocompletion=completion.alert_ids,
        ),
    ] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="The events of this incident, also those that no alert names; may be repeated.",
            rich_help_panel=_SELECT,
            autocompletion=completion.incident_ids,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"Show at most N. Default: {_DEFAULT_LIMIT}."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show all; no limit.")] = False,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Show new events as they come, until Ctrl-C; with --since, --limit or --all after "
            "those that are there.",
        ),
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Search the events of the index, the newest first.

    In a value `*` matches any text; case does not matter. Exits with 1 if a day could not be
    searched, if events of an alert or incident are gone, or if one of several principals, accounts
    or regions has no event at any time.

    Examples:

    `trailhound events --since 7d --principal ada --outcome failure`

    `trailhound events --call 'iam:*' --risk 7 --output csv --all > iam.csv`

    `trailhound events 'eventName:Delete* AND NOT user_type:aws_service' --follow`
    """
    dates.check_order(since, until)
    if follow and until:
        raise UsageError("--follow and --until exclude each other", hint="give one")
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    wanted = EventFilter(
        since=since,
        until=dates.end_of(until) if until else None,
        principals=principal or (),
        keys=key or (),
        addresses=address or (),
        calls=call or (),
        resources=resource or (),
        accounts=account or (),
        regions=region or (),
        outcome=outcome,
        min_risk=risk,
        text=query,
    )
    fields = () if form in (Form.JSON, Form.NDJSON) else _FIELDS
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        named = [(f"the alert {it}", events_of(client, settings, it)) for it in alert or ()]
        named += [
            (f"the incident {it}", story_of_incident(client, settings, it)) for it in incident or ()
        ]
        for name, found_of in named:
            if not found_of.exact:
                warn(f"{name} does not name all of its events: these are not exactly those")
        any_alert = [either([each.query for _, each in named])] if named else []
        search = EventSearch(client, settings, wanted, any_alert)
        absent = absent_events(client, settings, *(each.named for _, each in named))
        for sentence in (
            *unknown_fields(query or ""),
            *not_searched(search.skipped),
            *unreadable_events(absent, search.skipped),
        ):
            warn(sentence)
        days = all_skipped(search.skipped, absent)
        most = None if every else limit or _DEFAULT_LIMIT
        if follow:
            known = most if since or limit or every else 0
            if known and form is not Form.JSON:
                with search.found() as found:
                    shown_of(found.total, known, "event", form)
            with suppress(KeyboardInterrupt):  # the usual end of --follow
                LISTING.follow(search.follow(fields=fields, known=known), form)
            return
        with search.found() as found:
            nothing = "" if found.total else _nothing(client, settings, wanted, any_alert)
            unknown = _unknown(client, settings, wanted) if found.total else []
            more = most is not None and found.total > most
            LISTING.show(
                found.newest(most, fields),
                form,
                beside={
                    "total": found.total,
                    "more": more,
                    "skipped_days": skipped_days(days),
                    "problems": unknown,
                },
            )
        for sentence in (*unknown, *([nothing] if nothing else [])):
            warn(sentence)
    shown_of(found.total, most, "event", form)
    if days or unknown:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _nothing(
    client: OpenSearch, settings: Settings, wanted: EventFilter, also: Sequence[Query]
) -> str:
    """Why a search found nothing: no event of any time is from an address; its span has none, and
    when there are events that match; else empty. Raises `UsageError` for a principal, an account
    or a region that no event of any time has, if all days were searched."""
    days = daily_indices(client, settings)
    span = wanted.span if wanted.since or wanted.until else None
    if nothing := explain_empty_span(client, days, span):
        return nothing
    if not days.skipped:
        index = EventIndex(client, days)
        check_values(
            index,
            principals=wanted.principals,
            accounts=wanted.accounts,
            regions=wanted.regions,
        )
        if absent := absent_addresses(index, wanted.addresses):
            return "; ".join(absent)
    if span is None:
        return ""
    of_any_time = both(*replace(wanted, since=None, until=None).clauses(), *also)
    return f"no event matches{describe_other_times(client, days, of_any_time)}"


def _unknown(client: OpenSearch, settings: Settings, wanted: EventFilter) -> list[str]:
    """A sentence for each of several principals, accounts or regions that no event of any time
    has, if all days were searched. One alone has those that were found."""
    several = {
        name: values
        for name, values in (
            ("principals", wanted.principals),
            ("accounts", wanted.accounts),
            ("regions", wanted.regions),
        )
        if len(values) > 1
    }
    if not several:
        return []
    days = daily_indices(client, settings)
    if days.skipped:
        return []
    found = unknown_values(EventIndex(client, days), **several)
    return [f"{each.message}: {each.hint}" for each in found]
