"""Findings become alerts on a real cluster: once each, with all that a person asks."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts import burst as burst_module
from detections.alerts import merging as group_module
from detections.alerts.event_query import EventQueries
from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.packs.loading import load_paths
from tests.faults.proxy import Proxy, Request
from tests.helpers.commands import command
from tests.helpers.detection_rules import BURST as BURSTS
from tests.helpers.detection_rules import write_rules
from tests.helpers.findings import (
    ADA,
    START,
    at,
    burst,
    event_id,
    put_events,
    single,
)
from tests.helpers.recorded_alerts import PLAIN, RULES, spans
from tests.helpers.trails import reached_at
from trailhound.cluster.client import connect
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.settings import Settings


def test_an_event_of_a_plain_rule_is_one_alert_with_all_that_a_person_asks(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, [5])
    made = recorder.record([single(PLAIN.id, 5)])
    again = recorder.record([single(PLAIN.id, 5), single(PLAIN.id, 5)])
    assert (len(made.created), again.created, again.updated) == (1, set(), set())
    (alert,) = alert_store.find(AlertQuery())
    assert alert["id"] in made.created
    assert alert["rule"] == {
        "id": PLAIN.id,
        "name": PLAIN.title,
        "kind": "sigma",
        "level": "high",
        "severity": 8,
    }
    assert (alert["level"], alert["severity"], alert["count"], alert["state"]) == (
        "high",
        8,
        1,
        "open",
    )
    assert alert["attack"] == {"tactic": ["persistence"], "technique": ["T1098.001"]}
    assert alert["first_seen"] == alert["last_seen"] == "2025-03-01T12:00:05.000Z"
    assert alert["entity"] == {
        "account": ["111122223333"],
        "address": ["198.51.100.7"],
        "arn": ["arn:aws:iam::111122223333:user/ada"],
        "principal": ["ada"],
        "region": ["eu-west-1"],
        "resource": ["b", "role-5"],
    }
    assert alert["evidence"]["event_id"] == [event_id(5)]
    discover = "discover" if dialect_of(client).kibana else "data-explorer/discover"
    assert alert["evidence"]["url"].startswith(f"https://dashboards.example/app/{discover}#")
    assert event_id(5) in alert["evidence"]["url"]
    assert alert["response"] == ["ask ada", "revoke the key"]


def test_events_of_a_group_join_an_alert_while_they_are_near(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(0, 400, 10))
    findings = [single("grouped", second, ADA) for second in (0, 50, 100, 200, 250)]
    other = single("grouped", 60, (("userIdentity.arn", "bob"),))
    random.Random(3).shuffle(findings)
    for finding in (*findings, other, *findings):
        recorder.record([finding])
    assert spans(alert_store) == [
        ("00:00", "01:40", 3),
        ("01:00", "01:00", 1),
        ("03:20", "04:10", 2),
    ]
    made = recorder.record([single("grouped", 150, ADA)])
    assert len(made.merged) == 1
    assert spans(alert_store) == [("00:00", "04:10", 6), ("01:00", "01:00", 1)]
    (merged,) = [alert_store.get(name) for name in made.merged]
    assert (merged["state"], merged["merged_into"]) == ("closed", min(made.updated))


def test_bursts_that_overlap_update_one_alert(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(200))
    (name,) = recorder.record([burst("burst", range(20, 30), detail="10 calls")]).created
    recorder.record([burst("burst", range(25, 40), detail="15 calls")])
    late = recorder.record([burst("burst", range(10, 40), detail="30 calls")])
    assert late.updated == {name}
    assert spans(alert_store) == [("00:10", "00:39", 30)]
    alert = alert_store.get(name)
    assert alert["reason"] == "30 calls"
    assert alert["evidence"]["event_id"] == [event_id(second) for second in range(10, 40)]
    recorder.record([burst("burst", range(10, 160))])
    assert spans(alert_store) == [("00:10", "02:39", 150)]
    assert len(alert_store.get(name)["evidence"]["event_id"]) == 100
    before = alert_store.get(name)
    assert not recorder.record([burst("burst", range(10, 160))]).updated
    assert alert_store.get(name) == before


def test_the_same_findings_again_write_nothing_and_read_no_event(
    client: OpenSearch, settings: Settings
) -> None:
    """A schedule finds what it has found again and again."""
    put_events(client, settings, range(150))
    findings = [
        *(single(PLAIN.id, second) for second in (1, 2)),
        *(single("grouped", second, ADA) for second in (3, 4)),
        burst("burst", range(10, 20), detail="ten"),
        burst("burst", range(20, 150), (("user.name", "bob"),)),
    ]
    asked: list[str] = []

    def look(request: Request) -> None:
        asked.append(request.path)

    with Proxy(settings.hosts[0], look) as proxy:
        own = reached_at(settings, proxy.url)
        recorder = Recorder(connect(own), own, RULES)
        assert len(recorder.record(findings).created) == 5
        asked.clear()
        recorder.record(findings)
    assert asked
    assert all("/_mget" in path for path in asked), asked


def test_a_closed_alert_stays_closed_and_new_activity_is_a_new_one(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(100))
    (name,) = recorder.record([burst("burst", range(5))]).created
    alert_store.acknowledge(name, "ada", "looking")
    closed = alert_store.close(name, "ada", "a drill\x1b[2J")
    assert [each["state"] for each in closed["history"]] == ["open", "acknowledged", "closed"]
    assert "\x1b" not in closed["history"][-1]["note"]
    for _ in range(2):
        recorder.record([burst("burst", range(5))])
    assert not alert_store.find(AlertQuery(states=("open",)))
    for _ in range(2):
        recorder.record([burst("burst", range(8))])
    (new,) = alert_store.find(AlertQuery(states=("open",)))
    assert (new["count"], new["first_seen"]) == (3, "2025-03-01T12:00:05.000Z")
    assert new["entity"]["resource"] == ["b", "role-5", "role-6", "role-7"]
    with pytest.raises(UsageError, match="is closed"):
        alert_store.acknowledge(name, "bob")
    with pytest.raises(UsageError, match="no alert"):
        alert_store.close("nothing", "bob")


def test_alerts_that_the_directory_let_go_of_are_found_again(
    client: OpenSearch,
    settings: Settings,
    recorder: Recorder,
    alert_store: AlertStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_module, "ENTRIES", 2)
    seconds = range(0, 1000, 100)
    put_events(client, settings, range(0, 1000, 50))
    findings = [single("grouped", second, ADA) for second in seconds]
    recorder.record(findings)
    made = recorder.record([*findings, single("grouped", 150, ADA)])
    assert not made.created
    assert len(spans(alert_store)) == 9
    assert sum(count for *_, count in spans(alert_store)) == 11


def test_an_alert_names_calls_results_and_how_often_before(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    done: dict[str, Any] = {"event": {"outcome": "success"}}
    refused: dict[str, Any] = {"event": {"outcome": "failure"}}
    put_events(client, settings, [0, 4, 90], eventName="StopLogging", **done)
    put_events(client, settings, [2, 92], eventName="DeleteTrail", **refused)
    recorder.record([burst("burst", [0, 2, 4], ADA)])
    recorder.record([burst("burst", [90, 92], ADA)])
    later, earlier = alert_store.find(AlertQuery())
    assert earlier["calls"] == [
        {"name": "StopLogging", "count": 2, "failed": 0},
        {"name": "DeleteTrail", "count": 1, "failed": 1},
    ]
    assert (earlier["outcome"], earlier["attempt"]) == ("mixed", False)
    assert earlier["evidence"]["call"] == ["StopLogging", "DeleteTrail", "StopLogging"]
    assert earlier["summary"] == (
        "ada: StopLogging ×2, DeleteTrail, 1 of 3 failed, 2025-03-01 12:00:00 to 12:00:04 UTC, "
        "for the first time"
    )
    stored = client.get(index=Names(settings.prefix).alerts, id=earlier["id"])["_source"]
    assert stored["call_summary"] == "StopLogging ×2, DeleteTrail"
    assert "call_summary" not in earlier
    assert later["before"]["count"] == 1
    assert later["summary"].endswith("1 time before")
    recorder.record([single(PLAIN.id, second) for second in (0, 2)])
    recorder.record([single(PLAIN.id, 90)])
    counts = [each["before"]["count"] for each in alert_store.find(AlertQuery(rule=PLAIN.id))]
    assert counts == [2, 1, 0]
    shown = command(settings, "alerts", "show", earlier["id"]).output
    assert earlier["summary"] in shown
    assert "StopLogging ×2, DeleteTrail ×1 (1 failed)" in shown


ACCOUNTS = {"one": "111122223333", "two": "222233334444"}
CALLERS = (("ada", "one"), ("mallory", "two"), ("ada", "one"), ("ada", "two"), ("oscar", "one"))


@pytest.mark.parametrize("at_once", [True, False])
def test_without_a_group_alerts_of_others_are_not_counted_as_this_principals(
    client: OpenSearch,
    settings: Settings,
    recorder: Recorder,
    alert_store: AlertStore,
    at_once: bool,
) -> None:
    def put(second: int, name: str, account: str) -> None:
        number = ACCOUNTS[account]
        who = {"arn": f"arn:aws:iam::{number}:user/{name}"}
        changes: dict[str, Any] = {"userIdentity": who, "user": {"name": name}}
        put_events(client, settings, [second], recipientAccountId=number, **changes)

    for position, caller in enumerate(CALLERS):
        put(position * 1000, *caller)
    put(6000, "ada", "one")
    put(6001, "mallory", "two")
    findings = [burst("burst", [position * 1000]) for position in range(len(CALLERS))]
    findings.append(burst("burst", [6000, 6001]))
    for part in [findings] if at_once else [[each] for each in findings]:
        recorder.record(part)
    found = sorted(alert_store.find(AlertQuery()), key=lambda each: each["first_seen"])
    assert [each["before"]["count"] for each in found] == [0, 0, 1, 0, 0, 3]
    assert [each["summary"].rpartition(", ")[2] for each in found] == [
        *("for the first time", "for the first time", "1 time before"),
        *("for the first time", "for the first time", "3 times before"),
    ]
    assert found[2]["before"]["last"] == at(0).isoformat(timespec="milliseconds")
    assert "last" not in found[4]["before"]
    shown = command(settings, "alerts", "show", found[4]["id"]).output
    assert "for the first time" in " ".join(shown.split())
    # What grows or is merged is counted anew, and a merged one no more.
    put(500, "ada", "one")
    recorder.record([burst("burst", [0, 500, 1000, 2000])])
    left = [each for each in alert_store.find(AlertQuery()) if not each.get("merged_into")]
    first, *others = sorted(left, key=lambda each: each["first_seen"])
    assert (first["entity"]["principal"], first["before"]["count"]) == (["ada", "mallory"], 0)
    assert len(others) == 3
    put(9000, "ada", "one")
    recorder.record([burst("burst", [9000])])
    newest = max(alert_store.find(AlertQuery()), key=lambda each: each["first_seen"])
    assert newest["before"]["count"] == 2


def test_an_attempt_is_a_level_lower_until_a_call_succeeds(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(5), eventName="PutKeyPolicy", errorCode="AccessDenied")
    put_events(client, settings, [5, 6], eventName="PutKeyPolicy", event={"outcome": "success"})
    (name,) = recorder.record([burst("burst", range(5))]).created
    (letter,) = recorder.record([burst("letter", range(5))]).created
    tried = alert_store.get(name)
    assert (tried["level"], tried["severity"], tried["attempt"]) == ("low", 3, True)
    assert (tried["rule"]["level"], tried["rule"]["severity"]) == ("medium", 5)
    assert (alert_store.get(letter)["level"], alert_store.get(letter)["attempt"]) == ("high", True)
    alert_store.acknowledge(name, "ada")
    recorder.record([burst("burst", range(7))])
    done = alert_store.get(name)
    assert (done["level"], done["severity"], done["attempt"]) == ("medium", 5, False)
    assert (done["state"], done["raised_from"]) == ("acknowledged", "low")
    assert done["history"][-1]["note"] == "raised from low to medium: a call succeeded"
    # What failed since lowers nothing.
    put_events(client, settings, [7], eventName="PutKeyPolicy", errorCode="AccessDenied")
    recorder.record([burst("burst", range(8))])
    assert (alert_store.get(name)["level"], alert_store.get(name)["outcome"]) == ("medium", "mixed")


def test_beyond_the_events_that_it_names_an_alert_counts_by_its_query(
    client: OpenSearch,
    settings: Settings,
    alert_store: AlertStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(burst_module, "EVIDENCE", 3)
    monkeypatch.setattr(burst_module, "COUNTED", 3)
    pack = load_paths([write_rules(tmp_path)], settings.detections)
    refused: dict[str, Any] = {"errorCode": "AccessDenied", "event": {"outcome": "failure"}}
    put_events(client, settings, range(6), eventName="GetKey", **refused)
    put_events(client, settings, [6], eventName="Decrypt", **refused)
    put_events(client, settings, [20], eventName="GetKey", **refused)
    rules = {each.id: each for each in pack.rules}
    recorder = Recorder(client, settings, rules, EventQueries(pack.compiled))
    recorder.record([burst(BURSTS, range(5), ADA)])
    recorder.record([burst(BURSTS, range(2, 7), ADA)])
    (alert,) = alert_store.find(AlertQuery())
    assert (alert["count"], alert["count_relation"]) == (7, "eq")
    assert alert["calls"] == [
        {"name": "GetKey", "count": 6, "failed": 6},
        {"name": "Decrypt", "count": 1, "failed": 1},
    ]
    assert (alert["outcome"], alert["level"]) == ("failure", "low")
    assert len(alert["evidence"]["event_id"]) == 3
    days = f"{settings.prefix}cloudtrail-*"
    found = client.count(index=days, body={"query": alert["evidence"]["query"]})
    assert found["count"] == 7
    assert alert["evidence"]["query_exact"]
    shown = command(settings, "alerts", "show", alert["id"]).output
    assert "3 of 7 shown" in shown


def test_a_forged_event_of_another_day_takes_no_alert_from_the_event_of_its_id(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    """Who can write to the trail's bucket learns an eventID and puts it into a file of another day,
    as a harmless or failed call of somebody else."""
    day_before = START - timedelta(days=1)
    forged = {"user": {"name": "eve"}, "event": {"outcome": "failure"}, "errorCode": "AccessDenied"}
    put_events(client, settings, [5], day_before, **forged)
    put_events(client, settings, [5, 6], event={"outcome": "success"})
    first = recorder.record([single(PLAIN.id, 5, start=day_before)])
    findings = [single(PLAIN.id, second) for second in (5, 6)]
    second = recorder.record([*findings, single(PLAIN.id, 5, start=day_before)])
    assert (len(first.created), len(second.created)) == (1, 2)
    assert recorder.record(findings).created == set(), "found again, they are the same alerts"
    said = {
        (each["first_seen"][:10], *each["evidence"]["event_id"]): (
            each["entity"]["principal"],
            each["level"],
        )
        for each in alert_store.find(AlertQuery())
    }
    assert said == {
        ("2025-02-28", event_id(5)): (["eve"], "medium"),
        ("2025-03-01", event_id(5)): (["ada"], "high"),
        ("2025-03-01", event_id(6)): (["ada"], "high"),
    }
    (real,) = (
        each
        for each in alert_store.find(AlertQuery(since=START))
        if each["evidence"]["event_id"] == [event_id(5)]
    )
    listed = command(settings, "events", "--alert", real["id"], "--json")
    assert [each["user"]["name"] for each in json.loads(listed.stdout)["events"]] == ["ada"]


def test_both_of_one_id_at_once_are_two_alerts_with_their_own_facts(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    day_before = START - timedelta(days=1)
    put_events(client, settings, [5], day_before, user={"name": "eve"})
    put_events(client, settings, [5])
    recorder.record([single(PLAIN.id, 5, start=start) for start in (START, day_before)])
    assert {
        (each["first_seen"][:10], *each["entity"]["principal"])
        for each in alert_store.find(AlertQuery())
    } == {("2025-02-28", "eve"), ("2025-03-01", "ada")}
