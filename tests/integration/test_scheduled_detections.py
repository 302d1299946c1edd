"""Rules on schedule: every event is looked at once it can be seen, late or not, and alerts once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts.desk import Desk, Wanted
from detections.running.marks import Marks
from detections.running.scheduler import Turn
from detections.running.watch import Watch
from tests.detection_rules import BURST, DELETED, write_rules
from tests.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster import templates
from trailhound.detecting import detector, rules_in_force
from trailhound.settings import Settings

TURN = Turn(None, lambda: True)


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    rules = {"shipped": False, "rules": [str(write_rules(tmp_path / "rules"))]}
    return own_settings(engine, namespace, tmp_path / "home", detections=rules)


@pytest.fixture
def client(settings: Settings) -> OpenSearch:
    return prepared(settings)


@pytest.fixture
def watch(client: OpenSearch, settings: Settings) -> Watch:
    pack = rules_in_force(settings)
    assert not pack.faults
    return Watch(client, settings, detector(client, settings, pack), pack.alerting)


@pytest.fixture
def bring(client: OpenSearch, settings: Settings, tmp_path: Path) -> Callable[..., None]:
    """Index records, and let them be found."""

    def work(*records: dict[str, Any]) -> None:
        number = len(list(tmp_path.glob("in-*")))
        backfill(settings, write_trail(tmp_path / f"in-{number}", records))
        client.indices.refresh(index=templates.Names(settings.prefix).days)

    return work


def ago(**span: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**span):%Y-%m-%dT%H:%M:%SZ}"


def deleted(**changes: Any) -> dict[str, Any]:
    made = {"eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail"}
    return record(**made | {"eventTime": ago(minutes=1)} | changes)


def alerts(client: OpenSearch, settings: Settings) -> list[dict[str, Any]]:
    return Desk(client, settings).find(Wanted())


def due_again(client: OpenSearch, settings: Settings, **back: float) -> None:
    """Let time go by: every rule's last run, and what it has seen, were so long ago."""
    marks = Marks(client, settings)
    moved = []
    for mark in marks.read().values():
        changes = {
            "seen_until": mark.seen_until - timedelta(**back),
            "ran_at": mark.ran_at - timedelta(**back),
        }
        moved.append(type(mark)(**{**mark.as_dict(), **changes}))
    marks.write(moved)


def test_what_comes_in_is_found_once_however_often_the_rules_run(
    watch: Watch, bring: Callable[..., None], client: OpenSearch, settings: Settings
) -> None:
    bring(deleted(), record(eventTime=ago(minutes=1)))
    for _ in range(3):
        watch.turn(TURN)
        due_again(client, settings, seconds=5)
    (alert,) = alerts(client, settings)
    assert (alert["rule"]["id"], alert["count"]) == (DELETED, 1)
    bring(deleted())
    watch.turn(TURN)
    assert len(alerts(client, settings)) == 2


def test_an_event_that_is_a_day_late_is_found_and_one_of_a_backfill_is_not(
    watch: Watch, bring: Callable[..., None], client: OpenSearch, settings: Settings
) -> None:
    late, old = deleted(eventTime=ago(hours=23)), deleted(eventTime=ago(days=40))
    bring(late, old)
    watch.turn(TURN)
    (alert,) = alerts(client, settings)
    assert alert["evidence"]["event_id"] == [late["eventID"]]


def test_a_late_event_completes_a_burst_and_another_joins_it(
    watch: Watch, bring: Callable[..., None], client: OpenSearch, settings: Settings
) -> None:
    def denied(minutes: float) -> dict[str, Any]:
        return record(eventTime=ago(minutes=minutes), errorCode="AccessDenied")

    bring(*(denied(60 - number) for number in range(4)))
    watch.turn(TURN)
    assert alerts(client, settings) == []
    bring(denied(58.5))
    due_again(client, settings, seconds=5)
    watch.turn(TURN)
    (alert,) = alerts(client, settings)
    assert (alert["rule"]["id"], alert["count"]) == (BURST, 5)
    bring(denied(61))
    due_again(client, settings, seconds=5)
    watch.turn(TURN)
    (again,) = alerts(client, settings)
    assert (again["id"], again["count"]) == (alert["id"], 6)


def test_a_gap_of_hours_is_made_up(
    watch: Watch, bring: Callable[..., None], client: OpenSearch, settings: Settings
) -> None:
    watch.turn(TURN)
    bring(deleted())
    due_again(client, settings, hours=5)
    before = min(mark.seen_until for mark in Marks(client, settings).read().values())
    watch.turn(TURN)
    after = min(mark.seen_until for mark in Marks(client, settings).read().values())
    assert after - before > timedelta(hours=4, minutes=59)
    assert len(alerts(client, settings)) == 1


def test_a_rule_that_fails_leaves_its_mark_and_holds_up_no_other(
    client: OpenSearch, settings: Settings, bring: Callable[..., None], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    terms = ", ".join(f"v{number}" for number in range(3))
    (broken / "x.yml").write_text(
        "title: Cannot run\nid: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a09\nlevel: low\n"
        "logsource: {product: aws, service: cloudtrail}\n"
        f"detection: {{s: {{eventName: [{terms}]}}, condition: s}}\n"
        "trailhound: {interval: 1s}\n"
    )
    pack = rules_in_force(settings, [broken])
    (wrong,) = [rule for rule in pack.rules if rule.title == "Cannot run"]
    compiled = pack.compiled[wrong.id]
    refused = type(compiled)({"no_such_query": {}}, plain={"no_such_query": {}})
    pack = type(pack)(pack.rules, {**pack.compiled, wrong.id: refused}, pack.faults, pack.disabled)
    bring(deleted())
    watch = Watch(client, settings, detector(client, settings, pack), pack.alerting)
    for _ in range(2):
        watch.turn(TURN)
        due_again(client, settings, minutes=2)
    marks = Marks(client, settings).read()
    assert marks[wrong.id].failures == 2
    assert "no_such_query" in marks[wrong.id].last_error
    assert marks[wrong.id].seen_until < marks[DELETED].seen_until
    assert marks[DELETED].failures == 0
    assert len(alerts(client, settings)) == 1
