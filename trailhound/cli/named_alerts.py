"""The alerts that a command changes: those of the ids it was given, or all that options select."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from trailhound.cli import completion
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
from trailhound.cli.late_imports import late_imports
from trailhound.errors import UsageError

with late_imports():
    from detections.alerts.store import AlertQuery


Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ID…",
        help="From `trailhound alerts list`; a unique prefix is enough.",
        autocompletion=completion.alert_ids,
    ),
]

All = Annotated[
    bool,
    typer.Option("--all", help="Change all alerts that the options below select, instead of ids."),
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="With `--all`: don't ask.")]

Alone = Annotated[
    bool,
    typer.Option(
        "--alone", help="Don't change twins: alerts of other rules about the same events."
    ),
]


@dataclass(frozen=True, slots=True)
class SelectedAlerts:
    """The alerts that a command line names: by their ids, or all that match a query."""

    ids: tuple[str, ...]
    query: AlertQuery | None
    yes: bool = False
    alone: bool = False
    """Their twins (alerts of other rules about the same events) are left unchanged."""
    incident: str | None = None
    """The id, or a prefix of it, of the incident whose alerts alone the query selects."""


def alert_selector(*states: AlertState) -> Callable[..., SelectedAlerts]:
    """A function whose parameters are the options that name alerts.

    `states`: the states that `--all` selects where `--state` is not given.
    """

    def select(
        ids: Ids = None,
        everything: All = False,
        yes: Yes = False,
        alone: Alone = False,
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
        incident: OfIncident = None,
        query: Query = None,
    ) -> SelectedAlerts:
        given = (since, until, rule, principal, account, tactic, assignee, disposition, query)
        narrows = bool(state) or level != "informational" or any((*given, incident))
        if everything and ids:
            raise UsageError("--all and ids were given", hint="give one of them")
        if not everything and narrows:
            raise UsageError(
                "options that select alerts need --all", hint="add --all, or give ids alone"
            )
        if not everything and not ids:
            raise UsageError(
                "no alert was named",
                hint="give ids, or --all with --incident, --rule, --principal, …",
            )
        if not everything:
            return SelectedAlerts(tuple(dict.fromkeys(ids or ())), None, yes, alone)
        wanted = alert_query(
            state or states,
            level=level,
            since=since,
            until=until,
            rule=rule,
            principal=principal,
            account=account,
            tactic=tactic,
            assignee=assignee,
            text=query,
            disposition=disposition,
        )
        return SelectedAlerts((), wanted, yes, alone, incident)

    return select
