"""What is known of the rules besides their alerts: failed runs, and what they do not report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opensearchpy import OpenSearch

from detections.alerts.learning_alerts import LearningAlerts, learning_alerts
from detections.automation.known_summary import KnownSummary, known_summary
from detections.automation.left_out import LeftOut, left_out
from detections.packs.lacking import absent_data, sentence
from detections.packs.loading import load
from detections.running.excepted import Excepted, excepted
from detections.running.job_note import lines_of
from trailhound.report.collect.query import ReportWindow
from trailhound.report.value import Scope
from trailhound.settings import Settings
from trailhound.state.jobs import DETECTIONS, Jobs
from trailhound.state.rule_checkpoints import RuleCheckpoint


@dataclass(frozen=True, slots=True)
class RuleState:
    """`failing`: titles of rules whose last scheduled run failed; `known` and `left_out`: known
    automation, and what rules left out as such; `learning`: alerts found before there was enough
    history; `history`: which rules lack it now, `lacking`: which lack data, such as a database of
    networks; `disabled`: titles of rules that settings switch off; `excepted`: what exceptions of
    the settings left out."""

    failing: tuple[str, ...]
    known: KnownSummary
    left_out: tuple[LeftOut, ...]
    learning: tuple[LearningAlerts, ...]
    history: str
    disabled: tuple[str, ...] = ()
    excepted: tuple[Excepted, ...] = ()
    lacking: str = ""


def rule_state(
    client: OpenSearch,
    settings: Settings,
    window: ReportWindow,
    scope: Scope,
    checkpoints: Sequence[RuleCheckpoint],
    now: datetime,
) -> RuleState:
    """Read it for a report. `scope` is what the window covers, `now` the time of the report. Raises
    `RequestFailedError` and opensearch-py's exceptions."""
    pack = load(settings.detections)
    return RuleState(
        failing=tuple(
            sorted(each.title for each in checkpoints if each.failures and not each.inactive)
        ),
        known=known_summary(client, settings, now),
        left_out=tuple(left_out(client, settings, lambda: pack, window.events())),
        learning=tuple(learning_alerts(client, settings.prefix, scope.since or now, scope.until)),
        history=lines_of(Jobs(client, settings).get(DETECTIONS).note)[0],
        lacking=sentence(pack, absent_data(settings.enrich)),
        disabled=tuple(sorted(rule.title for rule in pack.disabled)),
        excepted=tuple(excepted(client, settings.prefix, pack, window.events())),
    )
