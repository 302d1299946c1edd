"""`trailhound aws`: set up and watch the AWS side of a trail."""

from __future__ import annotations

import typer

from trailhound.cli import aws_alarms, aws_check, aws_checklist, aws_logs_query, aws_setup

app = typer.Typer(
    no_args_is_help=True,
    help="The AWS side of a trail: set it up, check it, and its alarms and log groups.",
)
app.command("setup")(aws_setup.setup)
app.command("alarms")(aws_alarms.alarms)
app.command("check")(aws_check.check)
app.command("checklist")(aws_checklist.checklist)
app.command("logs-query")(aws_logs_query.logs_query)


@app.callback()
def _main() -> None:
    """The AWS side of a trail: set it up, check it, and its alarms and log groups."""
