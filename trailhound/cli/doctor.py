"""`trailhound doctor`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, Output, form_of
from trailhound.cli.named_commands import with_flags
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import safe, sentence

with late_imports():
    from trailhound.app.doctor.check import Check, CheckVerdict
    from trailhound.app.doctor.diagnosis import diagnose
    from trailhound.cluster.client import connect


_MARKS: dict[CheckVerdict, Text] = {
    "ok": Text("ok     ", style="green"),
    "warning": Text("warning", style="yellow"),
    "failed": Text("failed ", style="bold red"),
}


LISTING = Listing[Check](
    "findings",
    (
        Column("verdict", lambda each: each.verdict, "verdict", ColumnType.ENTIRE),
        Column("what", lambda each: each.what, "what", ColumnType.ENTIRE),
        Column("fact", lambda each: with_flags(each.fact), "fact", whole=True),
        Column("advice", lambda each: with_flags(each.advice), "try", whole=True),
    ),
    lambda each: {
        "what": each.what,
        "verdict": each.verdict,
        "fact": with_flags(each.fact),
        "advice": with_flags(each.advice),
    },
)


def doctor(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="Also check that this source can be read."),
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Check the cluster, templates, disk, clocks, daemons, GeoIP, threat lists, settings, the
    sources of `run.sources`, rules, channels and spool; with SOURCE also that it can be read, and
    as whom in AWS.

    Examples: `trailhound doctor`, `trailhound doctor s3://my-trail-bucket`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    findings: list[Check] = []
    for finding in diagnose(connect(settings), settings, source):
        findings.append(finding)
        if form is Form.TABLE:  # a check can take seconds: each is shown as it ends
            _show(finding)
    if form is not Form.TABLE:
        LISTING.show(findings, form)
    failed = [finding for finding in findings if finding.verdict == "failed"]
    if failed:
        raise typer.Exit(ExitCode.CLUSTER if failed[0].what == "cluster" else ExitCode.INCOMPLETE)


def _show(finding: Check) -> None:
    what = Text(f"  {finding.what}: ", style="bold")
    sentence(_MARKS[finding.verdict] + what + safe(with_flags(finding.fact)), 9)
    if finding.advice:
        sentence(Text("          try: ", style="cyan") + safe(with_flags(finding.advice)), 15)
