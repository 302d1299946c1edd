"""`trailhound up`, `trailhound down` and `trailhound status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from trailhound.cli.daemons import (
    show_catch_up,
    show_channels,
    show_daemons,
    show_dead_letters,
    show_failed_objects,
    show_jobs,
    show_late_events,
    show_learning,
    show_reasons,
    show_rules,
    show_tiers,
)
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.namespace_hint import no_such_namespace
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, err, out, safe, say, size, warn
from trailhound.cli.stages import LINE_EVERY, Stage, lines_of

with late_imports():
    from detections.alerts.learning_alerts import LearningAlerts, learning_alerts
    from detections.automation.known_summary import KnownSummary, known_summary
    from detections.kinds.anomaly import TRAINED_WITHIN
    from detections.notify.channel_status import ChannelStatus, channel_statuses
    from trailhound.app.health import Reason, status_reasons
    from trailhound.app.ledger_search import LedgerSearch
    from trailhound.cluster.client import cluster_errors, connect, redact_url
    from trailhound.cluster.templates import Names
    from trailhound.cluster.tiers import read_tiers, unwritable_days
    from trailhound.cluster.waiting import waiting
    from trailhound.engine.artifacts import Progress as Fetching
    from trailhound.engine.local_engine import engine_status, local_engine
    from trailhound.settings import Settings
    from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps
    from trailhound.state.daemons import Daemons
    from trailhound.state.jobs import Jobs
    from trailhound.state.late_events import LateEvents, LateEventsStore
    from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints


def up(config: Config = None) -> None:
    """Start the local OpenSearch and wait until it is ready.

    The first start downloads OpenSearch, about 75 MB. It listens only on this machine's loopback
    address, runs in the background, and keeps its data in the home folder. If it already runs,
    nothing happens.

    Example: `trailhound up`
    """
    start_engine(settings_from(config))


def start_engine(settings: Settings) -> bool:
    """Start the local engine with a bar and a spinner on stderr; `False` if it already ran."""
    engine = local_engine(settings)
    with show_fetching() as progress, err.status("starting OpenSearch …") as spinner:
        spinner.stop()
        started = engine.start(progress, waiting=spinner.start)
    status = engine.status()
    if started:
        say(f"OpenSearch {status.version} is ready at {status.url}, its data in {status.folder}")
    else:
        say(f"OpenSearch {status.version} is already running at {status.url}")
    return started


def down(config: Config = None) -> None:
    """Stop the local OpenSearch. Its data stays.

    Example: `trailhound down`
    """
    engine = local_engine(settings_from(config))
    with err.status("stopping OpenSearch …"):
        stopped = engine.stop()
    said = "stopped" if stopped else "was not running"
    say(f"OpenSearch {said}; its data is in {engine.folder}")


def status(
    url: Url = None, namespace: Namespace = None, config: Config = None, json: Json = False
) -> None:
    """Show the state of the cluster, its events, and the daemons, rules and channels.

    The exit code is 3 if the local OpenSearch is not running or the cluster can't be reached.

    Example: `trailhound status --json`
    """
    settings = settings_from(config, url, namespace)
    report: dict[str, Any] = {}
    found: list[Reason] = []
    rules: list[RuleCheckpoint] = []
    channels: list[ChannelStatus] = []
    catch_up: CatchUp | None = None
    late: LateEvents | None = None
    known: KnownSummary | None = None
    learning: Sequence[LearningAlerts] = ()
    if not settings.cluster.hosts:
        local = engine_status(settings)
        report = {
            "state": local.state,
            "url": local.url,
            "data": str(local.folder),
            "log": str(local.log),
            "process": local.pid,
        }
    if report.get("state", "running") == "running":
        report |= _cluster(settings)
        if not report["events"] and (nothing := _no_namespace(settings)):
            warn(nothing)
        rules, channels, catch_up, late = _detections(settings)
        found = _reasons(settings)
        known = _known(settings)
        learning = _learning(settings)
    if json:
        emit(
            report
            | {
                "rules": [each.as_dict() for each in rules],
                "catch_up": catch_up.as_dict() if catch_up is not None else None,
                "late_events": late.as_dict() if late is not None else None,
                "ready": not found,
                "reasons": [each.as_dict() for each in found],
                "channels": [each.as_dict() for each in channels],
                "known_automation": known.as_dict() if known is not None else None,
                "learning": [each.as_dict() for each in learning],
            }
        )
    else:
        daemons, scheduled = report.pop("daemons", []), report.pop("jobs", [])
        letters, tiers = report.pop("dead_letters", []), report.pop("tiers", None)
        unwritable = report.pop("unwritable_days", 0)
        failed = report.pop("failed_objects", 0)
        for name, value in report.items():
            if value is not None:
                out.print(safe(f"{name:<9}{_for_people(name, value)}"))
        show_tiers(tiers)
        if unwritable and tiers is None:
            say(f"days     {unwritable:,} read-only or closed")
        show_dead_letters(letters)
        show_failed_objects(failed)
        if report["state"] == "running":
            show_daemons(daemons)
            show_reasons(found)
        show_jobs(scheduled)
        show_rules(rules)
        show_learning(scheduled, learning)
        show_catch_up(catch_up)
        show_late_events(late)
        if known is not None:
            say(f"trust    {known.sentence()}")
        show_channels(channels)
    if report["state"] == "stopped":
        if not json:
            say("start it with `trailhound up`")
        raise typer.Exit(ExitCode.CLUSTER)


def _cluster(settings: Settings) -> dict[str, Any]:
    """Version, health, and number and size of the stored events."""
    pattern = f"{settings.prefix}cloudtrail-*"
    with cluster_errors(settings):
        client = connect(settings, timeout=10)
        version = client.info()["version"]["number"]
        health = client.cluster.health()
        stored = client.indices.stats(index=pattern, metric="docs,store", level="cluster")
        daemons, scheduled = Daemons(client, settings).active(), Jobs(client, settings).all()
        letters = waiting(client, Names(settings.prefix))
        failed = LedgerSearch(client, settings).number_failed()
        tiers = read_tiers(client, settings, datetime.now(UTC).date())
        unwritable = unwritable_days(client, settings)
    totals = stored["_all"]["primaries"]
    return {
        "state": "running",
        "url": redact_url(settings.hosts[0]),
        "version": version,
        "health": health["status"],
        "events": totals.get("docs", {}).get("count", 0),
        "bytes": totals.get("store", {}).get("size_in_bytes", 0),
        "dead_letters": [each.as_dict() for each in letters],
        "failed_objects": failed,
        "daemons": [each.as_dict() for each in daemons],
        "jobs": [each.as_dict() for each in scheduled],
        "tiers": tiers.as_dict() if tiers is not None else None,
        "unwritable_days": unwritable,
    }


def _no_namespace(settings: Settings) -> str:
    """A sentence if the namespace has none of Trailhound's indices; otherwise empty."""
    with cluster_errors(settings):
        return no_such_namespace(connect(settings, timeout=10), settings)


def _detections(
    settings: Settings,
) -> tuple[list[RuleCheckpoint], list[ChannelStatus], CatchUp | None, LateEvents | None]:
    """How far each rule has run, the state of each channel, a catch-up in progress, and the events
    that came too late for the rules; empty before `trailhound init`."""
    with cluster_errors(settings):
        client = connect(settings, timeout=10)
        checkpoints = list(RuleCheckpoints(client, settings).read().values())
        catch_up = CatchUps(client, settings).get(SCHEDULED_RULES)
        under_way = catch_up if catch_up is not None and not catch_up.done else None
        late = LateEventsStore(client, settings).get()
        return checkpoints, channel_statuses(client, settings), under_way, late


def _known(settings: Settings) -> KnownSummary:
    """The summary of known automation."""
    with cluster_errors(settings):
        return known_summary(connect(settings, timeout=10), settings, datetime.now(UTC))


def _learning(settings: Settings) -> Sequence[LearningAlerts]:
    """The alerts of the last month that were found while their rules had too little history."""
    with cluster_errors(settings):
        client = connect(settings, timeout=10)
        since = datetime.now(UTC) - timedelta(days=TRAINED_WITHIN)
        return learning_alerts(client, settings.prefix, since)


def _reasons(settings: Settings) -> list[Reason]:
    """The reasons why it is not ready, as `/readyz` gives them."""
    with cluster_errors(settings):
        return status_reasons(connect(settings, timeout=10), settings)


def _for_people(name: str, value: object) -> object:
    if not isinstance(value, int):
        return value
    return {"events": f"{value:,}", "bytes": size(value)}.get(name, value)


@contextmanager
def show_fetching(line_every: float = LINE_EVERY) -> Iterator[Fetching]:
    """The bytes of a download, of all: a bar on a terminal while it runs, lines in a pipe."""
    with ExitStack() as shown:
        yield _bar(shown) if err.is_terminal else _lines(shown, line_every)


def _bar(shown: ExitStack) -> Fetching:
    bar = Progress(
        TextColumn("fetching OpenSearch"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    task = bar.add_task("", total=None)
    shown.callback(bar.stop)

    def report(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if done == 0:
            bar.start()
        if done >= total:
            bar.stop()

    return report


def _lines(shown: ExitStack, line_every: float) -> Fetching:
    stages: list[Stage] = []

    def report(done: int, total: int) -> None:
        if done == 0:
            err.print(f"fetching OpenSearch ({size(total)}) …")
            stages.append(shown.enter_context(lines_of("fetching OpenSearch", "", line_every)))
        stages[0](f"{size(done)} of {size(total)}", 0, 0)

    return report
