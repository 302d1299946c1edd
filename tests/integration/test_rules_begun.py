"""Scheduled rules cover what was ingested since they began, and nothing from before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.helpers.commands import command
from tests.helpers.installation import stamp
from tests.helpers.trails import own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.settings import Settings
from trailhound.state.backfills import BackfillState
from trailhound.state.daemons import Daemons, DaemonState
from trailhound.state.jobs import Jobs, JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints
from trailhound.state.store import StateStore

NO_RULES = {"TRAILHOUND_DETECTIONS__SHIPPED": "false"}
DAYS = ["--since", "2025-03-01", "--until", "2025-03-02"]


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home", detections={"shipped": False})
    prepared(made)
    return made


def named(settings: Settings) -> Any:
    return json.loads(command(settings, "status", "--json").stdout)["unfinished_backfills"]


def test_what_was_ingested_before_rules_began_is_not_covered(
    settings: Settings, tmp_path: Path
) -> None:
    """Also once a daemon runs them; and `detect` removes no note whose events it did not search."""
    client, now = connect(settings), datetime.now(UTC)
    later = now + timedelta(minutes=30)  # however long the commands take
    Daemons(client, settings).write(DaemonState(id="d", heartbeat=later))
    Jobs(client, settings).write(JobState(name="detections", last_success=now.isoformat()))
    rules, first = RuleCheckpoints(client, settings), now - timedelta(hours=9)
    known = RuleCheckpoint("r", "R", seen_until=now, ran_at=now, begun=first)
    rules.write([known])
    write_trail(tmp_path / "trail", [record(eventTime=stamp(now - timedelta(hours=1)))])
    done = command(settings, "backfill", str(tmp_path / "trail"), "--json")
    assert json.loads(done.stdout)["undetected"] is None
    silent = timedelta(seconds=settings.ingest.claim_seconds)
    note = BackfillState(id="a", began=first, heartbeat=datetime.now(UTC) - silent)
    StateStore(client, settings, BackfillState).write([note])
    for changed, events in ({"begun": later}, 1), ({}, 0), ({"begun": later, "inactive": True}, 0):
        rules.write([structs.replace(known, **changed)])
        assert named(settings)["events"] == events
    assert command(settings, "detect", *DAYS, env=NO_RULES).exit_code == 0
    assert named(settings) is not None
    since = f"{now - timedelta(hours=1):%Y-%m-%d}"
    assert command(settings, "detect", "--since", since, env=NO_RULES).exit_code == 0
    assert named(settings) is None
