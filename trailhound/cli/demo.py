"""`trailhound demo`: writes a sample trail, ingests it, runs the rules, writes a report."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli.backfill_report import CutOff, show_report
from trailhound.cli.backfill_run import run_backfill
from trailhound.cli.engine import start_engine
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.history_run import run_history, show_history
from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import history_span_of, settings_from
from trailhound.cli.screen import out, plural, safe, say, size, table
from trailhound.cli.stopping import stopped

with late_imports():
    from opensearchpy import OpenSearch

    from detections.alerts.store import AlertQuery
    from detections.incidents.store import IncidentStore
    from detections.packs.pack import Pack
    from ingest.backfill.request import BackfillRequest
    from trailhound.app.detection.detection import History, rules_in_force
    from trailhound.app.search.index_summary import Summary, summarize
    from trailhound.cluster import templates
    from trailhound.cluster.client import connect
    from trailhound.cluster.refusals import cluster_errors
    from trailhound.report import files
    from trailhound.report.collect.compose import compose
    from trailhound.report.collect.query import ReportWindow
    from trailhound.sample import SampleSpec, write_sample
    from trailhound.sample.write import LABELS, companion_path
    from trailhound.settings import Settings
    from trailhound.state.setup import init_namespace


NAMESPACE = "demo"
"""Keeps the sample apart from your own events."""


def demo(
    events: Annotated[
        int, typer.Option(min=1_000, help="Number of events in the sample.")
    ] = 50_000,
    force: Annotated[
        bool, typer.Option("--force", help="Read the files again: every event is a duplicate.")
    ] = False,
) -> None:
    """Start the local engine, backfill a sample trail, run the rules over it, write a report.

    A second run skips all objects as already ingested, and raises no new alert.

    Example: `trailhound demo`
    """
    settings = settings_from(namespace=NAMESPACE)
    start_engine(settings)
    trail = settings.home / f"demo-trail-{events}"
    _write_trail(trail, events)
    with cluster_errors(settings.hosts[0]):
        client = connect(settings)
        init_namespace(client, settings)
        with CutOff(settings) as cut_off:
            report = run_backfill(settings, BackfillRequest((str(trail),), force=force), cut_off)
        out.heading("backfill")
        show_report(report, cut_off.left(report))
        if stopped():
            raise typer.Exit(ExitCode.INCOMPLETE)
        show_summary(summarize(client, settings.prefix))
        pack = rules_in_force(settings)
        out.heading("detections")
        detect_all(client, settings, pack)
        if stopped():
            raise typer.Exit(ExitCode.INCOMPLETE)
        page = settings.home / "demo-report.html"
        write_report(client, settings, pack, page)
        found = IncidentStore(client, settings).find(AlertQuery(states=("open",)))
    _say_where(settings, trail, page, found[0]["id"] if found else "")
    if not report.complete:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _write_trail(trail: Path, events: int) -> None:
    """Write the sample, unless an earlier run wrote it completely."""
    if trail.exists():
        say(f"the sample trail is in {trail}")
        return
    unfinished = trail.with_name(trail.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    spec = SampleSpec(events=events)
    # The seven days before today: dashboards open on the last seven days.
    first = datetime.now(UTC).date() - timedelta(days=spec.days)
    made = write_sample(unfinished, replace(spec, start=first))
    unfinished.rename(trail)
    say(
        f"wrote a sample trail: {plural(made.events, 'event')} in {plural(made.files, 'file')} "
        f"({size(made.bytes)}), with {plural(len(made.attacks), 'attack')}: {trail}"
    )


def show_summary(found: Summary) -> None:
    """Print what the index holds."""
    out.heading("in the index")
    say(
        f"{plural(found.events, 'event')} on {plural(found.days, 'day')}, "
        f"{found.high_risk:,} of them with a risk score of 8 or more"
    )
    rows = [(row.risk, row.events, row.what) for row in found.top_risks]
    out.print(table(["#risk", "#events", "top risks"], rows))
    out.print(
        table(
            ["#events", "top source countries"], [(r.events, r.what) for r in found.top_countries]
        )
    )


def detect_all(client: OpenSearch, settings: Settings, pack: Pack) -> None:
    """Run the rules over all events of the index."""
    history = History(client, settings, pack, history_span_of(None, None))
    show_history(pack, run_history(history), history, history.left_out())


def write_report(client: OpenSearch, settings: Settings, pack: Pack, page: Path) -> None:
    """Write the report on all events of the index."""
    files.check([page], settings)
    files.write(compose(client, settings, ReportWindow(), rules=pack.rules), [page], settings)


def _say_where(settings: Settings, trail: Path, page: Path, incident: str) -> None:
    names = templates.Names(settings.prefix)
    url = settings.hosts[0]
    out.heading("next")
    say(f"the data is in {settings.home / 'engine'}, and searchable at {url}/{names.alias}")
    say(f"the attacks in the sample are listed in {companion_path(trail, LABELS)}")
    for line in next_commands(_command(), settings.namespace, f"{url}/{names.alias}", incident):
        out.print(safe(f"  {line}"))  # never folded: it is copied
    say(f"the report (open it in a browser) is {page}")


def next_commands(command: str, namespace: str, index: str, incident: str) -> list[str]:
    """The commands to go on with, each a line of a shell; `index` is the address of the events,
    `incident` the id of the most severe incident, empty if there is none.

    >>> next_commands("trailhound", "demo", "http://127.0.0.1:9210/demo-cloudtrail", "")[0]
    'trailhound status --namespace demo'
    """
    return [
        f"{command} status --namespace {namespace}",
        f"{command} incidents list --namespace {namespace}",
        *([f"{command} incidents show {incident[:8]} --namespace {namespace}"] if incident else []),
        f"{command} alerts list --namespace {namespace} --level high",
        f"curl '{index}/_search?q=risk_score:%3E=9&size=1&pretty'",
        f"{command} dashboards import --namespace {namespace}",
        "# your own events, apart from the demo's:",
        # The shell may have the demo's namespace by then, as the README's first steps set it.
        f"{command} init --namespace ''",
        f"{command} backfill s3://YOUR-TRAIL-BUCKET --limit 100 --namespace ''",
    ]


def _command() -> str:
    """How to call this Trailhound: by name, or by path if it is not on PATH."""
    if shutil.which("trailhound"):
        return "trailhound"
    own = Path(sys.argv[0])
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)
