"""`trailhound notify`."""

from __future__ import annotations

from typing import Annotated

import typer

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of
from trailhound.cli.options import Config, Json, settings_from
from trailhound.cli.screen import fail, say, warn

with late_imports():
    from detections.notify.trial import ChannelTest
    from trailhound.app.detection import notifying
    from trailhound.errors import TrailhoundError


app = typer.Typer(no_args_is_help=True, help="Channels that alerts are sent to.")


LISTING = Listing[ChannelTest](
    "channels",
    (
        Column("channel", lambda each: each.channel, "channel"),
        Column("kind", lambda each: each.kind, "kind", ColumnType.ENTIRE),
        Column("delivered", lambda each: "yes" if each.error is None else "no", "delivered"),
        Column("error", lambda each: each.error and each.error.message, "error", whole=True),
    ),
    lambda each: (
        {"channel": each.channel, "kind": each.kind, "delivered": each.error is None}
        | ({"error": each.error.message} if each.error else {})
    ),
)


@app.callback()
def _main() -> None:
    """Channels that alerts are sent to."""


@app.command("test")
def send_test(
    channel: Annotated[
        str | None,
        typer.Argument(
            metavar="[CHANNEL]", help="The channel's name, or `heartbeat`. Default: all."
        ),
    ] = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Send a test message, and show whether it was delivered. Calls `notify.heartbeat` too.

    Example: `trailhound notify test slack`
    """
    form = form_of(output, json)
    settings = settings_from(config)
    tried = notifying.send_tests(settings, channel)
    if form is not Form.TABLE:
        LISTING.show(tried, form)
    else:
        for each in tried:
            if each.error is None:
                say(f"{each.channel}: delivered")
            else:
                fail(each.error)
    try:
        notifying.record(settings, tried)
    except TrailhoundError as error:
        warn(f"not recorded, so `trailhound status` does not know of it: {error.message}")
    if any(each.error for each in tried):
        raise typer.Exit(ExitCode.INCOMPLETE)
