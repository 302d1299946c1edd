"""The reasons why it is not ready: each thing that is wrong has one, and nothing else has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trailhound.app.health.readiness import Reason
from trailhound.app.health.reasons import reasons
from trailhound.app.health.shared_state import SharedState
from trailhound.settings import Settings, load
from trailhound.state.channels import ChannelState
from trailhound.state.daemons import DaemonState
from trailhound.state.jobs import JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint

JOBS = ["detections", "housekeeping"]
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
CHANNELS = {"channels": [{"name": "mail", "kind": "command", "command": ["true"]}]}


def settings(**sections: Any) -> Settings:
    return load(None, sections)


def rule(**changes: Any) -> RuleCheckpoint:
    values: dict[str, Any] = {
        "rule_id": "r1",
        "title": "Root login",
        "seen_until": NOW - timedelta(minutes=5),
        "ran_at": NOW,
    }
    return RuleCheckpoint(**values | changes)


def daemon(**report: Any) -> DaemonState:
    started = (NOW - timedelta(hours=1)).isoformat()
    said = {"started": started, "jobs": JOBS, "leads": True, "reasons": []} | report
    return DaemonState(id="d", heartbeat=NOW, host="h", pid=7, report=said)


def intervals() -> Mapping[str, timedelta]:
    return {"r1": timedelta(minutes=5), "r2": timedelta(days=1)}


def found(shared: SharedState, **sections: Any) -> dict[tuple[str, str], str]:
    shared.read_at = NOW
    made = reasons(shared, settings(**sections), intervals)
    assert all(each.advice for each in made)
    return {(each.code, each.subject): each.message for each in made}


def test_an_installation_that_works_has_none() -> None:
    done = JobState(name="detections", last_run=NOW.isoformat(), last_success=NOW.isoformat())
    channel = ChannelState(
        name="mail",
        last_error="refused",
        last_error_at="2025-03-01T11",
        last_delivery="2025-03-01T12",
    )
    shared = SharedState([daemon()], [done], [rule()], {"mail": channel})
    assert found(shared, notify=CHANNELS) == {}
    assert found(SharedState()) == {}


def test_what_is_not_known_is_not_ready() -> None:
    older = DaemonState(id="d", heartbeat=NOW, host="h", pid=7, report={"leads": True})
    assert "does not report whether it is ready" in found(SharedState([older]))["release", "h 7"]
    unread = found(SharedState(missing="x-trailhound-ledger"))["state", "ledger"]
    assert "there is no index x-trailhound-ledger" in unread


def test_a_job_that_fails() -> None:
    failing = JobState(name="detections", last_error="KeyError: 'seen_until'", failures=9)
    assert (
        "KeyError: 'seen_until'" in found(SharedState([daemon()], [failing]))["job", "detections"]
    )
    assert found(SharedState([daemon()], [failing]), detections={"scheduled": False}) == {}
    unused = JobState(name="report-mail", last_error="no server")
    assert found(SharedState([daemon()], [unused])) == {}


@pytest.mark.parametrize(
    ("minutes", "identifier", "late"),
    [(24, "r1", False), (26, "r1", True), (26, "r2", False), (60 * 50, "r2", True)],
)
def test_a_rule_is_past_due_by_its_own_interval(minutes: int, identifier: str, late: bool) -> None:
    mark = rule(rule_id=identifier, seen_until=NOW - timedelta(minutes=minutes))
    assert (("rule", "Root login") in found(SharedState([daemon()], rules=[mark]))) is late
    inactive = rule(seen_until=NOW - timedelta(days=9), inactive=True)
    assert found(SharedState([daemon()], rules=[inactive])) == {}


def test_rules_that_fail_are_named() -> None:
    marks = [
        rule(rule_id=str(number), title=f"Rule {number}", failures=number, last_error="no field")
        for number in range(6)
    ]
    (message,) = found(SharedState([daemon()], rules=marks)).values()
    assert "5 rules (Rule 1, Rule 2, Rule 3, …)" in message
    assert "Rule 5: no field" in message


def test_a_channel_that_does_not_deliver() -> None:
    down = ChannelState(
        name="mail",
        waiting=3,
        last_error="refused",
        last_error_at="2025-03-01T12",
        last_delivery="2025-03-01T11",
    )
    shared = SharedState([daemon()], channels={"mail": down})
    assert "3 alerts wait" in found(shared, notify=CHANNELS)["channel", "mail"]
    assert found(shared) == {}


def test_a_channel_whose_alerts_were_given_up() -> None:
    up = ChannelState(name="mail", last_error="refused", last_error_at="2025-03-01T11")
    lost = up.gave_up("2025-03-01T11:00:00.000Z").gave_up("2025-03-01T11:30:00.000Z")
    said = found(SharedState([daemon()], channels={"mail": lost}), notify=CHANNELS)
    assert said["channel", "mail"] == (
        "the channel mail has delivered nothing since 2 alerts were given up, from "
        "2025-03-01 11:00:00 UTC on: refused"
    )
    again = lost.delivered("2025-03-01T11:40:00.000Z")
    assert found(SharedState([daemon()], channels={"mail": again}), notify=CHANNELS) == {}


def test_no_daemon_and_no_leader() -> None:
    assert ("daemon", "daemon") in found(SharedState(jobs=[JobState(name="retention")]))
    # None was ever started, and the settings name what it should follow.
    assert found(SharedState()) == {}
    assert ("daemon", "daemon") in found(SharedState(), run={"sources": [{"watch": "/trail"}]})
    assert ("leader", "scheduler") in found(SharedState([daemon(leads=False, jobs=[])]))
    fresh = daemon(leads=False, jobs=[], started=NOW.isoformat())
    assert found(SharedState([fresh])) == {}


def test_a_job_that_no_daemon_runs_is_named() -> None:
    """Daemons may have other settings than whoever asks."""
    ingesting = daemon(jobs=["housekeeping"])
    said = found(SharedState([ingesting]))
    assert said == {
        ("leader", "detections"): "no daemon runs the job detections, which these settings ask for"
    }
    assert found(SharedState([ingesting]), detections={"scheduled": False}) == {}
    assert found(SharedState([ingesting, daemon(jobs=["detections"])])) == {}
    kept = found(SharedState([daemon()]), retention={"days": 400}, integrity={"every": 3600})
    assert set(kept) == {("leader", "retention"), ("leader", "integrity")}


def test_a_daemon_of_the_last_release_runs_all_jobs_and_names_none() -> None:
    older = daemon()
    del older.report["jobs"]
    assert found(SharedState([older]), retention={"days": 400}) == {}


def test_what_a_daemon_says_of_itself_is_repeated() -> None:
    said = Reason("thread", "watch x", "the thread watch x failed").as_dict()
    assert "h 7" in found(SharedState([daemon(reasons=[said])]))["thread", "watch x"]


def test_sources_that_no_daemon_follows_are_named() -> None:
    arn = "arn:aws:sqs:eu-west-1:111122223333:trail"
    run = {"sources": [{"queue": arn}, {"poll": "s3://new/AWSLogs"}, {"watch": "AWSLogs"}]}

    def of(*names: str) -> DaemonState:
        return daemon(sources=[{"name": name} for name in names])

    named = {("source", source["poll"]): "" for source in run["sources"] if "poll" in source}
    old = of("trail", "s3://old/", "/data/AWSLogs")
    assert found(SharedState([old]), run=run).keys() == named.keys()
    assert found(SharedState([old, of("s3://new/AWSLogs/")]), run=run) == {}
    assert set(found(SharedState([of()]), run=run)) >= {("source", arn), ("source", "AWSLogs")}
    assert found(SharedState([daemon()]), run=run) == {}, "one that does not say what it follows"


def test_of_a_ledger_without_writes_it_is_not_said_that_no_daemon_runs() -> None:
    blocked = SharedState(jobs=[JobState(name="detections")], ledger_blocked="index.blocks.write")
    assert set(found(blocked)) == {("blocked", "trailhound-ledger")}


def test_a_full_disk_is_the_one_reason_for_what_the_cluster_blocks() -> None:
    blocked = "index.blocks.read_only_allow_delete"
    assert set(found(SharedState(dead_letters_blocked=blocked))) == {
        ("deadletter", "trailhound-deadletter")
    }
    assert set(found(SharedState(alerts_blocked=blocked))) == {("blocked", "trailhound-alerts")}
    full = SharedState(
        dead_letters_blocked=blocked,
        ledger_blocked=blocked,
        alerts_blocked=blocked,
        disk_full="disk full at node n",
    )
    assert found(full) == {("disk", "disk"): "disk full at node n"}
