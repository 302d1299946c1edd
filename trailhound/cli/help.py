"""`trailhound help`."""

from __future__ import annotations

from typing import Annotated

import typer


def show_help(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="The command. Default: list all commands."),
    ] = None,
) -> None:
    """Show the help of a command.

    Example: `trailhound help alerts list`
    """
    root = context.find_root()
    root.command.main(
        args=[*(command or []), "--help"], prog_name=root.info_name, standalone_mode=False
    )
