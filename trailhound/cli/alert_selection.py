"""The options that select alerts, of several commands, and the query that they make."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, cast

import typer

from detections.alerts.disposition import DISPOSITIONS, Disposition
from detections.rule import Level
from trailhound.cli import completion, dates
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import warn

with late_imports():
    from detections.alerts.query_fields import alert_field_fault
    from detections.alerts.store import AlertQuery
    from detections.events.query_fields import unknown_fields


WHICH = "Which alerts"


class AlertState(StrEnum):
    """What `--state` takes."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    ALL = "all"


def disposition(text: str) -> Disposition:
    """Parses a disposition, for `typer.Option(parser=disposition)`.

    >>> disposition("False_Positive")
    'false-positive'
    """
    name = text.strip().lower().replace("_", "-").replace(" ", "-")
    if name not in DISPOSITIONS:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(DISPOSITIONS)}")
    return name


AtLevel = Annotated[
    Level, typer.Option("--level", help="This level and above.", rich_help_panel=WHICH)
]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        parser=dates.time,
        metavar=dates.METAVAR,
        help="Last seen at or after this time: 7d (before now), 2025-03-01, an ISO instant.",
        rich_help_panel=WHICH,
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--until",
        parser=dates.time,
        metavar=dates.METAVAR,
        help="First seen before this time; a date includes that day.",
        rich_help_panel=WHICH,
    ),
]
OfRule = Annotated[
    str | None,
    typer.Option(
        "--rule",
        metavar="RULE",
        help="The rule's id or title.",
        rich_help_panel=WHICH,
        autocompletion=completion.rule_titles,
    ),
]
OfPrincipal = Annotated[
    str | None,
    typer.Option(
        "--principal",
        metavar="NAME",
        help="Who acted, or opened the session: a name or ARN; of a role for all of its sessions.",
        rich_help_panel=WHICH,
    ),
]
OfAccount = Annotated[
    str | None,
    typer.Option(
        "--account",
        metavar="ID",
        help="The account of an event, or of the folder it came from.",
        rich_help_panel=WHICH,
    ),
]
OfTactic = Annotated[
    str | None,
    typer.Option(
        "--tactic",
        metavar="TACTIC",
        help="An ATT&CK tactic, such as `persistence`.",
        rich_help_panel=WHICH,
    ),
]
OfAssignee = Annotated[
    str | None,
    typer.Option(
        "--assignee",
        metavar="WHO",
        help="Assigned to this person; `nobody` for unassigned alerts.",
        rich_help_panel=WHICH,
    ),
]
OfDisposition = Annotated[
    str | None,
    typer.Option(
        "--disposition",
        parser=disposition,
        metavar="WHAT",
        help=f"Closed as {', '.join(DISPOSITIONS)}.",
        autocompletion=completion.dispositions,
        rich_help_panel=WHICH,
    ),
]
OfIncident = Annotated[
    str | None,
    typer.Option(
        "--incident",
        metavar="ID",
        help="The alerts of one incident.",
        rich_help_panel=WHICH,
        autocompletion=completion.incident_ids,
    ),
]
Query = Annotated[
    str | None,
    typer.Option(
        "--query",
        metavar="LUCENE",
        help="Lucene query over the fields of alerts, such as `calls.name:PutKeyPolicy`.",
        rich_help_panel=WHICH,
    ),
]
InState = Annotated[
    list[AlertState] | None,
    typer.Option(
        "--state",
        help="open, acknowledged, closed or all. May be repeated.",
        rich_help_panel=WHICH,
    ),
]


def alert_query(
    states: Sequence[AlertState],
    *,
    level: Level,
    since: datetime | None,
    until: datetime | None,
    rule: str | None,
    principal: str | None,
    account: str | None,
    tactic: str | None,
    assignee: str | None,
    text: str | None,
    disposition: str | None = None,
) -> AlertQuery:
    """The query that the options make; a field of `text` that no alert has is named in a warning.
    Raises `UsageError` if `since` is not before `until`."""
    dates.check_order(since, until)
    for sentence in unknown_fields(text or "", alert_field_fault):
        warn(sentence)
    return AlertQuery(
        states=() if AlertState.ALL in states else tuple(states),
        level=level,
        since=since,
        rule=rule,
        principal=principal,
        until=dates.end_of(until) if until is not None else None,
        account=account,
        tactic=tactic,
        assignee=assignee,
        disposition=cast("Disposition | None", disposition),
        text=text,
    )
