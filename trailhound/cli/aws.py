"""`trailhound aws`: set up, watch and check the AWS side of a trail."""

from __future__ import annotations

import typer

from trailhound.cli import aws_setup

app = typer.Typer(no_args_is_help=True, help="The AWS side of a trail: set it up, with its queue.")
app.command("setup")(aws_setup.setup)


@app.callback()
def _main() -> None:
    """The AWS side of a trail: set it up, with its queue."""
