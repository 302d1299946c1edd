"""How an item of the checklist is answered: from what AWS, the cluster and the settings say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from detections.packs.pack import Pack
from trailhound.app.health.readiness import Readiness
from trailhound.plural import plural
from trailhound.posture import Posture, Verdict
from trailhound.settings import Settings
from trailhound.state.daemons import DaemonState
from trailhound.state.jobs import JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint

State = Literal["done", "open", "unknown", "person"]

_LATELY: Final = timedelta(hours=1)
"""The longest time since the last run of the rules."""

_STATES: Final[Mapping[Verdict, State]] = {"fail": "open", "unknown": "unknown"}

_LAG: Final = timedelta(minutes=30)
"""How old the newest event may be: CloudTrail delivers within some 5 to 15 minutes."""


@dataclass(frozen=True)
class Answer:
    """The answer to an item: `evidence` is what it follows from, `todo` what is left to do."""

    state: State
    evidence: str
    todo: str = ""


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """What the cluster says. `newest` is the time of the latest event, `accounts` the number of
    accounts that have events."""

    daemons: Sequence[DaemonState] = ()
    jobs: Mapping[str, JobState] = field(default_factory=dict)
    rules: Sequence[RuleCheckpoint] = ()
    newest: datetime | None = None
    accounts: int = 0
    readiness: Readiness


@dataclass(frozen=True, kw_only=True)
class ChecklistFacts:
    """What answers are made from. A text in place of a part is the reason why it is not known."""

    posture: Posture | str
    cluster: ClusterFacts | str
    pack: Pack | str
    dashboards: bool | str
    """Whether Dashboards has the overview."""
    settings: Settings
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


Ask = Callable[[ChecklistFacts], Answer]


def checks(*names: str) -> Ask:
    """Done if these checks of `aws check` pass in every account.

    A name that ends with `*` stands for all checks whose id begins so.
    """

    def ask(facts: ChecklistFacts) -> Answer:
        if isinstance(facts.posture, str):
            return Answer("unknown", facts.posture)
        posture = facts.posture
        mine = [each for each in posture.findings if _is_one_of(each.check, names)]
        bad = sorted((each for each in mine if each.verdict in _STATES), key=posture.rank)
        if bad:
            first = bad[0]
            more = f"; {len(bad) - 1} more" if len(bad) > 1 else ""
            evidence = f"{posture.check(first).title}: {first.evidence}{more}"
            return Answer(_STATES[first.verdict], evidence, first.fix)
        passed = sum(each.verdict == "pass" for each in mine)
        if not passed:
            evidence = mine[0].evidence if mine else "no account was looked at"
            return Answer("open" if mine else "unknown", evidence)
        return Answer("done", f"{passed} check{'s' if passed != 1 else ''} of AWS passed")

    return ask


def _is_one_of(check: str, names: Sequence[str]) -> bool:
    return any(
        check.startswith(name[:-1]) if name.endswith("*") else check == name for name in names
    )


def either(*asks: Ask) -> Ask:
    """Done if one of them is done; otherwise the first unknown one, or else the first open one."""

    def ask(facts: ChecklistFacts) -> Answer:
        answers = [each(facts) for each in asks]
        order: tuple[State, ...] = ("done", "unknown", "person", "open")
        return min(answers, key=lambda each: order.index(each.state))

    return ask


def every(*asks: Ask) -> Ask:
    """Done if all of them are done, with the evidence of all; otherwise the first open one, or else
    the first unknown one."""

    def ask(facts: ChecklistFacts) -> Answer:
        answers = [each(facts) for each in asks]
        for state in ("open", "unknown"):
            if bad := [each for each in answers if each.state == state]:
                return bad[0]
        return Answer("done", "; ".join(each.evidence for each in answers))

    return ask


def person(question: str) -> Ask:
    """A question that only a person can answer."""
    return lambda _facts: Answer("person", "for a person to answer", question)


def of_cluster(ask: Callable[[ChecklistFacts, ClusterFacts], Answer]) -> Ask:
    """Unknown where the cluster did not answer, else answered by `ask`."""

    def asked(facts: ChecklistFacts) -> Answer:
        if isinstance(facts.cluster, str):
            return Answer("unknown", facts.cluster)
        return ask(facts, facts.cluster)

    return asked


def rules_run(facts: ChecklistFacts, cluster: ClusterFacts) -> Answer:
    """Rules are loaded, and ran on schedule within the last hour."""
    if isinstance(facts.pack, str):
        return Answer("unknown", facts.pack)
    number = len(facts.pack.alerting)
    if not number:
        return Answer("open", "no rule is active", "set detections.shipped, or detections.rules")
    last = max((each.ran_at for each in cluster.rules if not each.inactive), default=None)
    if last is None:
        return Answer(
            "open", f"{plural(number, 'rule')}, and none ran on schedule", "trailhound run"
        )
    if facts.now - last > _LATELY:
        return Answer("open", f"rules last ran {last:%Y-%m-%d %H:%M} UTC", "trailhound run")
    return Answer("done", f"{plural(number, 'rule')}, last run {last:%H:%M} UTC")


def ingests(_facts: ChecklistFacts, cluster: ClusterFacts) -> Answer:
    """A daemon runs, and reports that it is ready."""
    if not cluster.daemons:
        return Answer("open", "no daemon is running", "trailhound run")
    if not cluster.readiness.ready:
        return Answer("open", cluster.readiness.reasons[0].message, "trailhound status")
    return Answer("done", f"{len(cluster.daemons):,} running, ready")


def is_current(facts: ChecklistFacts, cluster: ClusterFacts) -> Answer:
    """The newest event is as new as CloudTrail's delivery allows."""
    if cluster.newest is None:
        return Answer("open", "there are no events", "trailhound backfill, trailhound run")
    lag = facts.now - cluster.newest
    newest = f"the newest event is of {cluster.newest:%Y-%m-%d %H:%M} UTC"
    if lag > _LAG:
        return Answer("open", newest, "trailhound status; docs/scaling.md")
    return Answer("done", newest)


def notifies(facts: ChecklistFacts) -> Answer:
    """A channel is set that gets alerts."""
    channels = facts.settings.notify.channels
    if not channels:
        return Answer("open", "no channel is set", "set notify.channels; trailhound notify test")
    return Answer(
        "done", f"{plural(len(channels), 'channel')}: {_listed([e.name for e in channels])}"
    )


def reacts(facts: ChecklistFacts) -> Answer:
    """A channel reacts to alerts: it runs a command or calls a service."""
    acting = [e.name for e in facts.settings.notify.channels if e.kind in ("command", "webhook")]
    if not acting:
        return Answer(
            "open",
            "no channel runs a command or calls a service",
            "set a channel of kind command or webhook in notify.channels",
        )
    return Answer("done", _channels(acting))


def verifies_files(facts: ChecklistFacts) -> Answer:
    """The daemon verifies files by their digests."""
    every_ = facts.settings.integrity.every
    if every_ is None:
        return Answer("open", "files are not verified on schedule", "set integrity.every: 3600")
    return Answer("done", f"files are verified every {every_ / 3600:g} h")


def has_index_retention(facts: ChecklistFacts) -> Answer:
    """The index keeps events for a set number of days."""
    days = facts.settings.retention.days
    if days is None:
        return Answer("open", "no retention is set for the index", "set retention.days")
    return Answer("done", f"the index keeps {plural(days, 'day')}")


def rules_of_kinds(*kinds: str) -> Ask:
    """Done if a rule of one of these kinds is active."""

    def ask(facts: ChecklistFacts) -> Answer:
        if isinstance(facts.pack, str):
            return Answer("unknown", facts.pack)
        number = sum(rule.kind in kinds for rule in facts.pack.alerting)
        if not number:
            return Answer("open", f"no rule of kind {_listed(kinds)}", "set detections.shipped")
        return Answer("done", f"{plural(number, 'rule')} of kind {_listed(kinds)}")

    return ask


def has_dashboards(facts: ChecklistFacts) -> Answer:
    """The overview is imported into Dashboards or Kibana."""
    if isinstance(facts.dashboards, str):
        return Answer("unknown", facts.dashboards)
    if not facts.dashboards:
        return Answer("open", "the overview is not there", "trailhound dashboards import")
    return Answer("done", "the overview is there")


def mails_reports(facts: ChecklistFacts, cluster: ClusterFacts) -> Answer:
    """Reports are mailed, and the last one was."""
    mail = facts.settings.report.mail
    if not mail.to:
        return Answer("open", "no report is mailed", "set report.mail.to")
    job = cluster.jobs.get("report-mail")
    if job is not None and job.last_error:
        return Answer("open", f"the last mail failed: {job.last_error}", "trailhound report --mail")
    return Answer("done", f"{mail.every}, to {plural(len(mail.to), 'address', 'addresses')}")


def mails_compliance(facts: ChecklistFacts) -> Answer:
    """The reports that are mailed have the section of a framework."""
    names = facts.settings.report.mail.compliance
    if not facts.settings.report.mail.to or not names:
        return Answer(
            "open",
            "no mailed report has a framework",
            "set report.mail.compliance; trailhound report --compliance cis --posture FILE",
        )
    return Answer("done", f"mailed reports have {_listed(names)}")


def sees_several_accounts(_facts: ChecklistFacts, cluster: ClusterFacts) -> Answer:
    """The index has events of several accounts. Whether these are all accounts is not known."""
    if cluster.accounts < 2:
        return Answer(
            "person",
            "the index has events of one account, and no trail of an organisation is known",
            "are there other accounts, and who watches them?",
        )
    return Answer("done", f"events of {cluster.accounts:,} accounts in the index")


def _channels(names: Sequence[str]) -> str:
    return f"{plural(len(names), 'channel')}: {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
