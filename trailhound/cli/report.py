"""`trailhound report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli import dates
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Accounts, Config, Namespace, Since, Until, Url, settings_from
from trailhound.cli.screen import plural, say, warn
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError

with late_imports():
    from opensearchpy import OpenSearch

    from detections.events.daily_indices import daily_indices
    from detections.events.index import EventIndex
    from detections.investigation.absent import unknown_values
    from detections.packs.loading import load
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.posture import read_posture
    from trailhound.report import files
    from trailhound.report.collect.compose import compose
    from trailhound.report.collect.gaps import (
        CLOSED_DAYS,
        MISSING_ACCOUNTS,
        NO_EVENTS,
        UNREADABLE_EVENTS,
    )
    from trailhound.report.collect.query import ReportWindow
    from trailhound.report.compliance import framework
    from trailhound.report.mail import send_report
    from trailhound.settings import Settings


def report(
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A file ending in .html, .json or .pdf; may be repeated. Default: report.html",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    account: Accounts = None,
    compliance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Add a section on cis, pci, soc2 or nist; may be repeated."
        ),
    ] = None,
    posture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Add a section on how the accounts are logged, from what `trailhound aws check "
            "--json` wrote.",
        ),
    ] = None,
    mail: Annotated[
        bool,
        typer.Option(
            "--mail", help="Mail the report now, by the settings `report.mail`; write no file."
        ),
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
) -> None:
    """Write a report of the events and alerts in the index, as HTML, JSON or PDF.

    The HTML file needs no network and no other file. PDF is printed by Chromium on this
    machine; JSON follows docs/report.schema.json. Progress is on stderr: a bar on a terminal, a
    line every 10 s in a pipe. Exits with 1 if a day of its time is closed, if events of an incident
    are gone, or if there is none of an account.

    Examples:

    `trailhound report --since 2025-03-01 --until 2025-03-07 -o week.html -o week.json`

    `trailhound report --account 111122223333 --compliance cis -o cis.pdf`

    `trailhound report --posture posture.json`
    """
    dates.check_order(since, until)
    settings = settings_from(config, url, namespace)
    paths = output or ([] if mail else [Path("report.html")])
    window = ReportWindow(
        dates.start_of(since) if since else None,
        dates.end_of(until) if until else None,
        tuple(account or ()),
    )
    known = read_posture(posture) if posture else None
    for name in compliance or ():
        framework(name)
    files.check(paths, settings)
    with show_stages("report") as stage:
        with cluster_errors(settings):
            client = connect(settings)
            _check_accounts(client, settings, window.accounts)
            made = compose(
                client,
                settings,
                window,
                rules=load(settings.detections).rules,
                frameworks=compliance or (),
                posture=known,
                progress=stage,
            )
        stage(f"writing {plural(len(paths), 'file')}", 0, 0)
        files.write(made, paths, settings)
    refused: tuple[str, ...] = ()
    for path in paths:
        say(f"the report is in {path}")
    if mail:
        refused = send_report(made, settings.report.mail)
        say(f"the report was sent to {', '.join(settings.report.mail.to)}")
        for address in refused:
            warn(f"the mail server refused {address}")
    incomplete = (MISSING_ACCOUNTS, CLOSED_DAYS, UNREADABLE_EVENTS)
    missing = [gap for gap in made.gaps if gap.title in incomplete]
    for gap in (*missing, *(gap for gap in made.gaps if gap.title == NO_EVENTS)):
        warn(gap.detail)
    if missing or (mail and refused):
        raise typer.Exit(ExitCode.INCOMPLETE)


def _check_accounts(client: OpenSearch, settings: Settings, accounts: Sequence[str]) -> None:
    """Raises `UsageError` if there are events, of any time, and none is of one of the
    accounts. Where one is, the others are a gap of the report."""
    if not accounts:
        return
    days = daily_indices(client, settings)
    if days.skipped:
        return
    index = EventIndex(client, days)
    unknown = list(unknown_values(index, accounts=accounts))
    if len(unknown) == len(accounts) and index.count({"match_all": {}}):
        raise UsageError("; ".join(each.message for each in unknown), hint=unknown[0].hint)
