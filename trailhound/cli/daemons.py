"""The state of the daemons, as `trailhound status` shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trailhound.cli.dates import span
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import out, plural, say, table, warn

with late_imports():
    from msgspec import convert

    from detections.alerts.learning_alerts import LearningAlerts
    from detections.notify.channel_status import ChannelStatus
    from detections.running.job_note import lines_of
    from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
    from ingest.feeds.notifications import SET_UP
    from trailhound.app.backfill.left_over import LeftByBackfills
    from trailhound.app.health.readiness import Reason
    from trailhound.cluster.past_retention import PastRetention
    from trailhound.cluster.tiers import Tiers, TierState
    from trailhound.cluster.waiting import BLOCKED_CODES
    from trailhound.state.catch_up import CatchUp
    from trailhound.state.jobs import DETECTIONS
    from trailhound.state.late_events import LateEvents
    from trailhound.state.removed_days import RemovalRun
    from trailhound.state.rule_checkpoints import RuleCheckpoint


FAILED_OBJECTS = "`trailhound ledger list --state failed`"
DEAD_LETTERS = "`trailhound deadletters list`"
_MOST_BEHIND = 20
_MOST_NAMED = 5
_REMOVALS = 3


def show_daemons(daemons: list[dict[str, Any]], local: Mapping[str, Any] | None = None) -> None:
    """One line per daemon, and tables of their sources and of what they did not read. `local`: the
    daemon of this machine, where none has written its state to the cluster."""
    if local is not None:
        say(f"daemon   {local['message']}; it has not written its state to the cluster", 9)
    elif not daemons:
        say("daemon   none is running: nobody reads new files, runs the rules or sends alerts")
        say("         start one: `trailhound run`; once, over history: `trailhound detect`")
    for each in daemons:
        rate = f"{each['events_per_second']:,.0f} events/s"
        done = plural(each["objects"].get("done", 0), "object")
        say(
            f"daemon   {each['host']} {each['pid']}, since {_ago(each['started'])}: {rate}, "
            f"{done}, {each['in_flight']} in flight"
            + (f", runs {_jobs(each)}" if each.get("leads") else ""),
            9,
        )
        if waiting := each.get("needs_restart"):
            say(f"         changed settings that need a restart: {', '.join(waiting)}", 9)
        if each["last_error"]:
            say(f"         {_ago(each['last_error_at'])} ago: {each['last_error']}", 9)
    lags = [each for each in daemons if each.get("event_lag_seconds") is not None]
    if lags:
        newest = max(lags, key=lambda each: str(each["heartbeat"]))
        line = f"lag      newest event {span(newest['event_lag_seconds'])} ago"
        measured = [each["searchable_seconds"] for each in daemons if each["searchable_seconds"]]
        if measured:
            line += f", {span(max(measured))} from delivery to searchable"
        say(line, 9)
    rows = list(_sources(daemons))
    if rows:
        out.print(table(["source", "kind", "#waiting", "last arrival", "last error"], rows))
    left = list(_not_read(daemons))
    if left:
        out.print(table(["source", "not read", "#messages or records", "why"], left))


def _jobs(daemon: Mapping[str, Any]) -> str:
    """The scheduled jobs that a daemon runs; one of the last release does not name them."""
    names = daemon.get("jobs")
    return f"the jobs {', '.join(names)}" if names else "the scheduled jobs"


def show_reasons(found: Sequence[Reason]) -> None:
    """The reasons why it is not ready, one per line."""
    for number, each in enumerate(found):
        say(f"{'unready' if not number else '':<9}{each.message}", 9)


def _not_read(daemons: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Messages of a queue that name no object but should, and messages that need no reading;
    without those that every installation gets."""
    for name, what in (("unknown", "left on the queue"), ("ignored", "ignored and deleted")):
        counts: Counter[tuple[str, str]] = Counter()
        for source in (source for each in daemons for source in each["sources"]):
            for row in source.get(name) or ():
                if row["what"] in SET_UP:
                    continue
                counts[source["name"], row["what"]] += row["number"]
        for (source_name, reason), number in counts.most_common(_MOST_BEHIND):
            yield source_name, what, number, reason


def show_tiers(tiers: dict[str, Any] | None) -> None:
    """Which tier the days are in, which are late, and which failed."""
    if tiers is None:
        return
    found = Tiers(
        tuple(TierState(**each) for each in tiers["states"]),
        tuple(tiers["late"]),
        tiers["failed"],
        tiers["note"],
    )
    say(f"{'tiers':<9}{found.describe()}", 9)
    for line in found.problems():
        say(f"{'':<9}{line}", 9)


def show_past_retention(past: dict[str, Any] | None) -> None:
    """The days that a daemon's next run deletes or closes, where there are any."""
    if past is None or not past["days"]:
        return
    found = PastRetention(
        past["retention_days"], past["action"], past["days"], past["first"], past["last"]
    )
    say(f"{'past':<9}{found.describe()}", 9)


def show_removed_days(removed: Sequence[Mapping[str, Any]]) -> None:
    """The last days that retention removed, and how many runs before removed some."""
    for each in removed[:_REMOVALS]:
        say(f"{'removed':<9}{convert(each, RemovalRun).sentence()}", 9)
    if (earlier := len(removed) - _REMOVALS) > 0:
        say(f"{'':<9}and by {plural(earlier, 'run')} before: `trailhound status --json`", 9)


def show_templates(differing: Mapping[str, str] | None) -> None:
    """How the index templates differ from those of this release, and what to do."""
    if differing is not None:
        say(f"template {differing['fact']}: {differing['advice']}", 9)


def show_dead_letters(letters: list[dict[str, Any]], dismissed: int = 0) -> None:
    """One line for all waiting dead letters with the number of dismissed ones, one for those of
    read-only or closed days."""
    if not letters:
        if dismissed:
            say(f"{'letters':<9}{dismissed:,} dismissed, none waits", 9)
        return
    beside = f"; {dismissed:,} dismissed" if dismissed else ""
    say(f"{'letters':<9}{_waits(letters, 'dead letter')}, see why: {DEAD_LETTERS}{beside}", 9)
    blocked = [each for each in letters if each["code"] in BLOCKED_CODES]
    if blocked:
        say(
            f"         read-only or closed days: {_waits(blocked, 'letter')}; "
            "`trailhound retry-deadletters --reopen` writes them",
            9,
        )

    if far := [each for each in letters if each["code"] == TOO_MANY_NEW_DAYS]:
        say(
            f"         days without an index: {_waits(far, 'letter')}; "
            "`trailhound retry-deadletters --new-days` creates them",
            9,
        )


def show_failed_objects(number: int, gone: int) -> None:
    """One line for the objects that could not be read, whether by a daemon or a backfill. `gone`:
    those that are noted as gone."""
    beside = f"{gone:,} more noted as gone: `trailhound ledger list --state gone`" if gone else ""
    if number:
        more = f"; {beside}" if gone else ""
        say(f"{'not read':<9}{plural(number, 'object')}, see why: {FAILED_OBJECTS}{more}", 9)
    elif gone:
        say(f"{'not read':<9}no object that is still there, {beside}", 9)


def _waits(letters: list[dict[str, Any]], noun: str) -> str:
    number = sum(each["number"] for each in letters)
    since = _ago(min(each["oldest"] for each in letters))
    if number == 1:
        return f"1 {noun} waits, since {since}"
    return f"{plural(number, noun)} wait, the oldest since {since}"


def show_jobs(jobs: list[dict[str, Any]]) -> None:
    """The scheduled jobs, which one of the daemons runs: one line per job."""
    rows = [
        (
            job["name"],
            f"{_ago(job.get('last_success'))} ago" if job.get("last_success") else "never",
            job.get("failures", 0),
            job.get("last_failure") or "",
        )
        for job in jobs
    ]
    if rows:
        out.print(table(["job", "last success", "#failures", "last error"], rows))
    for job in jobs:
        if job["name"] == "report-mail" and job.get("note"):  # it succeeds also while none is due
            say(f"{'':<9}report-mail: {job['note']}", 9)
        if job.get("skipped"):
            warn(f"{job['name']}: {job['skipped']}")


def show_rules(checkpoints: Sequence[RuleCheckpoint], jobs: Sequence[dict[str, Any]] = ()) -> None:
    """How far the detections have run without a gap, and the rules that are late or failing.
    `jobs`: if that of the rules fails, since when and which rules have not run since is said."""
    inactive = sorted(each.title for each in checkpoints if each.inactive)
    checkpoints = [each for each in checkpoints if not each.inactive]
    if inactive:
        names = ", ".join(inactive[:_MOST_NAMED]) + (", …" if len(inactive) > _MOST_NAMED else "")
        say(f"rules    {len(inactive):,} that ran before are not active now: {names}", 9)
    if not checkpoints:
        return
    oldest = min(checkpoints, key=lambda each: each.seen_until)
    slowest = max(checkpoints, key=lambda each: each.seconds)
    halted = _halted(checkpoints, jobs)
    caught_up = "all caught up to" if not halted else "searched up to"
    say(
        f"rules    {len(checkpoints):,} that alert, {caught_up} "
        f"{oldest.seen_until:%F %T} UTC; the slowest, {slowest.title}, "
        f"takes {slowest.seconds:.1f} s",
        9,
    )
    if halted:
        say(f"         {halted}", 9)
    behind = sorted(
        (each for each in checkpoints if each.failures), key=lambda each: each.seen_until
    )
    rows = [
        (each.title, f"{each.seen_until:%F %T}", each.failures, each.last_error)
        for each in behind[:_MOST_BEHIND]
    ]
    if rows:
        out.print(table(["rule", "seen until", "#failures", "last error"], rows))
    if len(behind) > len(rows):
        out.print(f"         … and {len(behind) - len(rows):,} more failing rules")


def _halted(checkpoints: Sequence[RuleCheckpoint], jobs: Sequence[dict[str, Any]]) -> str:
    """Since when the job of the rules fails, and which rules have not run since; empty if it does
    not fail."""
    job = next((each for each in jobs if each["name"] == DETECTIONS), {})
    if not job.get("last_error"):
        return ""
    if not job.get("last_success"):
        return f"the job {DETECTIONS} has not succeeded yet: rules may not have run"
    since = datetime.fromisoformat(job["last_success"])
    message = f"the job {DETECTIONS} fails since {since:%F %T} UTC"
    behind = sorted(each.title for each in checkpoints if each.ran_at <= since)
    if not behind:
        return f"{message}, and every rule has run since"
    more = ", …" if len(behind) > _MOST_NAMED else ""
    have = "has" if len(behind) == 1 else "have"
    names = ", ".join(behind[:_MOST_NAMED])
    return f"{message}: {plural(len(behind), 'rule')} {have} not run since: {names}{more}"


def show_learning(jobs: list[dict[str, Any]], alerts: Sequence[LearningAlerts]) -> None:
    """Which rules lack history, how many alerts were found while they did, and which rules find
    nothing for want of data."""
    note = next((job["note"] for job in jobs if job["name"] == DETECTIONS), "") or ""
    history, data = lines_of(note)
    lines = [*([history] if history else []), *(each.sentence() for each in alerts)]
    if alerts:
        lines.append("list them: `trailhound alerts list --query learning:true`")
    for number, line in enumerate(lines):
        say(f"{'' if number else 'history':<9}{line}", 9)
    if data:
        say(f"{'no data':<9}{data}", 9)


def show_catch_up(catch_up: CatchUp | None) -> None:
    """The span that the rules still have to repeat after they could not run."""
    if catch_up is not None:
        say(f"catch-up {catch_up.describe()}", 9)


def show_late_events(late: LateEvents | None) -> None:
    """One line for the events that the scheduled rules do not cover."""
    if late is not None:
        say(f"late     {late.sentence()}", 9)


def show_backfills(left: LeftByBackfills | None) -> None:
    """The backfills that did not end, the events that they left, and what to run."""
    if left is not None:
        name = "backfill" if left.only_backfills else "commands"
        say(f"{name:<9}{left.fact()}: {left.advice()}", 9)


def show_channels(channels: Sequence[ChannelStatus]) -> None:
    """One line per notification channel."""
    rows = [
        (
            each.name,
            each.waiting,
            each.given_up,
            f"{_ago(each.last_delivery)} ago" if each.last_delivery else "none yet",
            f"{_ago(each.last_error_at)} ago: {each.last_error}" if each.last_error else "",
        )
        for each in channels
    ]
    if rows:
        out.print(table(["channel", "#waiting", "#given up", "last delivery", "last error"], rows))


def _sources(daemons: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Each source once, as reported by the daemon with its latest delivery."""
    latest: dict[str, dict[str, Any]] = {}
    for source in (source for each in daemons for source in each["sources"]):
        known = latest.get(source["name"])
        if known is None or (source["last_arrival"] or "") > (known["last_arrival"] or ""):
            latest[source["name"]] = source
    for name, source in sorted(latest.items()):
        error = f"{_ago(source['last_error_at'])} ago: {source['last_error']}"
        yield (
            name,
            source["kind"],
            "?" if source["depth"] is None else source["depth"],
            f"{_ago(source['last_arrival'])} ago" if source["last_arrival"] else "none yet",
            error if source["last_error"] else "",
        )


def _ago(moment: str | None) -> str:
    """The time since a moment, in its largest unit.

    >>> _ago(None)
    'never'
    """
    if not moment:
        return "never"
    return span((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
