"""Asking before something is changed, or costs money."""

from __future__ import annotations

import sys

import typer

from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.screen import warn
from trailhound.errors import UsageError


def agree(question: str, refusal: str, hint: str, *, left: str = "nothing was changed") -> None:
    """Ask at the terminal. A no prints what was `left` undone and ends the command with 1.

    Raises `UsageError` with `refusal` and `hint` if stdin is not a terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{refusal}, and nobody can be asked", hint=hint)
    if not typer.confirm(question, err=True):
        warn(left)
        raise typer.Exit(ExitCode.INCOMPLETE)
