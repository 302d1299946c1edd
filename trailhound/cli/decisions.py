"""Options of commands that decide about alerts, incidents or known automation, and how they end."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Annotated

import typer

from detections.alerts.disposition import DISPOSITIONS
from trailhound.cli import completion
from trailhound.cli.alert_selection import disposition
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.screen import warn
from trailhound.errors import UsageError

By = Annotated[
    str | None,
    typer.Option("--by", metavar="WHO", help="Who makes the change. Default: your login name."),
]

As = Annotated[
    str | None,
    typer.Option(
        "--as",
        parser=disposition,
        metavar="WHAT",
        help=f"What the alerts were: {', '.join(DISPOSITIONS)}.",
        autocompletion=completion.dispositions,
    ),
]

Note = Annotated[
    str, typer.Option("--note", metavar="TEXT", help="The reason; stored with the alert.")
]

NoteText = Annotated[
    str, typer.Option("--note", metavar="TEXT", help="The note; stored with the alert.")
]

To = Annotated[
    str | None,
    typer.Option("--to", metavar="WHO", help="The new owner; `nobody` for none. Default: you."),
]


def require_text(note: str) -> str:
    """A note that says something. Raises `UsageError` for an empty one."""
    if not note.strip():
        raise UsageError("the note is empty", hint='give a text: --note "…"')
    return note


def who(by: str | None) -> str:
    """Who acts: as given, else the login name. Raises `UsageError` if there is none."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        raise UsageError("your login name is not known", hint="give your name: --by NAME") from None


def end(left: Mapping[str, str], fault: Exception | None) -> None:
    """Warn of each id in `left`, with its reason, and of `fault`, the error after which the rest
    was not tried. Exits with 1 if anything was not changed."""
    name_unchanged(left)
    if fault is not None:
        warn(f"the rest was not tried: {fault}; run the same command again")
    if left:
        raise typer.Exit(ExitCode.INCOMPLETE)


def rows_of(left: Mapping[str, str]) -> list[dict[str, str]]:
    """The ids that were not changed, as `not_changed` of `--json`."""
    return [{"id": name, "reason": reason} for name, reason in left.items()]


def ambiguous(left: Mapping[str, str]) -> UsageError:
    """The error for ids none of which names one alert or incident."""
    return UsageError(
        "; ".join(f"{name}: {reason}" for name, reason in left.items()),
        hint="give more of the ids",
    )


def name_unchanged(left: Mapping[str, str]) -> None:
    """Warn of each id that was not changed, with the reason."""
    for name, reason in left.items():
        warn(f"{name} was not changed: {reason}")
