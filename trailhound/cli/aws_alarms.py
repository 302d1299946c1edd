"""`trailhound aws alarms`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from trailhound.cli.aws_changes import (
    LISTING,
    applied_text,
    planned_text,
    show_changes,
    show_written,
)
from trailhound.cli.aws_options import Name, Region, account_of
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of, is_table, note
from trailhound.cli.options import Config, Json
from trailhound.cli.screen import plural, safe, say, sentence
from trailhound.errors import UsageError

with late_imports():
    from trailhound.aws.alarm_catalogue import ALARMS, EVERY_ALARM
    from trailhound.aws.alarms import AlarmFinding, Alarms
    from trailhound.aws.names import TrailSetup
    from trailhound.aws.parts import applied, planned
    from trailhound.aws.trail_setup import Trail


FINDINGS = Listing[AlarmFinding](
    "findings",
    (
        Column("verdict", lambda each: each.verdict, "verdict", ColumnType.ENTIRE),
        Column("name", lambda each: each.name, "of", whole=True),
        Column("detail", lambda each: each.detail, "detail", whole=True),
    ),
    lambda each: each.as_dict(),
)


def alarms(
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change (default).")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Make the changes.")] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Compare with what exists, and have AWS test each pattern on sample events.",
        ),
    ] = False,
    name: Name = "trailhound",
    log_group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The trail's log group. Default: that of the set-up."),
    ] = None,
    topic: Annotated[
        str | None,
        typer.Option(
            metavar="ARN", help="The SNS topic that alarms go to. Default: that of the set-up."
        ),
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Also change existing alarms that lack this set-up's tag."),
    ] = False,
    cis: Annotated[
        bool,
        typer.Option("--cis", help="Add the other alarms that the CIS benchmark asks for."),
    ] = False,
    region: Region = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Set up twelve CloudWatch alarms on the trail's log group, and three further metrics.

    Exits with 1 if `--check` finds a fault or lacks a permission.

    Examples: `trailhound aws alarms --plan`, `trailhound aws alarms --check --json`
    """
    form = form_of(output, json)
    if plan + apply + check > 1:
        raise UsageError("--plan, --apply and --check exclude each other", hint="give one of them")
    account = account_of(config, region)
    trail = Trail.of(account, TrailSetup(account="", region="", name=name))
    wanted = Alarms(
        account=account,
        setup=trail.setup,
        log_group=log_group or trail.setup.log_group,
        topic_arn=topic or trail.setup.alarm_topic_arn,
        adopt=adopt,
        cis=cis,
    )
    people = is_table(form)
    if check:
        findings = list(wanted.checked())
        FINDINGS.show(findings, form)
        failed = sum(each.verdict == "failed" for each in findings)
        unknown = sum(each.verdict == "unknown" for each in findings)
        note(plural(failed, "fault") + (f", {unknown:,} unknown" if unknown else ""), form)
        if failed or unknown:
            raise typer.Exit(ExitCode.INCOMPLETE)
        return
    changes = planned(wanted.parts())
    note(planned_text(changes, apply=apply), form)
    if people:
        show_changes(changes)
        show_differences()
    if apply:
        applied(changes, show_written)
    if not people:
        differences = {each.name: each.differs for each in ALARMS if each.differs}
        LISTING.show(
            changes, form, beside={"differences": differences, "every_alarm": list(EVERY_ALARM)}
        )
    if apply:
        note(applied_text(changes), form)


def show_differences() -> None:
    """Print where the pattern of an alarm can't match exactly what its rule does."""
    say("")
    say("where an alarm differs from the rule of its name:")
    for each in ALARMS:
        for text in each.differs:
            sentence(Text(f"  {each.name}: ", style="bold") + safe(text), 4)
    for text in EVERY_ALARM:
        sentence(Text("  all: ", style="bold") + safe(text), 4)
