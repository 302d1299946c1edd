"""`trailhound detect --files`: what would be alerts, what was read, and what was not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.helpers.commands import command
from tests.helpers.detection_rules import write_rules
from tests.helpers.trails import own_settings, record, write_trail
from trailhound.errors import UsageError

NO_CLUSTER = "http://127.0.0.1:1"


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    folder = tmp_path / "trail"
    deleted = record(
        eventName="DeleteTrail",
        eventSource="cloudtrail.amazonaws.com",
        userIdentity={"type": "IAMUser", "userName": "[red]\x1b[2Jevil"},
    )
    denied = [
        record(errorCode="AccessDenied", eventTime=f"2025-03-01T12:0{minute}:00Z")
        for minute in range(6)
    ]
    write_trail(folder, [*reversed(denied), deleted], "a")
    write_trail(folder, [deleted, *denied[:3]], "b")
    return folder


def detect(folder: Path, *arguments: str | Path, rules: bool = True) -> Result:
    settings = own_settings(NO_CLUSTER, "", folder / "home")
    env = {"TRAILHOUND_DETECTIONS__SHIPPED": "false"} if rules else {}
    more = ("--rules", write_rules(folder / "rules")) if rules else ()
    return command(settings, "detect", *map(str, (*arguments, *more)), env=env)


def printed(done: Result) -> dict[str, Any]:
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_an_event_in_two_files_counts_once(tmp_path: Path, trail: Path) -> None:
    done = detect(tmp_path, "--files", trail, "--json")
    assert done.exit_code == 0, done.output
    found = printed(done)
    assert {each["rule"]["name"]: each["count"] for each in found["alerts"]} == {
        "Trail deleted": 1,
        "Many denied calls": 6,
    }
    assert found["alerts"][0]["level"] == "high"
    assert (found["events"], found["read"]["records"], found["read"]["duplicates"]) == (7, 11, 4)
    assert [(each["title"], each["alerts"]) for each in found["rules"]] == [
        ("Trail deleted", 1),
        ("Many denied calls", 1),
    ]


def test_a_span_shows_what_has_an_event_in_it(tmp_path: Path, trail: Path) -> None:
    """The whole of a burst, though only one of its events lies within."""
    done = detect(tmp_path, "--files", trail, "--since", "2025-03-01T12:05:00Z", "--json")
    (burst,) = printed(done)["alerts"]
    assert (burst["count"], burst["first_seen"]) == (6, "2025-03-01T12:00:00.000Z")
    assert printed(done)["events"] == 1


def test_only_the_day_folders_of_a_span_are_read(tmp_path: Path) -> None:
    logs = tmp_path / "AWSLogs" / "111122223333" / "CloudTrail" / "us-east-1"
    for number in range(1, 29):
        at = f"2025-02-{number:02}"
        deleted = record(
            eventName="DeleteTrail",
            eventSource="cloudtrail.amazonaws.com",
            eventTime=f"{at}T23:58:00Z",
        )
        day = f"202502{number:02}"
        name = f"111122223333_CloudTrail_us-east-1_{day}T2355Z_abcdefghijklmnop"
        write_trail(logs / at.replace("-", "/"), [deleted], name)
    write_trail(tmp_path / "AWSLogs", [record(eventTime="2025-02-14T00:00:00Z")], "elsewhere")
    span = ("--since", "2025-02-14", "--until", "2025-02-15")
    done = detect(tmp_path, "--files", tmp_path / "AWSLogs", *span, "--json")
    found = printed(done)
    assert (found["events"], [each["count"] for each in found["alerts"]]) == (3, [1, 1])
    # Windows of these rules reach an hour and more before and after, and the next day's folder has
    # the last events of a day. A file that is not named by a day may have events of any.
    assert 4 <= found["read"]["objects"] <= 9
    said = detect(tmp_path, "--files", tmp_path / "AWSLogs", *span).stderr
    assert "of folders that are named by day, those from 2025-02-" in said
    nothing = detect(tmp_path, "--files", logs, "--since", "2026-01-01")
    assert (nothing.exit_code, "days found: 2025-02-01 to 2025-02-28" in nothing.stderr) == (
        0,
        True,
    )
    assert printed(detect(tmp_path, "--files", logs, "--json"))["read"]["objects"] == 28


def test_people_see_alerts_and_programs_lines(tmp_path: Path, trail: Path) -> None:
    done = detect(tmp_path, "--files", trail)
    assert "\x1b" not in done.stdout
    header, *rows = done.stdout.splitlines()
    assert header.split("\t")[0] == "level"
    assert len(rows) == 2
    assert "7 events searched; 2 alerts" in " ".join(done.stderr.split())
    lines = detect(tmp_path, "--files", trail, "--output", "ndjson").stdout.splitlines()
    assert [json.loads(line)["rule"]["name"] for line in lines] == [
        "Trail deleted",
        "Many denied calls",
    ]


def test_rules_that_need_history_are_named(tmp_path: Path, trail: Path) -> None:
    done = detect(tmp_path, "--files", trail, "--json", rules=False)
    left_out = {each["kind"] for each in printed(done)["not_run"]}
    assert left_out == {"new_terms", "anomaly", "impossible_travel"}
    assert all(each["reason"] for each in printed(done)["not_run"])
    said = " ".join(detect(tmp_path, "--files", trail, rules=False).stderr.split())
    assert "anomalous_activity" in said


def test_what_cannot_be_read_makes_it_incomplete(tmp_path: Path, trail: Path) -> None:
    write_trail(trail, [b"1"], "c")
    done = detect(tmp_path, "--files", trail)
    assert done.exit_code == 1
    assert "c.json.gz: 1 record not readable (not_an_object)" in " ".join(done.stderr.split())


@pytest.mark.parametrize("wrong", [("--files",), ("trail",), ("--output", "csv")])
def test_wrong_use(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    assert isinstance(detect(tmp_path, *wrong).exception, UsageError)


@pytest.mark.parametrize(("level", "code"), [("low", 4), ("high", 4), ("critical", 0)])
def test_a_level_to_fail_on_decides_the_exit_code(
    level: str, code: int, tmp_path: Path, trail: Path
) -> None:
    assert detect(tmp_path, "--files", trail, "--fail-on", level).exit_code == code
