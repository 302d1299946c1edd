"""What one part of Trailhound wrote of itself is read by another, and counted once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.finding import Finding
from ingest.daemon.registry import DaemonRegistry
from ingest.daemon.status import DaemonStatus
from tests.helpers import last_release as old
from tests.helpers.detection_rules import BURST, write_rules
from tests.helpers.processes import run
from tests.helpers.trails import backfill, own_settings, record, write_trail
from trailhound.app.detection.detection import rules_in_force
from trailhound.app.doctor.cluster_checks import disk
from trailhound.app.health.reasons import reasons
from trailhound.app.health.shared_state import read_shared
from trailhound.cluster.templates import Names
from trailhound.settings import RetentionSettings, Settings
from trailhound.state.alert_groups import AlertGroups
from trailhound.state.daemons import Daemons
from trailhound.state.housekeeping import clean_ledger

NOW = datetime.now(UTC)


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    rules = {"shipped": False, "rules": [str(write_rules(tmp_path / "rules"))]}
    return own_settings(
        engine,
        namespace,
        tmp_path / "home",
        detections=rules,
        filter=[{"eventName": "Decrypt"}],
    )


def test_records_left_out_are_counted_once_beside_daemons_of_any_release(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    records = [record(eventName="Decrypt") for _ in range(7)] + [record()]
    backfill(settings, write_trail(tmp_path / "in", records))
    index = Names(settings.prefix).ledger
    old.store(client, index, [old.daemon("d1", NOW), old.object_entry(2, filtered=5, read=8)])
    file = tmp_path / "report.json"
    assert run(settings, "report", "-o", file, "--since", "2000-01-01").returncode == 0
    (gap,) = [each for each in json.loads(file.read_text())["gaps"] if "Filtered" in each["title"]]
    assert gap["detail"].startswith("12 records")


def test_what_a_daemon_says_of_itself_is_what_status_reads(
    client: OpenSearch, settings: Settings
) -> None:
    registry = DaemonRegistry(settings, "d1")
    registry.renew(client, DaemonStatus(started=NOW.timestamp(), in_flight=3), leads=True)
    (found,) = Daemons(client, settings).active()
    shown = found.as_dict()
    assert (shown["in_flight"], shown["leads"], shown["state"]) == (3, True, "daemon")
    registry.deregister(client)
    assert Daemons(client, settings).active() == []


def test_documents_that_lack_a_field_are_counted_and_named(
    client: OpenSearch, settings: Settings
) -> None:
    index = Names(settings.prefix).ledger
    assert read_shared(client, settings).malformed == {}
    broken = {
        "channel-mail": {"kind": "channel", "state": "channel", "name": "mail", "sent": "many"},
        "rule-checkpoint-x": {"kind": "rule_checkpoint", "rule_id": "x"},
        "of-another-release": {"kind": "something_new"},
    }
    for identifier, document in broken.items():
        client.index(index=index, id=identifier, body=document)
    shared = read_shared(client, settings)
    assert set(shared.malformed) == {"channel-mail", "rule-checkpoint-x"}
    (found,) = reasons(shared, settings, dict)
    assert (found.code, found.subject) == ("document", "channel-mail, rule-checkpoint-x")
    assert "2 documents of the ledger index cannot be used" in found.message
    assert "is not a valid channel" in found.message
    assert found.advice.startswith("delete it from the ledger index")


def test_the_block_of_a_full_disk_is_named_as_one(client: OpenSearch, settings: Settings) -> None:
    index = Names(settings.prefix).alerts
    assert read_shared(client, settings).disk_full == ""
    body = {"index.blocks.read_only_allow_delete": True}
    full, check = "", None
    for _ in range(5):  # an engine with free space lifts the block by itself, once in a while
        client.indices.put_settings(index=index, body=body)
        full, check = read_shared(client, settings).disk_full, disk(client, settings)
        if full and check.verdict == "failed":
            break
    assert full.startswith("disk full at node ")
    assert index in full
    assert check is not None
    assert (check.verdict, check.fact.partition(" (")[0]) == ("failed", full.partition(" (")[0])


def burst(day: datetime, size: int = 5) -> list[dict[str, Any]]:
    return [
        record(
            errorCode="AccessDenied", eventTime=f"{day + timedelta(seconds=n):%Y-%m-%dT%H:%M:%SZ}"
        )
        for n in range(size)
    ]


@pytest.mark.parametrize("action", ["close", "delete"])
def test_a_group_goes_only_past_retention_and_detecting_again_raises_nothing_twice(
    action: str, client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    kept = RetentionSettings.model_validate({"days": 30, "action": action})
    retained = settings.model_copy(update={"retention": kept})
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"past": midnight - timedelta(days=31), "last": midnight - timedelta(days=30)}
    findings = {}
    for name, day in days.items():
        events = burst(day)
        backfill(settings, write_trail(tmp_path / name, events))
        names = tuple(each["eventID"] for each in events)
        arn = events[0]["userIdentity"]["arn"] + name
        group = (("userIdentity.arn", arn),)
        findings[name] = Finding(BURST, names, 5, day, day + timedelta(seconds=4), group)
    client.indices.refresh(index=Names(settings.prefix).days)
    pack = rules_in_force(settings)
    rules = {rule.id: rule for rule in pack.rules}
    recorder = Recorder(client, settings, rules)
    recorder.record(findings.values())
    before = AlertStore(client, settings).find(AlertQuery())
    assert len(before) == 2

    assert clean_ledger(client, settings, NOW) == {}, "nothing is past where there is no retention"
    assert clean_ledger(client, retained, NOW) == {"alert_group": 1}
    assert clean_ledger(client, retained, NOW) == {}
    assert AlertGroups(client, settings).removed_until() == midnight - timedelta(days=30)

    # Half of the burst first: by its earliest event alone it would have another id.
    whole = findings["past"]
    part = replace(
        whole,
        events=whole.events[2:],
        count=3,
        first_seen=whole.first_seen + timedelta(seconds=2),
    )
    for found in (part, whole, findings["last"]):
        recorder.record([found])
    assert AlertStore(client, settings).find(AlertQuery()) == before
