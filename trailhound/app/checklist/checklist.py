"""The checklist: its items, in the four phases until a trail is well watched, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trailhound.app.checklist.answers import (
    Answer,
    Ask,
    ChecklistFacts,
    checks,
    either,
    every,
    has_dashboards,
    has_index_retention,
    ingests,
    is_current,
    mails_compliance,
    mails_reports,
    notifies,
    of_cluster,
    person,
    reacts,
    rules_of_kinds,
    rules_run,
    sees_several_accounts,
    verifies_files,
)

PHASES: Final[Mapping[int, str]] = {
    1: "the trail, and the first alerts",
    2: "threat detection",
    3: "the SIEM",
    4: "beyond one account and one team",
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """A line of the checklist."""

    phase: int
    id: str
    title: str
    ask: Ask


@dataclass(frozen=True)
class ChecklistLine:
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


def checklist(facts: ChecklistFacts) -> list[ChecklistLine]:
    """All items with their answers."""
    return [ChecklistLine(item, item.ask(facts)) for item in ITEMS]


def _item(phase: int, id_: str, title: str, ask: Ask) -> Item:
    return Item(phase=phase, id=id_, title=title, ask=ask)


_RULES_ALERT: Final = every(of_cluster(rules_run), notifies)
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
        every(checks("trail-validation", "trail-digests"), verifies_files),
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
    _item(2, "threat-detection", "Rules run on schedule", of_cluster(rules_run)),
    _item(2, "custom-alarms", "Every event of the CIS benchmark has an alarm", checks("alarm-*")),
    _item(
        2,
        "notifications",
        "Alarms and alerts reach people",
        either(checks("alarm-root-use"), notifies),
    ),
    _item(
        2,
        "automated-analysis",
        "New files are analysed as they come",
        every(of_cluster(ingests), checks("trail-insights")),
    ),
    _item(
        2,
        "retention",
        "Files, log group and index have a retention",
        every(
            checks("bucket-retention", "bucket-lifecycle", "log-group-retention"),
            has_index_retention,
        ),
    ),
    _item(
        3,
        "siem",
        "Events are in the index, and a daemon follows the trail",
        of_cluster(ingests),
    ),
    _item(3, "dashboards", "Dashboards are imported", has_dashboards),
    _item(
        3,
        "correlation",
        "Correlations run",
        every(rules_of_kinds("correlation"), of_cluster(rules_run)),
    ),
    _item(3, "scheduled-reports", "Reports are mailed on schedule", of_cluster(mails_reports)),
    _item(3, "performance", "The index keeps up with the trail", of_cluster(is_current)),
    _item(
        4,
        "anomaly-detection",
        "Anomalies are found by baselines, and by Insights",
        every(
            rules_of_kinds("anomaly", "new_terms", "impossible_travel"),
            of_cluster(rules_run),
            checks("trail-insights"),
        ),
    ),
    _item(4, "response", "Alerts start a response by themselves", reacts),
    _item(
        4,
        "cross-account",
        "All accounts are watched, new ones too",
        either(checks("organisation-trail"), of_cluster(sees_several_accounts)),
    ),
    _item(4, "compliance-reports", "Reports have a compliance framework", mails_compliance),
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
