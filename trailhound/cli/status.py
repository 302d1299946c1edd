"""`trailhound status`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from trailhound.cli.daemons import (
    show_backfills,
    show_catch_up,
    show_channels,
    show_daemons,
    show_dead_letters,
    show_failed_objects,
    show_jobs,
    show_late_events,
    show_learning,
    show_past_retention,
    show_reasons,
    show_removed_days,
    show_rules,
    show_templates,
    show_tiers,
)
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.namespace_hint import require_namespace
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import emit, out, safe, say, size

with late_imports():
    from opensearchpy import OpenSearch
    from opensearchpy.exceptions import AuthorizationException

    from detections.alerts.learning_alerts import LearningAlerts, learning_alerts
    from detections.automation.known_summary import KnownSummary, known_summary
    from detections.kinds.anomaly import TRAINED_WITHIN
    from detections.notify.channel_status import ChannelStatus, channel_statuses
    from trailhound.app.backfill.left_over import LeftByBackfills, left_by_backfills
    from trailhound.app.doctor.template_checks import index_templates
    from trailhound.app.health.local_daemon import ask_daemon
    from trailhound.app.health.readiness import Readiness
    from trailhound.app.health.reasons import readiness
    from trailhound.app.health.shared_state import read_shared
    from trailhound.app.search.ledger import LedgerSearch
    from trailhound.cluster.client import connect
    from trailhound.cluster.clock import earlier_now, seconds_ahead
    from trailhound.cluster.dialect import dialect_of
    from trailhound.cluster.past_retention import read_past_retention
    from trailhound.cluster.refusals import cluster_errors, redact_url
    from trailhound.cluster.templates import Names
    from trailhound.cluster.tiers import read_tiers, unwritable_days
    from trailhound.cluster.waiting import dismissed, waiting
    from trailhound.engine.local_engine import engine_status
    from trailhound.errors import ClusterUnreachableError, TrailhoundError
    from trailhound.settings import Settings
    from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps
    from trailhound.state.daemons import Daemons
    from trailhound.state.jobs import Jobs
    from trailhound.state.late_events import LateEvents, LateEventsStore
    from trailhound.state.removed_days import RemovedDaysStore
    from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints

_UNVERIFIED = (
    "no file was verified by CloudTrail's digests: `trailhound verify SOURCE --record`, `backfill "
    "--verify`, or `integrity.every` for a daemon"
)
_SECONDS = 10
"""For which one of its requests waits: somebody waits for the whole of it."""


def status(
    url: Url = None, namespace: Namespace = None, config: Config = None, json: Json = False
) -> None:
    """Show the state of the cluster, its events, and the daemons, rules and channels.

    The exit code is 3 if the local OpenSearch is not running or the cluster can't be reached, and 2
    if there is no such namespace. `ready` of `--json` is then false; it may be false with exit code
    0 too.

    Example: `trailhound status --json`
    """
    settings = settings_from(config, url, namespace)
    engine: dict[str, Any] = {} if settings.cluster.hosts else _local_engine(settings)
    if engine.get("state", "running") != "running":
        _without_engine(engine, settings, json=json)
        raise typer.Exit(ExitCode.CLUSTER)
    try:
        with cluster_errors(settings):
            client = connect(settings, timeout=_SECONDS)
            engine |= _server(client, settings)
            report = engine | _cluster(client, settings)
            if not report["events"]:
                require_namespace(client, settings)
            detections = _detections(client, settings)
        if not report["daemons"] and (local := ask_daemon(settings)).runs:
            report["local_daemon"] = local.as_dict()
            joined = detections.readiness.joined(local.reasons)
            detections = replace(detections, readiness=joined)
    except TrailhoundError as error:
        _without_answer(error, engine, settings, json=json)
        raise
    if json:
        emit(report | detections.as_dict())
    else:
        _show(report, detections)


def _without_engine(engine: dict[str, Any], settings: Settings, *, json: bool) -> None:
    """Show that the local engine is stopped or still starting, and what is known all the same."""
    state = engine["state"]
    state_text = "is not running" if state == "stopped" else "is starting"
    local = ask_daemon(settings)
    readiness = Readiness.not_known(
        ClusterUnreachableError(
            f"the local OpenSearch {state_text}: nothing can be read or written",
            hint="start it with `trailhound up`, or set cluster.hosts",
        )
    ).joined(local.reasons)
    if json:
        emit(engine | _Detections(readiness).as_dict() | {"local_daemon": local.as_dict()})
        return
    _show_values(engine)
    show_reasons(readiness.reasons)
    say(f"daemon   {local.message}", 9)
    say("start it with `trailhound up`" if state == "stopped" else "run this again soon")


def _without_answer(
    error: TrailhoundError, engine: dict[str, Any], settings: Settings, *, json: bool
) -> None:
    """Show what is known where the cluster does not answer, refuses, or has no such namespace; add
    it to the object that programs get of the error."""
    local = ask_daemon(settings)
    readiness = Readiness.not_known(error).joined(local.reasons)
    error.known = engine | readiness.as_dict() | {"local_daemon": local.as_dict()}
    if not json:
        _show_values(engine)
        show_reasons(readiness.reasons)
        say(f"daemon   {local.message}", 9)


@dataclass(frozen=True, slots=True)
class _Detections:
    """Whether it is ready, how far each rule has run, a catch-up in progress, the events that came
    too late for the rules, what backfills left that did not end, the state of each channel, known
    automation, and the alerts of the last month that were found while their rules had too little
    history."""

    readiness: Readiness
    rules: tuple[RuleCheckpoint, ...] = ()
    catch_up: CatchUp | None = None
    late: LateEvents | None = None
    left: LeftByBackfills | None = None
    channels: tuple[ChannelStatus, ...] = ()
    known: KnownSummary | None = None
    learning: tuple[LearningAlerts, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "rules": [each.as_dict() for each in self.rules],
            "catch_up": self.catch_up.as_dict() if self.catch_up is not None else None,
            "late_events": self.late.as_dict() if self.late is not None else None,
            "unfinished_backfills": self.left.as_dict() if self.left is not None else None,
            **self.readiness.as_dict(),
            "channels": [each.as_dict() for each in self.channels],
            "known_automation": self.known.as_dict() if self.known is not None else None,
            "learning": [each.as_dict() for each in self.learning],
        }


def _local_engine(settings: Settings) -> dict[str, Any]:
    """Whether the local engine runs, and where it is."""
    local = engine_status(settings)
    return {
        "state": local.state,
        "url": local.url,
        "data": str(local.folder),
        "log": str(local.log),
        "process": local.pid,
    }


def _server(client: OpenSearch, settings: Settings) -> dict[str, Any]:
    """Address, product and version of a cluster that answers."""
    version = client.info()["version"]["number"]
    return {
        "state": "running",
        "url": redact_url(settings.hosts[0]),
        "product": dialect_of(client).product,
        "version": version,
    }


def _cluster(client: OpenSearch, settings: Settings) -> dict[str, Any]:
    """Health of the cluster, number and size of the stored events, and what is there of
    daemons, jobs, dead letters and tiers."""
    names = Names(settings.prefix)
    health = client.cluster.health()
    stored = client.indices.stats(index=names.days, metric="docs,store", level="cluster")
    now = earlier_now(seconds_ahead(client))
    daemons, scheduled = Daemons(client, settings).active(now), Jobs(client, settings).all()
    letters = waiting(client, names)
    ledger = LedgerSearch(client, settings)
    today = datetime.now(UTC).date()
    tiers = read_tiers(client, settings, today)
    past = read_past_retention(client, settings, today)
    totals = stored["_all"]["primaries"]
    return {
        "health": health["status"],
        "events": totals.get("docs", {}).get("count", 0),
        "bytes": totals.get("store", {}).get("size_in_bytes", 0),
        "dead_letters": [each.as_dict() for each in letters],
        "dismissed_dead_letters": dismissed(client, names),
        "failed_objects": ledger.number_failed(),
        "gone_objects": ledger.number_gone(),
        "verified_objects": ledger.number_verified(),
        "daemons": [each.as_dict() for each in daemons],
        "jobs": [each.as_dict() for each in scheduled],
        "tiers": tiers.as_dict() if tiers is not None else None,
        "past_retention": past.as_dict() if past is not None else None,
        "removed_days": RemovedDaysStore(client, settings).get().as_list(),
        "unwritable_days": unwritable_days(client, settings),
        "templates": _templates(client, settings),
        "ended_exceptions": _ended_exceptions(settings),
    }


def _ended_exceptions(settings: Settings) -> list[dict[str, str]]:
    """The exceptions of this machine's settings that no longer apply."""
    paths = [*settings.detections.exceptions, *settings.detections.rules]
    if not paths:
        return []
    from detections.packs.expiry import ended_exceptions  # loads Sigma: rarely needed

    return [
        {"title": each.title, "expires": each.last.isoformat(), "message": each.sentence()}
        for each in ended_exceptions(paths)
    ]


def _templates(client: OpenSearch, settings: Settings) -> dict[str, str] | None:
    """What `doctor` says of index templates that are not of this release; None if all are, or if
    the role may not read them."""
    try:
        made = index_templates(client, settings)
    except AuthorizationException:
        return None
    return None if made.verdict == "ok" else {"fact": made.fact, "advice": made.advice}


def _detections(client: OpenSearch, settings: Settings) -> _Detections:
    """As they are now; rules and channels are empty before `trailhound init`."""
    rules = RuleCheckpoints(client, settings).read()
    catch_up = CatchUps(client, settings).get(SCHEDULED_RULES)
    channels = channel_statuses(client, settings)
    since = datetime.now(UTC) - timedelta(days=TRAINED_WITHIN)
    return _Detections(
        readiness(read_shared(client, settings, seconds_ahead(client)), settings),
        rules=tuple(rules.values()),
        catch_up=catch_up if catch_up is not None and not catch_up.done else None,
        late=LateEventsStore(client, settings).get() if settings.detections.scheduled else None,
        left=left_by_backfills(client, settings),
        channels=tuple(channels),
        known=known_summary(client, settings, datetime.now(UTC)),
        learning=tuple(learning_alerts(client, settings.prefix, since)),
    )


def _show(report: dict[str, Any], detections: _Detections) -> None:
    """Both for people: a line a value, tables of what there are several of."""
    daemons, scheduled = report.pop("daemons", []), report.pop("jobs", [])
    local = report.pop("local_daemon", None)
    letters, tiers = report.pop("dead_letters", []), report.pop("tiers", None)
    past, removed = report.pop("past_retention", None), report.pop("removed_days", [])
    unwritable = report.pop("unwritable_days", 0)
    failed, verified = report.pop("failed_objects", 0), report.pop("verified_objects", 0)
    gone = report.pop("gone_objects", 0)
    dropped = report.pop("dismissed_dead_letters", 0)
    outdated, ended = report.pop("templates", None), report.pop("ended_exceptions", [])
    report["version"] = f"{report.pop('product')} {report['version']}"
    _show_values(report)
    show_templates(outdated)
    show_tiers(tiers)
    show_past_retention(past)
    show_removed_days(removed)
    if unwritable and tiers is None:
        say(f"days     {unwritable:,} read-only or closed")
    show_dead_letters(letters, dropped)
    show_failed_objects(failed, gone)
    if report["events"] and not verified:
        say(f"digests  {_UNVERIFIED}", 9)
    show_daemons(daemons, local)
    show_reasons(detections.readiness.reasons)
    show_jobs(scheduled)
    show_rules(detections.rules, scheduled)
    for each in ended:
        say(f"{'ended':<9}{each['message']}", 9)
    show_learning(scheduled, detections.learning)
    show_catch_up(detections.catch_up)
    show_late_events(detections.late)
    show_backfills(detections.left)
    if detections.known is not None:
        say(f"trust    {detections.known.sentence()}", 9)
    show_channels(detections.channels)


def _show_values(report: dict[str, Any]) -> None:
    for name, value in report.items():
        if value is not None:
            out.print(safe(f"{name:<9}{_for_people(name, value)}"))


def _for_people(name: str, value: object) -> object:
    if not isinstance(value, int):
        return value
    return {"events": f"{value:,}", "bytes": size(value)}.get(name, value)
