"""What the checklist makes of AWS, the cluster and the settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detections.packs.pack import Pack
from tests.helpers.postures import account, found, posture
from trailhound.app.checklist.answers import ChecklistFacts, ClusterFacts
from trailhound.app.checklist.checklist import ITEMS, PHASES, checklist
from trailhound.app.detection.detection import rules_in_force
from trailhound.app.health.readiness import Readiness, Reason
from trailhound.settings import Settings
from trailhound.state.daemons import DaemonState
from trailhound.state.jobs import JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "notify": {"channels": [{"name": "pager", "kind": "command", "command": ["true"]}]},
    "retention": {"days": 400},
    "integrity": {"every": 3600},
    "report": {"mail": {"to": ["a@example.com"], "host": "localhost", "compliance": ["cis"]}},
}
CLUSTER = ClusterFacts(
    daemons=[DaemonState(id="d", heartbeat=NOW)],
    rules=[RuleCheckpoint("r", "rule", NOW, NOW - timedelta(minutes=5))],
    newest=NOW - timedelta(minutes=10),
    accounts=2,
    readiness=Readiness(()),
)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return rules_in_force(Settings())


def facts(pack: Pack, tmp_path: Path, **changes: Any) -> ChecklistFacts:
    made = ChecklistFacts(
        posture=replace(posture(), findings=tuple(found(account()))),
        cluster=CLUSTER,
        pack=pack,
        dashboards=True,
        settings=Settings.model_validate({**GOOD, "home": tmp_path}),
        now=NOW,
    )
    return replace(made, **changes)


def states(of: ChecklistFacts) -> dict[str, str]:
    return {line.item.id: line.answer.state for line in checklist(of)}


def test_there_are_four_phases_of_five_items_and_more() -> None:
    by_phase = [sum(each.phase == phase for each in ITEMS) for phase in PHASES]
    assert by_phase == [6, 5, 5, 5]
    assert len({each.id for each in ITEMS}) == len(ITEMS)


def test_all_is_done_but_what_a_person_has_to_say(pack: Pack, tmp_path: Path) -> None:
    answered = states(facts(pack, tmp_path))
    assert answered.pop("trained-team") == "person"
    assert set(answered.values()) == {"done"}


def test_nothing_is_done_where_nothing_is_set_up(tmp_path: Path) -> None:
    bare = tuple(found(account(trails=[], buckets={}, groups={}, organisation=None)))
    answered = states(
        facts(
            Pack(),
            tmp_path,
            posture=replace(posture(), findings=bare),
            cluster=ClusterFacts(readiness=Readiness(())),
            dashboards=False,
            settings=Settings(),
        )
    )
    assert answered.pop("trained-team") == answered.pop("cross-account") == "person"
    assert set(answered.values()) == {"open"}


def test_what_could_not_be_asked_is_not_known(pack: Pack, tmp_path: Path) -> None:
    dark = facts(
        pack,
        tmp_path,
        posture="AWS: denied",
        cluster="no answer",
        dashboards="no answer",
        settings=Settings(),
    )
    lines = {line.item.id: line.answer for line in checklist(dark)}
    assert {id_ for id_, each in lines.items() if each.state == "done"} == set()
    assert lines["all-regions"].evidence == "AWS: denied"
    assert lines["threat-detection"].evidence == "no answer"
    assert lines["dashboards"].state == "unknown"


@pytest.mark.parametrize(
    ("item", "changes"),
    [
        ("threat-detection", {"rules": []}),
        (
            "threat-detection",
            {"rules": [RuleCheckpoint("r", "rule", NOW, NOW - timedelta(days=1))]},
        ),
        ("siem", {"daemons": []}),
        ("siem", {"readiness": Readiness((Reason("feed", "q", "the queue can't be read"),))}),
        ("performance", {"newest": NOW - timedelta(hours=3)}),
        (
            "scheduled-reports",
            {"jobs": {"report-mail": JobState(name="report-mail", last_error="refused")}},
        ),
    ],
)
def test_the_cluster_says_what_is_left(
    pack: Pack, tmp_path: Path, item: str, changes: dict[str, Any]
) -> None:
    cluster = replace(CLUSTER, **changes)
    lines = {
        line.item.id: line.answer for line in checklist(facts(pack, tmp_path, cluster=cluster))
    }
    assert lines[item].state == "open"
    assert lines[item].todo


def test_either_way_of_alerting_is_enough(pack: Pack, tmp_path: Path) -> None:
    without = replace(posture(), findings=tuple(found(account(trails=[]))))
    assert states(facts(pack, tmp_path, posture=without))["basic-alerts"] == "done"
    neither = facts(pack, tmp_path, posture=without, settings=Settings())
    assert states(neither)["basic-alerts"] == "open"
