"""`trailhound doctor` on what it checks without a cluster: the settings, and a source."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.commands import command
from tests.helpers.trails import own_settings, record, write_trail
from trailhound.app.settings_check import settings_warnings, without_effect
from trailhound.settings import load

Found = dict[str, tuple[str, str, str]]
FoundBy = Callable[..., Found]


@pytest.fixture
def found_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FoundBy:
    """Runs `doctor` where nothing answers: the verdict, fact and advice of each check."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings = own_settings("http://127.0.0.1:1", "org", tmp_path / "home")

    def found(*arguments: str | Path) -> Found:
        done = command(settings, "doctor", "--json", *map(str, arguments))
        assert done.stdout, (done.exception, done.stderr)
        said = done.stdout
        return {
            each["what"]: (each["verdict"], each["fact"], each["advice"])
            for each in json.loads(said)["findings"]
        }

    return found


def test_every_setting_that_keeps_a_daemon_from_its_work_is_named(
    found_by: FoundBy, tmp_path: Path
) -> None:
    nowhere = {name: tmp_path / name for name in ("folder", "rules", "exceptions")}
    content = {
        "filter": [{"eventSource|startwith": "kms"}],
        "run": {"sources": [{"watch": str(tmp_path)}, {"watch": str(nowhere["folder"])}]},
        "detections": {
            "rules": [str(nowhere["rules"]), str(write_rule(tmp_path / "own"))],
            "exceptions": [str(nowhere["exceptions"])],
        },
    }
    file = tmp_path / "trailhound.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    found = found_by("--config", file)
    named = {what: each[1] for what, each in found.items() if what.startswith("setting ")}
    assert list(named) == [
        "setting filter.0.eventSource|startwith",
        "setting run.sources.1.watch",
        "setting detections.rules",
        "setting detections.exceptions",
    ]
    assert "did you mean 'startswith'" in named["setting filter.0.eventSource|startwith"]
    for name, path in zip(
        ("run.sources.1.watch", "detections.rules", "detections.exceptions"),
        nowhere.values(),
        strict=True,
    ):
        assert str(path) in named[f"setting {name}"]
    assert {found[what][0] for what in named} == {"failed"}
    verdict, fact, advice = found["rules"]
    assert verdict == "warning", "the rules that are there are checked too"
    assert "levl" in fact
    assert advice == f"run `trailhound rules check --config {file}`"


def test_a_setting_without_effect_is_named(found_by: FoundBy, tmp_path: Path) -> None:
    content = {
        "run": {
            "sources": [
                {"watch": str(tmp_path), "every": 9, "late_days": 2, "region": "eu-west-1"},
                {"poll": "s3://trail-bucket", "every": 9, "since": "2025-03-01"},
                {"queue": "trails", "every": 9, "overlap_minutes": 120, "region": "eu-west-1"},
            ]
        },
        "retention": {"action": "close"},
    }
    file = tmp_path / "trailhound.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    settings = load(file)
    named = {".".join(map(str, location)): said for location, said in without_effect(settings)}
    assert list(named) == [
        "run.sources.0.late_days",
        "run.sources.0.region",
        "run.sources.2.every",
        "retention.action",
    ]
    said = named["run.sources.2.every"]
    assert said == "has no effect on a source of `queue`, only on `poll`, `watch`"
    file.write_text(yaml.safe_dump({"retention": {"action": "close"}}), encoding="utf-8")
    assert found_by("--config", file)["setting retention.action"][0] == "warning"


def test_settings_that_make_rules_blind_are_named(tmp_path: Path) -> None:
    role = "arn:aws:iam::111122223333:role/deploy"
    trusted: list[dict[str, object]] = [
        {"role": role, "calls": ["DisableRule"], "networks": ["198.51.100.0/24", "2001:db8::/32"]},
        {"role": role, "calls": ["iam:*", "PutRule"], "networks": ["0.0.0.0/0", "10.0.0.0/8"]},
    ]
    known = {"trusted": trusted, "ipv4_prefix": 12, "ipv6_prefix": 32}
    noise = {"eventSource": "kms.amazonaws.com", "eventName": ["Decrypt", "GenerateDataKey"]}
    content = {
        "enrich": {"own": ["10.0.0.0/8", "o-a1b2c3d4e5", "0.0.0.0/1"]},
        "filter": [noise, {"eventName": ["GetPasswordData", "Decrypt"]}],
        "detections": {"known_automation": known},
    }
    file = tmp_path / "trailhound.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    found = {".".join(map(str, where)): said for where, said in settings_warnings(load(file))}
    automation = "detections.known_automation"
    assert list(found) == [
        "filter.1",
        "enrich.own.2",
        f"{automation}.trusted.1.networks",
        f"{automation}.trusted.1.calls",
        f"{automation}.ipv4_prefix",
    ]
    assert "2 shipped rules: credential-access/ec2_password_read, " in found["filter.1"]
    assert found[f"{automation}.trusted.1.networks"].startswith("0.0.0.0/0: whoever has")
    assert found[f"{automation}.trusted.1.calls"].startswith("iam:*: ")


def write_rule(folder: Path) -> Path:
    """A folder with a rule that has a key which no rule has."""
    folder.mkdir()
    rule = {
        "title": "A rule",
        "id": "6a7f1c9e-0000-4000-8000-000000000001",
        "levl": "high",
        "level": "high",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"it": {"eventName": "StopLogging"}, "condition": "it"},
    }
    (folder / "rule.yml").write_text(yaml.safe_dump(rule), encoding="utf-8")
    return folder


def test_alerts_that_are_too_old_for_their_channel_are_foreseen(
    found_by: FoundBy, tmp_path: Path
) -> None:
    def warned(**detections: float) -> bool:
        channel = {"name": "c", "kind": "command", "command": ["true"]}
        file = tmp_path / "trailhound.yaml"
        file.write_text(
            yaml.safe_dump({"detections": detections, "notify": {"channels": [channel]}})
        )
        return "setting notify.max_age_hours" in found_by("--config", file)

    assert not warned()
    assert warned(late_hours=48)
    assert not warned(late_hours=48, scheduled=False)


def test_a_tactic_of_a_channel_that_no_alert_can_have_is_named(
    found_by: FoundBy, tmp_path: Path
) -> None:
    def judged(*tactics: str) -> tuple[str, str, str]:
        channel = {"name": "c", "kind": "command", "command": ["true"], "tactics": [*tactics]}
        file = tmp_path / "trailhound.yaml"
        file.write_text(yaml.safe_dump({"notify": {"channels": [channel]}}))
        return found_by("--config", file)["channel c"]

    assert judged("impact", "Defense Evasion")[0] == "ok"
    verdict, fact, advice = judged("impact", "persistance")
    assert (verdict, advice) == ("warning", "did you mean 'persistence'?")
    assert "no tactic 'persistance'" in fact


def test_it_says_whether_anybody_is_told_when_a_daemon_does_not_work(
    found_by: FoundBy, tmp_path: Path
) -> None:
    channel = {"name": "c", "kind": "command", "command": ["true"]}
    beat = {"url": "https://beat.example/s3cr3t-t0ken"}

    def judged(**notify: Any) -> Found:
        file = tmp_path / "trailhound.yaml"
        sources = [{"watch": str(tmp_path)}]
        file.write_text(yaml.safe_dump({"run": {"sources": sources}, "notify": notify}))
        found = found_by("--config", file)
        assert "s3cr3t-t0ken" not in str(found)
        return found

    verdict, fact, _ = judged(channels=[channel | {"health": False}])["health messages"]
    assert (verdict, fact[:42]) == ("warning", "nobody is told when Trailhound stops: no c")
    assert judged()["health messages"][0] == "warning"
    verdict, fact, _ = judged(channels=[channel])["health messages"]
    assert (verdict, fact[:22]) == ("ok", "c after 10 minutes; a ")
    both = judged(channels=[channel], heartbeat=beat)
    assert both["health messages"][:2] == ("ok", "c after 10 minutes")
    assert both["setting notify.heartbeat"][0] == "ok"
    plain = judged(heartbeat={"url": "http://beat.example/s3cr3t-t0ken"})
    assert plain["setting notify.heartbeat"][0] == "failed"
    assert "health messages" not in found_by()


def test_settings_without_a_fault_are_one_line(found_by: FoundBy) -> None:
    found = found_by()
    assert found["settings"][0] == "ok"
    assert not [what for what in found if what.startswith("setting ")]


def test_a_local_source_needs_no_identity_and_is_judged_by_a_trail_file(
    found_by: FoundBy, tmp_path: Path
) -> None:
    trail = tmp_path / "trail"
    file = write_trail(trail, [record()], "z")
    (trail / "README.txt").write_text("where these files are from\n", encoding="utf-8")
    found = found_by(trail)
    assert "AWS identity" not in found
    assert found["source"][:2] == ("ok", f"{file} is readable")
    file.unlink()
    assert found_by(trail)["source"][0] == "warning"


def test_critical_rules_that_reach_no_channel_are_named(found_by: FoundBy, tmp_path: Path) -> None:
    def judged(*tactics: list[str]) -> tuple[str, str, str] | None:
        channels = [
            {"name": f"c{place}", "kind": "command", "command": ["true"], "tactics": each}
            for place, each in enumerate(tactics)
        ]
        file = tmp_path / "trailhound.yaml"
        file.write_text(yaml.safe_dump({"notify": {"channels": channels}}))
        return found_by("--config", file).get("setting notify.channels")

    assert judged() is None
    assert judged(["impact"], []) is None
    found = judged(["impact"], ["persistence"])
    assert found is not None
    assert found[0] == "warning"
    assert "of level critical" in found[1]
    assert "CloudTrailChanges" in found[1]
