"""Which events of a backfill no rule looks at by itself, and what a dry run says before it."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.clock import lasting_now
from tests.helpers.commands import command
from tests.helpers.engines import remove_namespace
from tests.helpers.installation import key_of, stamp
from tests.helpers.processes import printed, run
from tests.helpers.trails import backfill, own_settings, prepared, record, trail_bytes, write_trail
from trailhound.cluster.client import connect
from trailhound.settings import Settings
from trailhound.state.daemons import Daemons, DaemonState
from trailhound.state.jobs import Jobs, JobState


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def backfilled(settings: Settings, trail: Path, *flags: str) -> Any:
    done = command(settings, "backfill", str(trail), "--json", *flags)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["undetected"]


def test_the_command_that_is_named_covers_the_events(settings: Settings, tmp_path: Path) -> None:
    times = ("2025-03-02T23:59:59Z", "2025-03-05T00:00:00Z")
    write_trail(tmp_path / "trail", [record(eventTime=each) for each in times])
    done = command(settings, "backfill", str(tmp_path / "trail"), "--namespace", settings.namespace)
    said = " ".join(done.stdout.split())
    assert "rules have not looked at 2 events of these" in said
    (named,) = re.findall(r"`trailhound (detect [^`]*)`", said)
    assert "--since 2025-03-02 --until 2025-03-05" in named
    found = json.loads(command(settings, *shlex.split(named), "--json").stdout)
    assert found["events"] == 2
    shown = " ".join(command(settings, "status").stdout.split())
    assert "digests no file was verified by CloudTrail's digests: `trailhound verify" in shown
    # Duplicates are not new, and what --detect looks at needs no command.
    assert backfilled(settings, tmp_path / "trail", "--force") is None
    write_trail(tmp_path / "trail", [record()], "b")
    done = command(settings, "backfill", str(tmp_path / "trail"), "--detect")
    assert "rules have not looked" not in done.stdout


def test_the_command_that_makes_the_indices_is_of_this_namespace(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    remove_namespace(engine, namespace)  # an earlier test may have prepared it
    write_trail(tmp_path / "trail", [record()])
    elsewhere = own_settings(engine, "elsewhere", tmp_path / "home")
    wanted = ("backfill", tmp_path / "trail", "--namespace", namespace, "--json")
    refused = run(elsewhere, *wanted)
    assert refused.returncode == 3, refused.stderr
    hint = printed(refused.stdout)["error"]["hint"]
    (named,) = re.findall(r"`trailhound (init [^`]*)`", hint)
    assert named == f"init --namespace {namespace}"
    assert f"`trailhound {named}`" in " ".join(refused.stderr.decode().split())
    assert run(elsewhere, *shlex.split(named)).returncode == 0
    assert run(elsewhere, *wanted).returncode == 0


@pytest.mark.parametrize("asked", ["incidents list", "events"])
def test_where_nothing_is_the_namespaces_that_there_are_are_named(
    settings: Settings, asked: str
) -> None:
    elsewhere = settings.model_copy(update={"namespace": f"{settings.namespace}-not"})
    refused = run(elsewhere, *asked.split(), "--json")
    assert refused.returncode == 2, refused.stderr
    hint = printed(refused.stdout)["error"]["hint"]
    there = hint.partition("--namespace (there are: ")[2]
    # A shared cluster has more than the first ten that are named.
    assert settings.namespace in there or " more)" in there
    assert f"{settings.namespace}-not" not in there
    assert there.rstrip(")") in " ".join(refused.stderr.decode().split())


def test_what_a_daemons_rules_cover_is_not_named(settings: Settings, tmp_path: Path) -> None:
    client, now = connect(settings), datetime.now(UTC)
    recent = stamp(now - timedelta(hours=2))
    later = now + timedelta(minutes=30)  # however long the backfills take
    Daemons(client, settings).write(DaemonState(id="d", heartbeat=later))
    write_trail(tmp_path / "trail", [record(eventTime=recent)], "a")
    # One that runs no rules covers nothing.
    assert backfilled(settings, tmp_path / "trail")["events"] == 1
    Jobs(client, settings).write(JobState(name="detections", last_success=now.isoformat()))
    write_trail(tmp_path / "trail", [record(eventTime=recent)], "b")
    assert backfilled(settings, tmp_path / "trail") is None
    late = [record(eventTime=recent), record(eventTime="2025-03-01T12:00:00Z")]
    write_trail(tmp_path / "trail", late, "c")
    assert backfilled(settings, tmp_path / "trail") == {
        "events": 1,
        "since": "2025-03-01",
        "until": "2025-03-01",
    }


def test_a_dry_run_lists_places_and_the_time(settings: Settings, tmp_path: Path) -> None:
    for day in (1, 2):
        path = tmp_path / key_of(datetime(2025, 3, day, tzinfo=UTC), "x")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(trail_bytes([record()]))
    done = command(settings, "backfill", str(tmp_path / "AWSLogs"), "--dry-run", "--json")
    plan = json.loads(done.stdout)
    assert [(each["account"], each["region"], each["day"]) for each in plan["by_place"]] == [
        ("111122223333", "us-east-1", "2025-03-01"),
        ("111122223333", "us-east-1", "2025-03-02"),
    ]
    assert sum(each["bytes"] for each in plan["by_place"]) == plan["bytes"]
    # The folder of the day after the last is read for late events of the last alone.
    until = ("backfill", str(tmp_path / "AWSLogs"), "--until", "2025-03-01", "--dry-run", "--json")
    selected = json.loads(command(settings, *until).stdout)
    assert (selected["objects"], selected["by_names"]["new_days"]) == (2, 1)
    assert plan["estimate"]["rate"] == "stated"
    said = command(settings, "backfill", str(tmp_path / "AWSLogs"), "--dry-run").stdout
    assert "111122223333  us-east-1  2025-03-01  2025-03-02" in said
    assert "estimated time: 1 s at 2.0 MiB a second, a stated rate" in said
    assert "not in this time: what the cluster needs to make 2 new daily indices" in said


def test_a_dry_run_says_what_names_show_of_what_would_be_left_out(
    settings: Settings, tmp_path: Path
) -> None:
    """The objects of which it says that the retention filters them are those that it filters."""
    now = lasting_now()
    home, trail = settings.home, tmp_path / "AWSLogs"
    moments = [now - timedelta(days=each) for each in (100, 99, 31, 30, 0)]
    for moment in moments:
        path = tmp_path / key_of(moment, "x")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(trail_bytes([record(eventTime=stamp(moment))]))
    write_trail(trail, [record(eventTime=stamp(now))], "export")
    kept = own_settings(
        settings.hosts[0],
        settings.namespace,
        home,
        retention={"days": 30},
        filter=[{"eventName": "Nothing"}],
    )
    env = {
        "TRAILHOUND_RETENTION__DAYS": "30",
        "TRAILHOUND_FILTER": json.dumps([{"eventName": "Nothing"}]),
    }

    def planned(**more: str) -> Any:
        done = run(settings, "backfill", trail, "--dry-run", "--json", env=env | more)
        assert done.returncode == 0, done.stderr
        return printed(done.stdout)["by_names"]

    first = planned()
    oldest = f"{now - timedelta(days=30):%Y-%m-%d}"
    assert first.pop("past_retention_bytes") > 0
    assert first == {
        "past_retention_objects": 3,
        "oldest": oldest,
        "undated_objects": 1,
        "new_days": 2,
        "no_room": None,
        "filter": True,
    }
    said = " ".join(run(settings, "backfill", trail, "--dry-run", env=env).stdout.decode().split())
    assert "6 objects to read (" in said
    assert "), 3 of them past retention and left out, 0 already ingested" in said
    assert "by name, 3 objects of those to read (" in said
    assert f"delivered before {oldest}, the first day that retention.days keeps" in said
    assert "by name, those to read make 2 new daily indices" in said
    assert "1 object of those to read shows no day in its name" in said
    assert "the setting filter: may drop records" in said

    without = printed(run(settings, "backfill", trail, "--dry-run", "--json").stdout)["by_names"]
    assert (without["past_retention_objects"], without["new_days"]) == (0, 5)
    assert (without["oldest"], without["filter"]) == (None, False)
    assert "cluster.max_shards_per_node" in planned(TRAILHOUND_INDEX__SHARDS="1000000")["no_room"]

    assert backfill(kept, trail).counts.filtered == 3
    assert (planned()["new_days"], planned()["past_retention_objects"]) == (0, 0)
