"""`doctor` names what the settings have and no daemon uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.helpers.detection_rules import write_rules
from tests.helpers.processes import printed, run
from tests.helpers.trails import own_settings, prepared
from trailhound.app.detection.detection import rules_in_force
from trailhound.settings import Settings
from trailhound.state.channels import Channels
from trailhound.state.daemons import Daemons, DaemonState
from trailhound.state.jobs import DETECTIONS, Jobs, JobState
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rules = {"shipped": False, "rules": [str(write_rules(tmp_path / "rules"))]}
    channel = {"name": "c", "kind": "command", "command": ["true"]}
    made = tmp_path / "trailhound.yaml"
    made.write_text(yaml.safe_dump({"detections": rules, "notify": {"channels": [channel]}}))
    return made


def warned(settings: Settings, file: Path, what: str = "loaded settings") -> str:
    findings = printed(run(settings, "doctor", "--json", "--config", file).stdout)["findings"]
    return next((it["fact"] for it in findings if it["what"] == what), "")


def test_rules_and_channels_that_a_daemon_has_not_loaded_are_named(
    engine: str, namespace: str, tmp_path: Path, file: Path
) -> None:
    settings = own_settings(
        engine,
        namespace,
        tmp_path / "home",
        detections=yaml.safe_load(file.read_text())["detections"],
    )
    client, now = prepared(settings), datetime.now(UTC)
    assert warned(settings, file) == "", "no daemon runs"
    later = now + timedelta(minutes=30)  # however long the commands take
    Daemons(client, settings).write(DaemonState(id="d", heartbeat=later))
    Jobs(client, settings).write(JobState(name=DETECTIONS, last_success=later.isoformat()))
    first, *others = sorted(rules_in_force(settings).alerting, key=lambda each: each.title)
    store = RuleCheckpoints(client, settings)

    def mark(inactive: bool) -> RuleCheckpoint:
        return RuleCheckpoint(first.id, first.title, later, later, inactive=inactive)

    store.write(RuleCheckpoint(each.id, each.title, later, later) for each in others)
    named = f"no daemon uses the rule {first.title}, the channel c of these settings"
    assert warned(settings, file) == named
    store.write([mark(inactive=True)])
    assert warned(settings, file) == named
    store.write([mark(inactive=False)])
    Channels(client, settings).revise("c", lambda state: state)
    assert warned(settings, file) == ""

    told = {"needs_restart": ["run.sources", "cluster.timeout"]}
    Daemons(client, settings).write(
        DaemonState(id="d", heartbeat=later, host="h", pid=7, report=told)
    )
    changed = "daemons use the previous values of h 7: run.sources, cluster.timeout"
    assert warned(settings, file, "changed settings") == changed
