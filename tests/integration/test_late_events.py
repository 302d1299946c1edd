"""Events that a daemon ingests too late for the scheduled rules are named until `detect` ran."""

from __future__ import annotations

import re
import shlex
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from ingest.ledger.worker import Worker
from tests.helpers.commands import command
from tests.helpers.installation import key_of, stamp
from tests.helpers.processes import printed, start
from tests.helpers.queues import until
from tests.helpers.trails import documents, own_settings, prepared, record, trail_bytes
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.backfills import BackfillState
from trailhound.state.late_events import LateEvents, LateEventsStore
from trailhound.state.objects import ObjectState
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints
from trailhound.state.store import StateStore

NOW = datetime.now(UTC)
OUTAGE = (NOW - timedelta(days=3)).replace(hour=12)
"""At noon: the minutes before and after are of the same day."""


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home", detections={"shipped": False})
    prepared(made)
    return made


def deliver(folder: Path, moment: datetime, *names: str) -> None:
    """A file with an event for each name, delivered at this time."""
    path = folder / key_of(moment, "x")
    path.parent.mkdir(parents=True, exist_ok=True)
    happened = stamp(moment - timedelta(minutes=6))
    path.write_bytes(trail_bytes([record(eventName=each, eventTime=happened) for each in names]))


def status(settings: Settings) -> Any:
    return printed(command(settings, "status", "--json").stdout.encode())


def test_what_came_after_an_outage_is_named_until_rules_ran_over_it(
    settings: Settings, tmp_path: Path
) -> None:
    trail, file = tmp_path / "trail", tmp_path / "trailhound.yaml"
    source = {"sources": [{"watch": str(trail), "every": 0.3}], "listen": None}
    file.write_text(yaml.safe_dump({"run": source, "ingest": {"batch_seconds": 0.2}}))
    # An export of old events: neither its name nor its date says so. A daemon was killed once its
    # event was in the index.
    trail.mkdir()
    (trail / "export.json.gz").write_bytes(trail_bytes([record(eventTime=stamp(OUTAGE))]))
    command(settings, "backfill", str(trail), "--detect")
    objects = StateStore(prepared(settings), settings, ObjectState)
    (export,) = objects.all()
    objects.write([structs.replace(export, state="claimed", worker="killed", covered=())])
    deliver(trail, OUTAGE, "A", "B")
    deliver(trail, NOW, "C")
    process = start(settings, "run", "--config", file)
    try:
        client = connect(settings)
        until(lambda: len(documents(client, settings)) == 4, "all events")  # refreshes
        until(lambda: (status(settings)["late_events"] or {}).get("events") == 3, "late events")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()
    day = f"{OUTAGE:%Y-%m-%d}"
    late = status(settings)["late_events"]
    assert late["until"] == day
    said = " ".join(command(settings, "status").stdout.split())
    (named,) = re.findall(
        r"3 events of [-0-9]+ to [-0-9]+, which .*? cover: run `trailhound (.*?)`", said
    )
    checks = {
        each["what"]: each["verdict"]
        for each in printed(command(settings, "doctor", "--json").stdout.encode())["findings"]
    }
    assert checks["late events"] == "warning"
    for partial in (f"detect --since {NOW:%Y-%m-%d}", f"{named} --dry-run"):
        command(settings, *shlex.split(partial))
        assert status(settings)["late_events"] == late
    # A rule that a daemon runs, and that whoever runs `detect` does not have.
    own = RuleCheckpoint(rule_id="own", title="My rule", seen_until=NOW, ran_at=NOW)
    RuleCheckpoints(prepared(settings), settings).write([own])
    ran = command(settings, *shlex.split(named))
    assert ran.exit_code == 0
    assert "daemons run 1 rule that these settings lack (My rule)" in " ".join(ran.stderr.split())
    assert status(settings)["late_events"] == late
    RuleCheckpoints(prepared(settings), settings).write([structs.replace(own, inactive=True)])
    assert command(settings, *shlex.split(named)).exit_code == 0
    assert status(settings)["late_events"] is None


def test_what_comes_while_rules_run_over_history_stays_named(settings: Settings) -> None:
    store = LateEventsStore(prepared(settings), settings)
    one = LateEvents(events=1, first=OUTAGE, last=OUTAGE, added=NOW)
    assert store.add(one)
    store.mark_searched(OUTAGE - timedelta(days=9), NOW, NOW - timedelta(seconds=1))
    assert store.get() == one
    more = LateEvents(events=2, first=OUTAGE - timedelta(days=1), last=OUTAGE, added=NOW)
    assert not store.add(more)
    found = store.get()
    assert found is not None
    assert (found.events, found.first) == (3, OUTAGE - timedelta(days=1))
    store.mark_searched(OUTAGE - timedelta(days=9), NOW, NOW + timedelta(seconds=1))
    assert store.get() is None


def test_events_that_are_indexed_by_repairs_are_named(settings: Settings, tmp_path: Path) -> None:
    """Dead letters that are tried again, and objects that a repair reads."""
    client = prepared(settings)
    trail = tmp_path / "trail"
    day = Names(settings.prefix).day(f"{OUTAGE:%Y.%m.%d}")
    deliver(trail, OUTAGE, "A")
    command(settings, "backfill", str(trail), "--detect")
    client.indices.put_settings(index=day, body={"index.blocks.write": True})
    deliver(trail, OUTAGE + timedelta(minutes=1), "B")
    command(settings, "backfill", str(trail))
    assert status(settings)["late_events"] is None
    retried = command(settings, "retry-deadletters", "--reopen", "--json")
    assert printed(retried.stdout.encode())["late_events"]["events"] == 1
    assert status(settings)["late_events"]["events"] == 1
    client.indices.put_settings(index=day, body={"index.blocks.write": None})
    deliver(trail, OUTAGE + timedelta(minutes=2), "C", "D")
    repaired = command(settings, "reconcile", str(trail), "--repair")
    assert "no rule has looked at 2 events of " in " ".join(repaired.output.split())
    assert status(settings)["late_events"]["events"] == 3


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("of_a_backfill", [False, True])
def test_a_backfill_that_takes_over_what_a_daemon_began_counts_what_that_one_indexed(
    settings: Settings, tmp_path: Path, workers: str, of_a_backfill: bool
) -> None:
    """Each event once: what a killed backfill had indexed is named by its note."""
    client, trail = prepared(settings), tmp_path / "trail"
    deliver(trail, OUTAGE, "A", "B")
    command(settings, "backfill", str(trail))
    always = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    LateEventsStore(client, settings).mark_searched(*always, datetime.now(UTC))
    assert status(settings)["late_events"] is None
    objects = StateStore(client, settings, ObjectState)
    (begun,) = objects.all()
    objects.write([structs.replace(begun, state="claimed", worker="killed", covered=())])
    assert begun.claimed_at is not None
    if of_a_backfill:
        here = Worker.this()
        note = BackfillState(
            id="killed",
            began=datetime.fromisoformat(begun.claimed_at) - timedelta(seconds=1),
            heartbeat=datetime.now(UTC),
            host=here.host,
            boot=here.boot,
            pid=4_000_000,
        )
        StateStore(client, settings, BackfillState).write([note])
    deliver(trail, OUTAGE + timedelta(minutes=1), "C")
    done = command(settings, "backfill", str(trail), "--workers", workers)
    assert done.exit_code == 0
    assert status(settings)["late_events"]["events"] == 3
