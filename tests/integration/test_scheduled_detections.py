"""Rules on schedule: every event is looked at once it can be seen, late or not, and alerts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from opensearchpy import OpenSearch

from detections.alerts.store import AlertQuery, AlertStore
from detections.finding import Finding
from detections.rule import Rule
from detections.running.detector import Detector
from detections.running.due_rules import DueRules
from detections.running.pace import pace_of
from detections.running.schedule import batches
from detections.running.scheduler import Turn
from detections.span import Span
from tests.helpers.detection_rules import BURST, DELETED, due_again, write_rules
from tests.helpers.trails import backfill, own_settings, record, write_trail
from trailhound.app.detection import scheduled_detections
from trailhound.app.detection.detection import History, detector, rules_in_force
from trailhound.app.detection.scheduled_detections import ScheduledDetections
from trailhound.cli.daemons import show_rules
from trailhound.cli.options import history_span_of
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.errors import ClusterUnreachableError
from trailhound.settings import Settings
from trailhound.state.rule_checkpoints import RuleCheckpoints

TURN = Turn(None, lambda: True)


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    pack = write_rules(tmp_path / "rules") / "rules.yml"
    # Longer than a run takes: else a rule would be due again once it has run.
    pack.write_text(pack.read_text().replace("interval: 1s", "interval: 1m"))
    rules = {"shipped": False, "rules": [str(tmp_path / "rules")]}
    return own_settings(engine, namespace, tmp_path / "home", detections=rules)


@pytest.fixture
def watch(client: OpenSearch, settings: Settings) -> DueRules:
    pack = rules_in_force(settings)
    assert not pack.faults
    return DueRules(client, settings, detector(client, settings, pack), pack.alerting)


@pytest.fixture
def bring(client: OpenSearch, settings: Settings, tmp_path: Path) -> Callable[..., None]:
    """Index records, and let them be found."""

    def work(*records: dict[str, Any]) -> None:
        number = len(list(tmp_path.glob("in-*")))
        backfill(settings, write_trail(tmp_path / f"in-{number}", records))
        client.indices.refresh(index=templates.Names(settings.prefix).days)

    return work


def run_all(watch: DueRules) -> None:
    """Run what is due, and go on where a rule is far behind."""
    while watch.run_once(TURN):
        pass


def ago(**span: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**span):%Y-%m-%dT%H:%M:%SZ}"


def deleted(**changes: Any) -> dict[str, Any]:
    made = {"eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail"}
    return record(**made | {"eventTime": ago(minutes=1)} | changes)


def alerts(client: OpenSearch, settings: Settings) -> list[dict[str, Any]]:
    return AlertStore(client, settings).find(AlertQuery())


def test_what_comes_in_is_found_once_however_often_the_rules_run(
    watch: DueRules, bring: Callable[..., None], client: OpenSearch, settings: Settings
) -> None:
    bring(deleted(), record(eventTime=ago(minutes=1)))
    for _ in range(3):
        run_all(watch)
        due_again(client, settings, minutes=2)
    (alert,) = alerts(client, settings)
    assert (alert["rule"]["id"], alert["count"]) == (DELETED, 1)
    bring(deleted())
    run_all(watch)
    assert len(alerts(client, settings)) == 2


def test_an_event_that_is_a_day_late_is_found_and_one_of_a_backfill_is_not(
    watch: DueRules, bring: Callable[..., None], client: OpenSearch, settings: Settings
) -> None:
    late, old = deleted(eventTime=ago(hours=23)), deleted(eventTime=ago(days=40))
    bring(late, old)
    run_all(watch)
    (alert,) = alerts(client, settings)
    assert alert["evidence"]["event_id"] == [late["eventID"]]


def test_a_late_event_completes_a_burst_and_another_joins_it(
    watch: DueRules, bring: Callable[..., None], client: OpenSearch, settings: Settings
) -> None:
    def denied(minutes: float) -> dict[str, Any]:
        return record(eventTime=ago(minutes=minutes), errorCode="AccessDenied")

    bring(*(denied(60 - number) for number in range(4)))
    run_all(watch)
    assert alerts(client, settings) == []
    bring(denied(58.5))
    due_again(client, settings, minutes=2)
    run_all(watch)
    (alert,) = alerts(client, settings)
    assert (alert["rule"]["id"], alert["count"]) == (BURST, 5)
    bring(denied(61))
    due_again(client, settings, minutes=2)
    run_all(watch)
    (again,) = alerts(client, settings)
    assert (again["id"], again["count"]) == (alert["id"], 6)


def test_events_are_found_although_their_index_is_never_refreshed(
    watch: DueRules,
    bring: Callable[..., None],
    client: OpenSearch,
    settings: Settings,
    tmp_path: Path,
) -> None:
    """As with `index.refresh_interval: -1`, or one that is longer than the lookback."""
    bring(record(eventTime=ago(minutes=1)))
    days = templates.Names(settings.prefix).days
    client.indices.put_settings(index=days, body={"index.refresh_interval": "-1"})
    backfill(settings, write_trail(tmp_path / "unseen", [deleted()]))
    assert client.count(index=days)["count"] == 1
    run_all(watch)
    assert len(alerts(client, settings)) == 1


def test_a_gap_of_hours_is_made_up(
    watch: DueRules, bring: Callable[..., None], client: OpenSearch, settings: Settings
) -> None:
    run_all(watch)
    bring(deleted())
    due_again(client, settings, hours=5)
    before = min(mark.seen_until for mark in RuleCheckpoints(client, settings).read().values())
    watch.run_once(TURN)
    assert watch.caught_up < before + timedelta(hours=2), "one step is made"
    run_all(watch)
    after = min(mark.seen_until for mark in RuleCheckpoints(client, settings).read().values())
    assert watch.caught_up == after
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
    watch = DueRules(client, settings, detector(client, settings, pack), pack.alerting)
    for _ in range(2):
        watch.run_once(TURN)  # once, however long it takes
        due_again(client, settings, minutes=2)
    marks = RuleCheckpoints(client, settings).read()
    assert marks[wrong.id].failures == 2
    assert watch.caught_up == marks[wrong.id].seen_until + timedelta(minutes=2)
    assert "no_such_query" in marks[wrong.id].last_error
    assert marks[wrong.id].seen_until < marks[DELETED].seen_until
    assert marks[DELETED].failures == 0
    assert len(alerts(client, settings)) == 1


def test_a_rule_that_gets_no_answer_in_time_holds_up_no_other(
    client: OpenSearch, settings: Settings, bring: Callable[..., None]
) -> None:
    pack = rules_in_force(settings)
    (slow,) = [rule for rule in pack.alerting if rule.id == BURST]
    other = replace(slow, id="other", title="Another")

    def evaluate(rule: Rule, _: Span) -> Iterator[Finding]:
        if rule.id == BURST:
            raise ClusterUnreachableError("it did not answer in time")
        yield from ()

    made = Detector(client, settings, pack, evaluate)
    run_all(DueRules(client, settings, made, (*pack.alerting, other)))
    marks = RuleCheckpoints(client, settings).read()
    assert {key: mark.failures for key, mark in marks.items()} == {DELETED: 0, BURST: 1, "other": 0}

    nowhere = connect(settings.model_copy(update={"cluster": _nowhere(settings)}))
    gone = Detector(nowhere, settings, pack, evaluate)
    with pytest.raises(ClusterUnreachableError):
        list(gone.run([slow, other], Span(datetime.now(UTC), datetime.now(UTC))))


def _nowhere(settings: Settings) -> Any:
    return settings.cluster.model_copy(update={"hosts": ["http://127.0.0.1:9"]})


def test_a_first_run_that_is_cut_short_leaves_no_gap(
    client: OpenSearch, settings: Settings
) -> None:
    pack = rules_in_force(settings)

    def killed(*_: object) -> Iterator[Finding]:
        raise KeyboardInterrupt

    watch = DueRules(client, settings, Detector(client, settings, pack, killed), pack.alerting)
    with pytest.raises(KeyboardInterrupt):
        run_all(watch)
    mark = RuleCheckpoints(client, settings).read()[BURST]
    assert mark.seen_until <= datetime.now(UTC) - pace_of(settings).lookback
    due = batches(pack.alerting, {BURST: mark}, datetime.now(UTC), pace_of(settings))
    assert BURST in {rule.id for batch in due for rule in batch.rules}


def test_a_rule_that_is_taken_away_rests_and_goes_on_where_it_was(
    watch: DueRules, client: OpenSearch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = rules_in_force(settings)
    run_all(watch)
    due_again(client, settings, hours=2)
    before = RuleCheckpoints(client, settings).read()[BURST]
    stood, begun = before.seen_until, before.begun
    assert begun is not None
    fewer = tuple(rule for rule in pack.alerting if rule.id != BURST)
    run_all(DueRules(client, settings, detector(client, settings, pack), fewer))
    marks = RuleCheckpoints(client, settings).read()
    assert (marks[BURST].inactive, marks[BURST].seen_until) == (True, stood)
    assert not marks[DELETED].inactive
    show_rules(list(marks.values()))
    said = capsys.readouterr().out
    assert "1 that ran before are not active now: Many denied calls" in said
    assert f"{marks[DELETED].seen_until:%F %T}" in said
    watch.run_once(TURN)
    mark = RuleCheckpoints(client, settings).read()[BURST]
    assert (mark.inactive, mark.seen_until) == (False, stood + timedelta(hours=1))
    assert mark.begun == begun


def test_history_reaches_to_the_event_that_was_written_last(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    backfill(settings, write_trail(tmp_path / "in", [deleted(eventTime="2025-03-01T10:00:00Z")]))
    bounds = History(
        client, settings, rules_in_force(settings), history_span_of(None, None)
    ).bounds()
    assert bounds is not None, "before any refresh of the index's own"
    assert bounds[1] == datetime(2025, 3, 1, 10, tzinfo=UTC)


def test_rules_that_cannot_be_had_leave_the_old_ones_in_force(
    client: OpenSearch, settings: Settings, tmp_path: Path, bring: Callable[..., None]
) -> None:
    heard: list[str] = []
    scheduled = ScheduledDetections(client, settings, lambda run: heard.append(run.rule.id))
    scheduled.turn(TURN)
    gone = settings.detections.model_copy(update={"rules": [tmp_path / "gone"]})
    scheduled.take(settings.model_copy(update={"detections": gone}))
    bring(deleted())
    due_again(client, settings, minutes=2)
    heard.clear()
    scheduled.turn(TURN)
    assert set(heard) == {DELETED, BURST}
    assert len(alerts(client, settings)) == 1
    (tmp_path / "rules" / "rules.yml").write_text("title: broken\n")
    write_rules(tmp_path / "others")
    both = settings.detections.model_copy(
        update={"rules": [tmp_path / "rules", tmp_path / "others"]}
    )
    scheduled.take(settings.model_copy(update={"detections": both}))
    due_again(client, settings, minutes=2)
    heard.clear()
    scheduled.turn(TURN)
    assert set(heard) == {DELETED, BURST}, "a broken file stops no other"


@pytest.mark.parametrize("seconds", [0.0, scheduled_detections.SENT_WITHIN])
def test_in_a_long_run_alerts_are_sent_before_the_other_rules_have_run(
    client: OpenSearch,
    settings: Settings,
    tmp_path: Path,
    bring: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
) -> None:
    sent = tmp_path / "sent"
    hook = ["sh", "-c", f"cat > /dev/null; echo sent >> {sent}"]
    channels = [{"name": "hook", "kind": "command", "command": hook}]
    notified = own_settings(
        settings.hosts[0],
        settings.namespace,
        settings.home,
        detections=settings.detections.model_dump(mode="json", exclude_unset=True),
        notify={"channels": channels},
    )
    heard: list[tuple[str, bool]] = []
    scheduled = ScheduledDetections(
        client, notified, lambda run: heard.append((run.rule.id, sent.exists()))
    )
    scheduled.turn(TURN)
    bring(deleted(), *(record(eventTime=ago(minutes=1), errorCode="AccessDenied") for _ in "12345"))
    due_again(client, settings, minutes=2)
    heard.clear()
    monkeypatch.setattr(scheduled_detections, "SENT_WITHIN", seconds)
    scheduled.turn(TURN)
    assert heard == [(DELETED, False), (BURST, not seconds)]
    found = alerts(client, settings)
    assert len({each["incident"] for each in found}) == 1
    assert (len(found), sent.read_text()) == (2, "sent\n"), "one message about the incident"


def with_paths(settings: Settings, **paths: list[Path]) -> Settings:
    return settings.model_copy(
        update={"detections": settings.detections.model_copy(update=dict(paths))}
    )


def test_rules_are_loaded_anew_once_an_exception_has_ended(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "exceptions").mkdir()
    rules = {"rules": "any", "known": {"eventName": "DeleteTrail"}, "condition": "not known"}
    last = (datetime.now(UTC) + timedelta(days=2)).date()
    document = {
        "title": "Known",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "filter": rules,
        "trailhound": {"expires": last.isoformat()},
    }
    (tmp_path / "exceptions" / "known.yml").write_text(yaml.safe_dump(document))
    scheduled = ScheduledDetections(
        client, with_paths(settings, exceptions=[tmp_path / "exceptions"])
    )
    first = scheduled._made()
    assert scheduled._made() is first
    assert scheduled._next_end == last
    scheduled._next_end = last - timedelta(days=3)
    assert scheduled._made() is not first
    assert scheduled._next_end == last


def test_what_is_missing_at_the_start_stops_no_other_rule_and_is_loaded_once_it_is_there(
    client: OpenSearch, settings: Settings, tmp_path: Path, bring: Callable[..., None]
) -> None:
    heard: list[str] = []
    late, exceptions = tmp_path / "late", tmp_path / "exceptions"
    asked_for = with_paths(settings, rules=[late, tmp_path / "rules"], exceptions=[exceptions])
    scheduled = ScheduledDetections(client, asked_for, lambda run: heard.append(run.rule.id))
    bring(deleted())
    scheduled.turn(TURN)
    assert set(heard) == {DELETED, BURST}
    assert len(alerts(client, settings)) == 1, "an exception that is not there stops no rule"
    assert [each.message for each in scheduled.unread] == [
        f"detections.rules: no such file or folder: {late}",
        f"detections.exceptions: no such file or folder: {exceptions}",
    ]
    assert scheduled.faults == "", "they are said once"
    assert scheduled.lost == ()
    exceptions.mkdir()
    write_rule_of(late, "6a7f1c9e-0000-4000-8000-00000000000a")
    heard.clear()
    due_again(client, settings, minutes=2)
    scheduled.turn(TURN)
    assert "6a7f1c9e-0000-4000-8000-00000000000a" in heard, "no signal is needed"
    assert scheduled.unread == ()


def test_a_folder_that_goes_away_leaves_its_rules_in_force(
    client: OpenSearch, settings: Settings, tmp_path: Path, bring: Callable[..., None]
) -> None:
    heard: list[str] = []
    scheduled = ScheduledDetections(client, settings, lambda run: heard.append(run.rule.id))
    scheduled.turn(TURN)
    (tmp_path / "rules").rename(tmp_path / "away")
    for taken in (False, True):  # noticed without a signal, and after one
        if taken:
            scheduled.take(settings)
        due_again(client, settings, minutes=2)
        heard.clear()
        scheduled.turn(TURN)
        assert set(heard) == {DELETED, BURST}
        (gone,) = scheduled.lost
        assert gone.message == f"detections.rules: no such file or folder: {tmp_path / 'rules'}"
        assert scheduled.unread == ()
    (tmp_path / "away").rename(tmp_path / "rules")
    write_rule_of(tmp_path / "rules" / "more", "6a7f1c9e-0000-4000-8000-00000000000a")
    scheduled.turn(TURN)
    assert scheduled.lost == ()
    assert "6a7f1c9e-0000-4000-8000-00000000000a" in scheduled.intervals


def write_rule_of(folder: Path, identifier: str) -> None:
    folder.mkdir()
    rule = {
        "title": "Late rule",
        "id": identifier,
        "level": "high",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"it": {"eventName": "CreateKey"}, "condition": "it"},
    }
    (folder / "late.yml").write_text(yaml.safe_dump(rule), encoding="utf-8")
