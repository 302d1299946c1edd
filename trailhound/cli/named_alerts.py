"""The alerts that a command changes: those of the ids it was given, or all that options select."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import typer

from trailhound.cli import completion
from trailhound.cli.alert_selection import (
    AtLevel,
    InState,
    OfAccount,
    OfAssignee,
    OfPrincipal,
    OfRule,
    OfTactic,
    Query,
    Since,
    State,
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


def selects_alerts(*states: State) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that adds the options that name alerts to a command, which gets their values as
    the argument `selected`.

    `states`: the states that `--all` selects where `--state` is not given.
    """

    def selecting(
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
        query: Query = None,
    ) -> SelectedAlerts:
        given = (since, until, rule, principal, account, tactic, assignee, query)
        narrows = bool(state) or level != "informational" or any(given)
        if everything and ids:
            raise UsageError("--all and ids were given", hint="give one of them")
        if not everything and narrows:
            raise UsageError(
                "options that select alerts need --all", hint="add --all, or give ids alone"
            )
        if not everything and not ids:
            raise UsageError(
                "no alert was named", hint="give ids, or --all with --rule, --principal, …"
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
        )
        return SelectedAlerts((), wanted, yes, alone)

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        options = inspect.signature(selecting, eval_str=True).parameters
        own = inspect.signature(command, eval_str=True).parameters

        @wraps(command)
        def wrapped(**given: Any) -> None:
            chosen = {name: given.pop(name) for name in options}
            command(selected=selecting(**chosen), **given)

        parameters = [
            *options.values(),
            *(each for each in own.values() if each.name != "selected"),
        ]
        # Keyword-only, as typer calls it: parameters without a default may then follow others.
        keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        wrapped.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {}
        return wrapped

    return decorated
