"""What daemons ingest before the first rules of a namespace began is named until `detect` ran."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from tests.helpers.commands import command
from tests.helpers.installation import key_of, stamp
from tests.helpers.processes import printed, start
from tests.helpers.queues import until
from tests.helpers.trails import documents, own_settings, prepared, record, trail_bytes
from trailhound.cluster.client import connect
from trailhound.settings import Settings
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home", detections={"shipped": False})
    prepared(made)
    return made


@pytest.fixture
def trail(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """A folder that a daemon which runs no rules follows."""
    folder, file = tmp_path / "trail", tmp_path / "trailhound.yaml"
    folder.mkdir()
    source = {"sources": [{"watch": str(folder), "every": 0.3}], "listen": None}
    without = {"scheduled": False, "shipped": False}
    file.write_text(
        yaml.safe_dump(
            {"run": source, "ingest": {"batch_seconds": 0.2}, "detections": without},
        )
    )
    process = start(settings, "run", "--config", file)
    yield folder
    process.send_signal(signal.SIGTERM)
    process.communicate()


def deliver(folder: Path, *names: str) -> None:
    now = datetime.now(UTC)
    path = folder / key_of(now, names[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [record(eventName=each, eventTime=stamp(now)) for each in names]
    path.with_suffix(".part").write_bytes(trail_bytes(records))
    path.with_suffix(".part").rename(path)


def late(settings: Settings) -> Any:
    return printed(command(settings, "status", "--json").stdout.encode())["late_events"]


def number(settings: Settings) -> int:
    return int((late(settings) or {"events": 0})["events"])


def test_they_are_named_until_rules_looked_at_them(settings: Settings, trail: Path) -> None:
    deliver(trail, "A", "B")
    until(lambda: number(settings) == 2, "both are named")
    checks = {
        each["what"]: each["fact"]
        for each in printed(command(settings, "doctor", "--json").stdout.encode())["findings"]
        if each["verdict"] == "warning"
    }
    assert "no rule has looked at 2 " in checks["late events"]
    said = " ".join(command(settings, "status").stdout.split())
    (named,) = re.findall(r"no rule has looked at 2 events .*? run `trailhound (.*?)`", said)
    assert command(settings, *shlex.split(named)).exit_code == 0
    assert late(settings) is None

    deliver(trail, "C")
    until(lambda: number(settings) == 1, "the next one is named")
    # The first rules begin: what they look at is not named, and what comes from then on neither.
    rules, now = RuleCheckpoints(connect(settings), settings), datetime.now(UTC)
    first = RuleCheckpoint("r", "R", seen_until=now, ran_at=now, begun=now + timedelta(hours=1))
    rules.write([first])
    assert number(settings) == 1
    deliver(trail, "D")
    client = connect(settings)
    until(lambda: len(documents(client, settings)) == 4, "all events")
    rules.write([structs.replace(first, begun=now - timedelta(hours=1))])
    assert late(settings) is None
    rules.write([structs.replace(first, begun=now + timedelta(hours=1))])
    assert number(settings) == 1


def test_a_daemon_that_runs_the_rules_names_nothing(settings: Settings, tmp_path: Path) -> None:
    folder, file = tmp_path / "trail", tmp_path / "trailhound.yaml"
    deliver(folder, "A")
    source = {"sources": [{"watch": str(folder), "every": 0.3}], "listen": None}
    file.write_text(yaml.safe_dump({"run": source, "detections": {"shipped": False}}))
    process = start(settings, "run", "--config", file)
    client = connect(settings)
    until(lambda: len(documents(client, settings)) == 1, "the event")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert late(settings) is None
