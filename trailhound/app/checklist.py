"""The four phases in which a trail becomes a watched one: what is done, by what it is known.

Items are answered from what `trailhound aws check` found, from the cluster and from the settings;
what no program can see is a question to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from detections.packs.pack import Pack
from trailhound.posture import Posture, Verdict
from trailhound.settings import Settings
from trailhound.state.daemons import DaemonState
from trailhound.state.jobs import JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint

State = Literal["done", "open", "unknown", "person"]
PHASES: Final[Mapping[int, str]] = {
    1: "the trail, and the first alerts",
    2: "threat detection",
    3: "the SIEM",
    4: "beyond one account and one team",
}
_LATELY: Final = timedelta(hours=1)
"""Within which rules have to have run."""
_STATES: Final[Mapping[Verdict, State]] = {"fail": "open", "unknown": "unknown"}
_LAG: Final = timedelta(minutes=30)
"""How old the newest event may be: CloudTrail delivers within some 5 to 15 minutes."""


@dataclass(frozen=True)
class Answer:
    """What is known of an item: `evidence` says by what; `todo` is what is left to do, or asked."""

    state: State
    evidence: str
    todo: str = ""


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """What the cluster says. `newest` is the time of the latest event, `accounts` how many there
    are events of."""

    daemons: Sequence[DaemonState] = ()
    jobs: Mapping[str, JobState] = field(default_factory=dict)
    rules: Sequence[RuleCheckpoint] = ()
    newest: datetime | None = None
    accounts: int = 0
    reasons: Sequence[str] = ()
    """Why it is not ready."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that answers are made of; a text is why it is not known."""

    posture: Posture | str
    cluster: ClusterFacts | str
    pack: Pack | str
    dashboards: bool | str
    """Whether Dashboards has the overview."""
    settings: Settings
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


Ask = Callable[[Facts], Answer]


@dataclass(frozen=True, kw_only=True)
class Item:
    """A line of the checklist."""

    phase: int
    id: str
    title: str
    ask: Ask


@dataclass(frozen=True)
class Line:
    """An item with its answer."""

    item: Item
    answer: Answer

    def as_dict(self) -> dict[str, object]:
        return {
            "phase": self.item.phase,
            "id": self.item.id,
            "title": self.item.title,
            "state": self.answer.state,
            "evidence": self.answer.evidence,
            "todo": self.answer.todo,
        }


def checklist(facts: Facts) -> list[Line]:
    """Every item, answered."""
    return [Line(item, item.ask(facts)) for item in ITEMS]


def checks(*names: str) -> Ask:
    """Answered by checks of `aws check`, in every account: all of them, by their ids; those of an
    id that ends with `*` by how it begins."""

    def ask(facts: Facts) -> Answer:
        if isinstance(facts.posture, str):
            return Answer("unknown", facts.posture)
        posture = facts.posture
        mine = [each for each in posture.findings if _is_one_of(each.check, names)]
        bad = sorted((each for each in mine if each.verdict in _STATES), key=posture.rank)
        if bad:
            first = bad[0]
            more = f"; {len(bad) - 1} more" if len(bad) > 1 else ""
            said = f"{posture.check(first).title}: {first.evidence}{more}"
            return Answer(_STATES[first.verdict], said, first.fix)
        passed = sum(each.verdict == "pass" for each in mine)
        if not passed:
            said = mine[0].evidence if mine else "no account was looked at"
            return Answer("open" if mine else "unknown", said)
        return Answer("done", f"{passed} check{'s' if passed != 1 else ''} of AWS passed")

    return ask


def _is_one_of(check: str, names: Sequence[str]) -> bool:
    return any(
        check.startswith(name[:-1]) if name.endswith("*") else check == name for name in names
    )


def either(*asks: Ask) -> Ask:
    """Done if one of them is; else what is not known, before what is open."""

    def ask(facts: Facts) -> Answer:
        answers = [each(facts) for each in asks]
        order: tuple[State, ...] = ("done", "unknown", "person", "open")
        return min(answers, key=lambda each: order.index(each.state))

    return ask


def every(*asks: Ask) -> Ask:
    """Done if all of them are, with the evidence of all; else the first that is open, or not
    known."""

    def ask(facts: Facts) -> Answer:
        answers = [each(facts) for each in asks]
        for state in ("open", "unknown"):
            if bad := [each for each in answers if each.state == state]:
                return bad[0]
        return Answer("done", "; ".join(each.evidence for each in answers))

    return ask


def person(question: str) -> Ask:
    """A question that no program answers."""
    return lambda _facts: Answer("person", "for a person to answer", question)


def of_cluster(ask: Callable[[Facts, ClusterFacts], Answer]) -> Ask:
    """Answered by the cluster."""

    def asked(facts: Facts) -> Answer:
        if isinstance(facts.cluster, str):
            return Answer("unknown", facts.cluster)
        return ask(facts, facts.cluster)

    return asked


def _rules_run(facts: Facts, cluster: ClusterFacts) -> Answer:
    """Rules are loaded, and ran on schedule a short time ago."""
    if isinstance(facts.pack, str):
        return Answer("unknown", facts.pack)
    number = len(facts.pack.alerting)
    if not number:
        return Answer("open", "no rule is active", "set detections.shipped, or detections.rules")
    last = max((each.ran_at for each in cluster.rules if not each.inactive), default=None)
    if last is None:
        return Answer("open", f"{number:,} rules, none of which ran on schedule", "trailhound run")
    if facts.now - last > _LATELY:
        return Answer("open", f"rules last ran {last:%Y-%m-%d %H:%M} UTC", "trailhound run")
    return Answer("done", f"{number:,} rules, last run {last:%H:%M} UTC")


def _ingests(_facts: Facts, cluster: ClusterFacts) -> Answer:
    """A daemon is there, and nothing is wrong."""
    if not cluster.daemons:
        return Answer("open", "no daemon is running", "trailhound run")
    if cluster.reasons:
        return Answer("open", cluster.reasons[0], "trailhound status")
    return Answer("done", f"{len(cluster.daemons):,} running, ready")


def _is_current(facts: Facts, cluster: ClusterFacts) -> Answer:
    """The newest event is as new as CloudTrail's delivery allows."""
    if cluster.newest is None:
        return Answer("open", "there are no events", "trailhound backfill, trailhound run")
    lag = facts.now - cluster.newest
    said = f"the newest event is of {cluster.newest:%Y-%m-%d %H:%M} UTC"
    if lag > _LAG:
        return Answer("open", said, "trailhound status; docs/scaling.md")
    return Answer("done", said)


def _channels(facts: Facts) -> Answer:
    channels = facts.settings.notify.channels
    if not channels:
        return Answer("open", "no channel is set", "set notify.channels; trailhound notify test")
    return Answer("done", f"{len(channels):,} channels: {_listed([e.name for e in channels])}")


def _automation(facts: Facts) -> Answer:
    """Something acts on alerts: a command, or a service that is called."""
    acting = [e.name for e in facts.settings.notify.channels if e.kind in ("command", "webhook")]
    if not acting:
        return Answer(
            "open",
            "no channel runs a command or calls a service",
            "set a channel of kind command or webhook in notify.channels",
        )
    return Answer("done", f"channels {_listed(acting)}")


def _integrity(facts: Facts) -> Answer:
    """The daemon verifies files by their digests."""
    every_ = facts.settings.integrity.every
    if every_ is None:
        return Answer("open", "files are not verified on schedule", "set integrity.every: 3600")
    return Answer("done", f"files are verified every {every_ / 3600:g} h")


def _index_retention(facts: Facts) -> Answer:
    days = facts.settings.retention.days
    if days is None:
        return Answer("open", "no retention is set for the index", "set retention.days")
    return Answer("done", f"the index keeps {days:,} days")


def _kinds(*kinds: str) -> Ask:
    """Active rules of some kinds."""

    def ask(facts: Facts) -> Answer:
        if isinstance(facts.pack, str):
            return Answer("unknown", facts.pack)
        number = sum(rule.kind in kinds for rule in facts.pack.alerting)
        if not number:
            return Answer("open", f"no rule of kind {_listed(kinds)}", "set detections.shipped")
        return Answer("done", f"{number:,} rules of kind {_listed(kinds)}")

    return ask


def _dashboards(facts: Facts) -> Answer:
    if isinstance(facts.dashboards, str):
        return Answer("unknown", facts.dashboards)
    if not facts.dashboards:
        return Answer("open", "the overview is not there", "trailhound dashboards import")
    return Answer("done", "the overview is there")


def _reports(facts: Facts, cluster: ClusterFacts) -> Answer:
    """Reports are mailed, and the last one was."""
    mail = facts.settings.report.mail
    if not mail.to:
        return Answer("open", "no report is mailed", "set report.mail.to")
    job = cluster.jobs.get("report-mail")
    if job is not None and job.last_error:
        return Answer("open", f"the last mail failed: {job.last_error}", "trailhound report --mail")
    return Answer("done", f"{mail.every}, to {len(mail.to):,} addresses")


def _compliance_reports(facts: Facts) -> Answer:
    names = facts.settings.report.mail.compliance
    if not facts.settings.report.mail.to or not names:
        return Answer(
            "open",
            "no mailed report has a framework",
            "set report.mail.compliance; trailhound report --compliance cis --posture FILE",
        )
    return Answer("done", f"mailed reports have {_listed(names)}")


def _accounts(_facts: Facts, cluster: ClusterFacts) -> Answer:
    """More accounts than one are in the index; whether they are all, nobody here knows."""
    if cluster.accounts < 2:
        return Answer(
            "person",
            "the index has events of one account, and no trail of an organisation is known",
            "are there other accounts, and who watches them?",
        )
    return Answer("done", f"events of {cluster.accounts:,} accounts in the index")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _item(phase: int, id_: str, title: str, ask: Ask) -> Item:
    return Item(phase=phase, id=id_, title=title, ask=ask)


_RULES_ALERT: Final = every(of_cluster(_rules_run), _channels)
ITEMS: Final[tuple[Item, ...]] = (
    _item(
        1,
        "all-regions",
        "Every region is logged",
        checks(
            "trail-every-region", "trail-logging", "trail-management-events", "trail-global-events"
        ),
    ),
    _item(
        1,
        "secured-bucket",
        "Files arrive in a secured bucket",
        checks("trail-delivery", "bucket-policy", "bucket-tls", "bucket-versioning"),
    ),
    _item(1, "cloudwatch", "Events reach CloudWatch Logs", checks("trail-cloudwatch")),
    _item(
        1,
        "basic-alerts",
        "Root use and unauthorised calls raise an alert",
        either(checks("alarm-root-use", "alarm-unauthorized-calls"), _RULES_ALERT),
    ),
    _item(
        1,
        "validation",
        "Log file validation is on, and files are verified",
        every(checks("trail-validation", "trail-digests"), _integrity),
    ),
    _item(
        1,
        "encryption-and-access",
        "The bucket is encrypted and closed",
        checks(
            *("bucket-encrypted", "trail-kms", "bucket-public-access", "bucket-not-public"),
            "bucket-access-log",
        ),
    ),
    _item(2, "threat-detection", "Rules run on schedule", of_cluster(_rules_run)),
    _item(2, "custom-alarms", "Every event of the CIS benchmark has an alarm", checks("alarm-*")),
    _item(
        2,
        "notifications",
        "Alarms and alerts reach people",
        either(checks("alarm-root-use"), _channels),
    ),
    _item(
        2,
        "automated-analysis",
        "New files are analysed as they come",
        every(of_cluster(_ingests), checks("trail-insights")),
    ),
    _item(
        2,
        "retention",
        "Files, log group and index have a retention",
        every(
            checks("bucket-retention", "bucket-lifecycle", "log-group-retention"), _index_retention
        ),
    ),
    _item(
        3,
        "siem",
        "Events are in the index, and a daemon follows the trail",
        of_cluster(_ingests),
    ),
    _item(3, "dashboards", "Dashboards are imported", _dashboards),
    _item(
        3,
        "correlation",
        "Correlations run",
        every(_kinds("correlation"), of_cluster(_rules_run)),
    ),
    _item(3, "scheduled-reports", "Reports are mailed on schedule", of_cluster(_reports)),
    _item(3, "performance", "The index keeps up with the trail", of_cluster(_is_current)),
    _item(
        4,
        "anomaly-detection",
        "Anomalies are found by baselines, and by Insights",
        every(
            _kinds("anomaly", "new_terms", "impossible_travel"),
            of_cluster(_rules_run),
            checks("trail-insights"),
        ),
    ),
    _item(4, "response", "Alerts start a response by themselves", _automation),
    _item(
        4,
        "cross-account",
        "All accounts are watched, new ones too",
        either(checks("organisation-trail"), of_cluster(_accounts)),
    ),
    _item(4, "compliance-reports", "Reports have a compliance framework", _compliance_reports),
    _item(
        4,
        "trained-team",
        "The team is trained",
        person(
            "has everybody on call found an attack that they did not know (`trailhound sample DIR "
            "--exercise`, graded by `--grade`), and who is called when they are ill?"
        ),
    ),
)
