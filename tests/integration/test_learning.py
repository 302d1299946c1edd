"""The first days of an index: what is found with too little history is kept and is in one message
a day; with enough history it is sent as any other alert."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opensearchpy import OpenSearch

from detections.alerts.store import AlertQuery, AlertStore
from detections.running.job_note import lines_of
from detections.running.scheduler import Turn
from tests.helpers.clock import lasting_now
from tests.helpers.commands import command
from tests.helpers.receiver import Receiver
from tests.helpers.trails import backfill, own_settings, record, write_trail
from trailhound.app.detection.scheduled_detections import ScheduledDetections
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.jobs import DETECTIONS, Jobs, JobState
from trailhound.state.rule_checkpoints import RuleCheckpoints

TURN = Turn(None, lambda: True)
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
QUIET = [f"quiet-{number}" for number in range(11)]
RULE = "a378c706-16eb-4739-88e9-c1a3c72b8c30"


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path, receiver: Receiver) -> Settings:
    url = f"http://127.0.0.1:{receiver.port}/hook"
    channel = {"name": "hook", "kind": "webhook", "url": url, "secret": "s", "timeout": 30}
    channel["level"] = "low"
    return own_settings(
        engine,
        namespace,
        tmp_path / "home",
        detections={"late_hours": 100},
        notify={"channels": [channel], "max_age_hours": 100, "per_minute": 100},
    )


def day(back: int, **numbers: int) -> list[dict[str, Any]]:
    """A call by each quiet user so many days ago, and as many as named by others."""
    return [
        record(
            eventTime=f"{NOON - timedelta(days=back, seconds=-number):%Y-%m-%dT%H:%M:%SZ}",
            eventSource="ec2.amazonaws.com",
            eventName="DescribeInstances",
            userIdentity={
                "type": "IAMUser",
                "accountId": "111122223333",
                "arn": f"arn:aws:iam::111122223333:user/{name}",
                "userName": name,
            },
        )
        for name, count in {**dict.fromkeys(QUIET, 1), **numbers}.items()
        for number in range(count)
    ]


def bring(client: OpenSearch, settings: Settings, folder: Path, records: Any) -> None:
    backfill(settings, write_trail(folder, records))
    client.indices.refresh(index=Names(settings.prefix).days)


def due_again(client: OpenSearch, settings: Settings) -> None:
    """Let time go by: every rule's last run was ten minutes ago."""
    marks = RuleCheckpoints(client, settings)
    ago = timedelta(minutes=10)
    marks.write(
        msgspec.structs.replace(each, seen_until=each.seen_until - ago, ran_at=each.ran_at - ago)
        for each in marks.read().values()
    )


def anomalies(client: OpenSearch, settings: Settings) -> dict[str, bool]:
    """Who is far above the others → whether that was found while learning."""
    client.indices.refresh(index=Names(settings.prefix).alerts)
    found = AlertStore(client, settings).find(AlertQuery(rule=RULE))
    return {each["entity"]["principal"][0]: each.get("learning", False) for each in found}


def messages(receiver: Receiver) -> list[dict[str, Any]]:
    """What the channel was sent about the anomalies."""
    return [
        each.json
        for each in receiver.received
        if each.json["kind"] == "digest" or each.json["alert"]["rule"]["id"] == RULE
    ]


def test_a_first_day_is_one_message_and_a_burst_after_it_an_alert(
    settings: Settings, client: OpenSearch, receiver: Receiver, tmp_path: Path
) -> None:
    """One story, since each step needs the one before."""
    lasting_now()  # there is one digest a day
    bring(client, settings, tmp_path / "first", [*day(2, ada=40), *day(1, bob=40)])
    scheduled = ScheduledDetections(client, settings)
    note = scheduled.turn(TURN)
    assert anomalies(client, settings) == {"ada": True, "bob": True}, "they are alerts"
    (said,) = messages(receiver)
    assert (said["kind"], said["learning"], said["levels"]) == ("digest", 2, {"low": 2})
    assert "2 × anomalous_activity" in said["text"]
    due_again(client, settings)
    scheduled.turn(TURN)
    assert len(messages(receiver)) == 1, "one a day"

    # What is not told is counted and named.
    assert "events on 2 days of the 30 before" in note
    assert "anomalous_activity (needs 7)" in note
    Jobs(client, settings).write(JobState(name=DETECTIONS, note=note))
    by_rule = [{"rule": "anomalous_activity", "alerts": 2}]
    assert json.loads(command(settings, "status", "--json").output)["learning"] == by_rule
    shown = " ".join(command(settings, "status").output.split())
    assert "anomalous_activity: 2 alerts were found before there was enough history" in shown
    assert f"no data {lines_of(note)[1]}" in shown
    assert "2 rules find nothing without enrich.asn_database" in shown
    assert lines_of(note)[0] in shown
    written = tmp_path / "report.json"
    assert not command(settings, "report", "-o", str(written)).exit_code
    text = written.read_text()
    assert "Alerts of rules that were still learning" in text
    assert "Rules without enough history" in text
    assert "Rules without data" in text
    assert "without enrich.asn_database" in text

    # Over history the same is found.
    detected = json.loads(command(settings, "detect", "--json").stdout)
    assert (detected["created"], detected["updated"]) == (0, 0)
    assert anomalies(client, settings) == {"ada": True, "bob": True}

    # With a week before them the bursts are alerts like any other: one that goes on, and one that
    # is found again.
    past = [each for back in range(3, 10) for each in day(back)]
    bring(client, settings, tmp_path / "past", past)
    more = [each for each in day(1, bob=75) if "bob" in each["userIdentity"]["arn"]]
    bring(client, settings, tmp_path / "more", more)
    due_again(client, settings)
    scheduled = ScheduledDetections(client, settings)
    assert not lines_of(scheduled.turn(TURN))[0]
    assert anomalies(client, settings) == {"ada": False, "bob": False}
    kinds = ["digest", "alert", "alert"]
    assert [each["kind"] for each in messages(receiver)] == kinds
    assert {each["alert"]["group"][1].rpartition("/")[2] for each in messages(receiver)[1:]} == {
        "ada",
        "bob",
    }
    assert json.loads(command(settings, "status", "--json").output)["learning"] == []
    assert command(settings, "detect").exit_code == 0
    scheduled.turn(TURN)
    assert anomalies(client, settings) == {"ada": False, "bob": False}
    assert [each["kind"] for each in messages(receiver)] == kinds, "each is sent once"
