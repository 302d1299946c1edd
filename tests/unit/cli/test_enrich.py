"""`trailhound enrich`: events of files on stdout, what could not be read on stderr."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.helpers.commands import command
from tests.helpers.trails import own_settings, record, trail_bytes, write_trail
from trailhound.cli.event_table import COLUMNS
from trailhound.cli.screen import write_bytes
from trailhound.errors import SourceNotFoundError, UsageError


def enrich(folder: Path, *arguments: str | Path, **env: str) -> Result:
    # No cluster answers there: one that is asked would fail.
    settings = own_settings("http://127.0.0.1:1", "", folder / "home")
    return command(settings, "enrich", *map(str, arguments), env=env)


def events(done: Result) -> list[dict[str, Any]]:
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def rows(done: Result) -> list[dict[str, str]]:
    assert done.exit_code == 0, done.output
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_any_form_gives_the_same_events(tmp_path: Path, trail: Path) -> None:
    one = record(eventName="DeleteTrail", eventSource="cloudtrail.amazonaws.com")
    text = json.dumps(one)
    trail.mkdir()
    forms = {
        "a.json.gz": trail_bytes([one]),
        "b.json": trail_bytes([one], compressed=False),
        "lines.jsonl": f"{text}\n{text}".encode(),
        "looked_up.json": json.dumps({"Events": [{"CloudTrailEvent": text}]}).encode(),
    }
    for name, content in forms.items():
        (trail / name).write_bytes(content)
    done = enrich(tmp_path, trail)
    found = events(done)
    assert len(found) == 5
    for each in found:
        assert each.pop("trail")["integrity"] == "unverified"
        assert each == found[0]
    assert found[0]["risk_score"] == 8
    assert found[0]["event"] == {"outcome": "success"}
    assert {name: found[0][name] for name in one} == one
    assert "4 objects read" in done.stderr


def test_the_table_has_the_documented_columns(tmp_path: Path, trail: Path) -> None:
    write_trail(trail, [record(errorCode="AccessDenied"), record()])
    first, second = rows(enrich(tmp_path, trail, "--output", "csv"))
    assert tuple(first) == COLUMNS
    page = (Path(__file__).parents[3] / "docs" / "sources.md").read_text("utf-8")
    assert ", ".join(f"`{name}`" for name in COLUMNS) in " ".join(page.split())
    assert (first["errorCode"], second["errorCode"]) == ("AccessDenied", "")
    assert first["event.outcome"] == "failure"
    assert first["user.name"] == "ada"


def test_a_table_holds_no_formula_and_one_event_a_line(tmp_path: Path, trail: Path) -> None:
    evil = '=HYPERLINK("http://x","y")'
    write_trail(
        trail,
        [
            record(
                userAgent=f"{evil}\n\x1b[2J",
                errorMessage="@SUM(1)",
                requestParameters={"userName": "bob", "n": -4, "tags": ["-a", "b"]},
                additionalEventData={"x-amz-id-2": "i" * 60, "n": 7},
            )
        ],
    )
    fields = (
        "userAgent,error.message,requestParameters.n,requestParameters.tags,requestParameters,"
        "additionalEventData.x-amz-id-2,nosuch"
    )
    done = enrich(tmp_path, trail, "--output", "csv", "--fields", fields)
    (row,) = rows(done)
    assert len(done.stdout.splitlines()) == 2
    assert row == {
        "userAgent": f"'{evil}\\x0a\\x1b[2J",
        "error.message": "'@SUM(1)",
        "requestParameters.n": "'-4",
        "requestParameters.tags": "'-a, b",
        "requestParameters": '{"userName":"bob","n":-4,"tags":["-a","b"]}',
        "additionalEventData.x-amz-id-2": "i" * 60,  # it is kept apart, and found nevertheless
        "nosuch": "",
    }
    assert "no event has the field nosuch" in done.stderr


def test_what_cannot_be_read_is_named_with_its_reason(tmp_path: Path, trail: Path) -> None:
    damaged = trail_bytes([record(), record()])
    trail.mkdir()
    (trail / "damaged.json.gz").write_bytes(damaged[:-20])
    (trail / "notes.txt").write_text("hello")
    write_trail(trail, [b"1", b'{"eventTime":"x"}', b'{"eventName":"a"}', record()])
    done = enrich(tmp_path, trail)
    assert done.exit_code == 1
    written = len(done.stdout.splitlines())
    said = " ".join(done.stderr.split())
    assert f"{trail}/a.json.gz: 1 record not readable (not_an_object) at position 0" in said
    assert f"not fully read: {trail}/damaged.json.gz" in said
    assert "1 object skipped: no events (1 text)" in said
    assert f"= {written} + 3 + 0" in said


def test_a_selection_and_the_filter_hold(tmp_path: Path, trail: Path) -> None:
    write_trail(
        trail,
        [
            record(eventTime="2025-03-01T12:00:00Z"),
            record(eventTime="2025-03-02T12:00:00Z"),
            record(eventTime="2025-03-02T13:00:00Z", eventName="ListUsers"),
        ],
    )
    noise = json.dumps([{"eventName": "ListUsers"}])
    done = enrich(tmp_path, trail, "--since", "2025-03-02", TRAILHOUND_FILTER=noise)
    (only,) = events(done)
    assert only["eventTime"] == "2025-03-02T12:00:00Z"
    assert "+ 2" in " ".join(done.stderr.split())


def test_nothing_to_use_is_incomplete_and_an_empty_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    assert enrich(tmp_path, tmp_path / "empty").exit_code == 0
    assert enrich(tmp_path, tmp_path / "notes.txt").exit_code == 1
    assert isinstance(enrich(tmp_path, tmp_path / "nosuch").exception, SourceNotFoundError)


def test_an_object_named_twice_is_read_once(tmp_path: Path, trail: Path) -> None:
    file = write_trail(trail, [record()])
    done = enrich(tmp_path, trail, file)
    assert len(events(done)) == 1
    assert "1 named twice" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("--fields", "eventName"),
        ("--output", "csv", "--fields", "a,,b"),
        ("--output", "csv", "--fields", "a,a"),
    ],
)
def test_wrong_fields_are_a_usage_error(
    tmp_path: Path, trail: Path, wrong: tuple[str, ...]
) -> None:
    write_trail(trail, [record()])
    assert isinstance(enrich(tmp_path, trail, *wrong).exception, UsageError)


def test_on_a_terminal_no_control_character_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", Terminal(raw))
    written = {"name": "a\x7f\x9b31m\u202ez é"}
    assert write_bytes(json.dumps(written, ensure_ascii=False).encode())
    assert raw.getvalue() == '{"name": "a\\u007f\\u009b31m\\u202ez é"}'.encode()
    assert json.loads(raw.getvalue()) == written
