"""Asking before something is changed, or costs money."""

from __future__ import annotations

import sys

import typer

from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.screen import warn
from trailhound.errors import UsageError


def agree(question: str, refusal: str, hint: str, *, left: str = "nothing was changed") -> None:
    """Ask at the terminal; whoever says no ends the command with 1, told what was `left`.

    Raises `UsageError` with `refusal` and `hint` where nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{refusal}, and nobody can be asked", hint=hint)
    if not typer.confirm(question, err=True):
        warn(left)
        raise typer.Exit(ExitCode.INCOMPLETE)
