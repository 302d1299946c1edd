"""Why an installation is not ready, as far as all of its daemons share it: jobs, rules, channels.

`/readyz` and the metrics answer with these reasons, `trailhound status` and `trailhound doctor`
list them. The reasons that only a daemon knows (its threads, its sources) are computed by
`trailhound.app.daemon.own_health`; it writes them into its document, from where they are read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from trailhound.app.enrichment import EnrichmentProblem, load_enricher
from trailhound.app.health.followed import not_followed
from trailhound.app.health.readiness import Readiness, Reason
from trailhound.app.health.shared_state import SharedState
from trailhound.cluster.templates import Names
from trailhound.errors import TrailhoundError
from trailhound.plural import plural
from trailhound.settings import DetectionSettings, Settings
from trailhound.state.channels import ChannelState
from trailhound.state.daemons import DaemonState
from trailhound.state.denied_folders import DeniedFolder, sentence
from trailhound.state.jobs import JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint

if TYPE_CHECKING:
    from detections.packs.rule_paths import UnreadPath

RULE_SLACK = timedelta(minutes=10)
"""The delay beyond twice its interval after which a rule is past due."""
LEADER_SLACK = timedelta(minutes=2)
"""How long after a daemon's start the scheduled jobs may have no leader."""
_NAMED = 3
_CLOCK_APART = 60.0


Intervals = Callable[[], Mapping[str, timedelta]]
"""The interval of each active rule, by rule id; empty if they are not known. Called only if a rule
may be past due."""


def rule_intervals(settings: Settings) -> dict[str, timedelta]:
    """The intervals of the settings' active rules; empty if they cannot be loaded."""
    from trailhound.app.detection.detection import rules_in_force  # a second to load: rarely needed

    try:
        return {rule.id: rule.interval for rule in rules_in_force(settings).alerting}
    except TrailhoundError:
        return {}


def reasons(shared: SharedState, settings: Settings, intervals: Intervals) -> list[Reason]:
    """All reasons why an installation is not ready, as seen from outside its daemons."""
    return [
        *_clock(shared.ahead),
        *_daemons(shared, settings),
        *_sources(shared, settings),
        *shared_reasons(shared, settings, intervals),
    ]


def enrichment_reasons(problems: Iterable[EnrichmentProblem]) -> list[Reason]:
    """The databases and threat lists that the settings name and that cannot be used."""
    return [Reason("enrichment", each.subject, each.message) for each in problems if each.unusable]


def rule_path_reasons(
    unread: Iterable[UnreadPath], lost: Iterable[UnreadPath] = ()
) -> list[Reason]:
    """The files and folders of rules and exceptions that the settings name and that cannot be read.
    `lost`: what they contained before is still in force."""
    unusable = [(each, f"not all {each.setting} of the settings are active") for each in unread]
    unusable += [(each, "the previous rules stay active") for each in lost]
    return [
        Reason("rules", str(each.path), f"{effect}: {each.message}") for each, effect in unusable
    ]


def readiness(shared: SharedState, settings: Settings) -> Readiness:
    """Whether an installation is ready, for a program that is not a daemon.

    Daemons report faults in the files of `enrich` and `detections` of their machines; where no
    daemon runs, the files of this machine are checked.
    """
    found = reasons(shared, settings, lambda: rule_intervals(settings))
    if not shared.daemons:
        found += enrichment_reasons(load_enricher(settings).problems)
        found += rule_path_reasons(_unread(settings.detections))
    return Readiness(tuple(found))


def _unread(settings: DetectionSettings) -> list[UnreadPath]:
    if not settings.scheduled or not (settings.rules or settings.exceptions):
        return []
    from detections.packs.rule_paths import unread_paths  # loads YAML and Sigma: rarely needed

    return unread_paths(settings)


def shared_reasons(shared: SharedState, settings: Settings, intervals: Intervals) -> list[Reason]:
    """What is wrong with jobs, rules and channels, whichever daemon runs them."""
    return [
        *_ledger(shared.missing),
        *_leaders(shared, settings),
        *_jobs(shared.jobs, settings, shared.read_at),
        *_rules(shared, settings, intervals),
        *_channels(shared.channels, settings),
        *_documents(shared.malformed),
        *_folders(shared.denied_folders),
        *_disk(shared.disk_full),
        *_blocked("" if shared.disk_full else shared.ledger_blocked, settings),
        *_dead_letters("" if shared.disk_full else shared.dead_letters_blocked, settings),
        *_alerts("" if shared.disk_full else shared.alerts_blocked, settings),
    ]


def reported_reasons(daemons: Iterable[DaemonState]) -> Iterator[Reason]:
    """What daemons report of themselves, each named."""
    for daemon in daemons:
        where = f"{daemon.host} {daemon.pid}"
        reported = daemon.report.get("reasons")
        if reported is None:
            message = (
                f"daemon {where} does not report whether it is ready: it is of an older release"
            )
            yield Reason("release", where, message)
        for each in reported or ():
            yield Reason(each["code"], each["subject"], f"daemon {where}: {each['message']}")


def _daemons(shared: SharedState, settings: Settings) -> Iterator[Reason]:
    """The reasons that the active daemons report; and that no daemon is active."""
    yield from reported_reasons(shared.daemons)
    if shared.daemons or shared.ledger_blocked:  # where they cannot write that they run
        return
    if shared.jobs or any(not rule.inactive for rule in shared.rules):
        last = max((job.last_run for job in shared.jobs), default="")
        since = f"; the scheduled jobs last ran at {last[:19]}" if last else ""
        yield Reason(
            "daemon",
            "daemon",
            f"no daemon is running: nothing is ingested and no rule is run{since}",
        )
    elif settings.run.sources:
        message = "no daemon was started yet: nothing of run.sources is ingested"
        yield Reason("daemon", "daemon", message)


def _clock(ahead: float) -> Iterator[Reason]:
    if abs(ahead) > _CLOCK_APART:
        which = "ahead of" if ahead > 0 else "behind"
        message = (
            f"the clock of this machine is {abs(ahead):,.0f} s {which} the cluster's: whether "
            "daemons run and rules are on time is judged by the one that is behind"
        )
        yield Reason("clock", "this machine", message)


def _sources(shared: SharedState, settings: Settings) -> Iterator[Reason]:
    for source in not_followed(settings.run.sources, shared.daemons):
        message = f"no daemon follows {source.place}, which these settings name in run.sources"
        yield Reason("source", source.place, message)


def _ledger(missing: str) -> Iterator[Reason]:
    if missing:
        message = f"there is no index {missing}: what daemons, rules and channels do is not known"
        yield Reason("state", "ledger", message)


def jobs_in_use(settings: Settings) -> list[str]:
    """The scheduled jobs that the settings ask for, by name, without what only tidies up."""
    asked = {
        "detections": settings.detections.scheduled,
        "retention": settings.retention.active,
        "report-mail": bool(settings.report.mail.to),
        "integrity": settings.integrity.every is not None,
    }
    return [name for name, wanted in asked.items() if wanted]


def _leaders(shared: SharedState, settings: Settings) -> Iterator[Reason]:
    """Jobs that no daemon runs, though some are active: each may have settings without them."""
    started = [
        datetime.fromisoformat(daemon.report["started"])
        for daemon in shared.daemons
        if daemon.report.get("started")
    ]
    if not started or shared.read_at - min(started) <= LEADER_SLACK:
        return
    reports = [daemon.report for daemon in shared.daemons]
    if any(each.get("leads") and "jobs" not in each for each in reports):
        return  # one of the last release, which has a single lease for all jobs
    led = {name for each in reports for name in each.get("jobs") or ()}
    if not led:
        yield Reason("leader", "scheduler", "no daemon runs the scheduled jobs")
        return
    for name in jobs_in_use(settings):
        if name not in led:
            message = f"no daemon runs the job {name}, which these settings ask for"
            yield Reason("leader", name, message)


def _jobs(jobs: Iterable[JobState], settings: Settings, now: datetime) -> Iterator[Reason]:
    in_use = jobs_in_use(settings)
    for job in jobs:
        if (fault := job.fails(now)) and job.name in in_use:
            since = (
                f"last succeeded at {job.last_success[:19]}" if job.last_success else "never yet"
            )
            yield Reason("job", job.name, f"the job {job.name} fails ({since}): {fault}")


def _rules(shared: SharedState, settings: Settings, intervals: Intervals) -> Iterator[Reason]:
    if not settings.detections.scheduled:
        return
    active = [rule for rule in shared.rules if not rule.inactive]
    failing = [rule for rule in active if rule.failures]
    if failing:
        first = max(failing, key=lambda each: each.failures)
        yield Reason(
            "rule",
            _names(failing),
            f"failed when last run: {_rules_named(failing)}; {first.title}: {first.last_error}",
        )
    allowed = timedelta(minutes=settings.detections.lookback_minutes) + RULE_SLACK
    late = [rule for rule in active if shared.read_at - rule.seen_until > allowed]
    if late:
        known = intervals()
        late = [
            rule
            for rule in late
            if shared.read_at - rule.seen_until
            > allowed + 2 * known.get(rule.rule_id, timedelta(0))
            and (rule.rule_id in known or not known)
        ]
    if late:
        oldest = min(late, key=lambda each: each.seen_until)
        yield Reason(
            "rule",
            _names(late),
            f"past due: {_rules_named(late)}; {oldest.title} has searched what was ingested up to "
            f"{oldest.seen_until:%F %T} UTC",
        )


def _channels(channels: Mapping[str, ChannelState], settings: Settings) -> Iterator[Reason]:
    for name in (each.name for each in settings.notify.channels):
        state = channels.get(name)
        if state is None:
            continue
        faults = []
        if state.waiting and state.fails:
            wait = "waits" if state.waiting == 1 else "wait"
            faults.append(f"does not deliver, {plural(state.waiting, 'alert')} {wait} for it")
        if state.given_up:
            number = plural(state.given_up, "alert was", "alerts were")
            since = f"{datetime.fromisoformat(state.given_up_since):%F %T} UTC"
            faults.append(f"has delivered nothing since {number} given up, from {since} on")
        if faults:
            message = f"the channel {name} {' and '.join(faults)}: {state.last_error}"
            yield Reason("channel", name, message)


def _documents(malformed: Mapping[str, str]) -> Iterator[Reason]:
    if not malformed:
        return
    names = sorted(malformed)
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    number = plural(len(names), "document")
    yield Reason(
        "document",
        shown,
        f"{number} of the ledger index cannot be used ({shown}): {malformed[names[0]]}",
    )


def _folders(denied: Sequence[DeniedFolder]) -> Iterator[Reason]:
    if denied:
        subject = denied[0].uri + (", …" if len(denied) > 1 else "")
        yield Reason("folder", subject, sentence(denied))


def _disk(full: str) -> Iterator[Reason]:
    if full:
        yield Reason("disk", "disk", full)


def _blocked(blocked: str, settings: Settings) -> Iterator[Reason]:
    if blocked:
        index = Names(settings.prefix).ledger
        message = (
            f"{index} accepts no writes ({blocked}): no object can be read, no rule be run, and "
            "which daemons run is not known"
        )
        yield Reason("blocked", index, message)


def _dead_letters(blocked: str, settings: Settings) -> Iterator[Reason]:
    if blocked:
        index = Names(settings.prefix).deadletter
        message = (
            f"{index} accepts no writes ({blocked}): objects with dead letters cannot be completed"
        )
        yield Reason("deadletter", index, message)


def _alerts(blocked: str, settings: Settings) -> Iterator[Reason]:
    if blocked:
        index = Names(settings.prefix).alerts
        message = (
            f"{index} cannot be used ({blocked}): no alert can be raised, sent, acknowledged or "
            "closed"
        )
        yield Reason("blocked", index, message)


def _names(rules: Sequence[RuleCheckpoint]) -> str:
    return ", ".join(sorted(rule.title for rule in rules)[:_NAMED])


def _rules_named(rules: Sequence[RuleCheckpoint]) -> str:
    if len(rules) == 1:
        return f"the rule {rules[0].title}"
    more = ", …" if len(rules) > _NAMED else ""
    return f"{len(rules)} rules ({_names(rules)}{more})"
