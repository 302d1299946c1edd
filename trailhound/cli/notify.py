"""`trailhound notify`."""

from __future__ import annotations

from typing import Annotated

import typer

from trailhound.app import notifying
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.options import Config, Json, settings_from
from trailhound.cli.screen import emit, fail, say

app = typer.Typer(no_args_is_help=True, help="Channels that alerts are sent to.")


@app.callback()
def _main() -> None:
    """Channels that alerts are sent to."""


@app.command("test")
def send_test(
    channel: Annotated[
        str | None,
        typer.Argument(metavar="[CHANNEL]", help="The channel's name. Default: all channels."),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Send a test message, and show whether it was delivered.

    Example: `trailhound notify test slack`
    """
    tried = notifying.tried(settings_from(config), channel)
    if json:
        rows = [
            {"channel": each.channel, "kind": each.kind, "delivered": each.error is None}
            | ({"error": each.error.message} if each.error else {})
            for each in tried
        ]
        emit({"channels": rows})
    else:
        for each in tried:
            if each.error is None:
                say(f"{each.channel}: delivered")
            else:
                fail(each.error)
    if any(each.error for each in tried):
        raise typer.Exit(ExitCode.INCOMPLETE)
