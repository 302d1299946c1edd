"""`trailhound event`: one event with all of its record, apart from what was added."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import command
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.errors import UsageError
from trailhound.settings import Settings

HOSTILE = "[red]\x1b[2J\u202eevil"
NUMBER = "1.1000000000000000000001"


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def shown(settings: Settings, wanted: str) -> dict[str, Any]:
    done = command(settings, "event", wanted, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_record_is_whole_and_apart_from_what_was_added(
    settings: Settings, tmp_path: Path
) -> None:
    # A field of ours, one that is not searched, and a value of the wrong kind: all are moved.
    moved = record(
        risk_score="mine",
        userAgent=HOSTILE,
        requestParameters=["a", "list"],
        additionalEventData={"x-amz-id-2": "i" * 60, "n": 7},
    )
    plain = record()
    exact = json.dumps(plain).encode()[:-1] + b',"additionalEventData":{"n":' + NUMBER.encode()
    file = write_trail(tmp_path / "trail", [moved, exact + b"}}"])
    assert backfill(settings, tmp_path / "trail").counts.indexed == 2
    found = shown(settings, moved["eventID"])
    assert found["record"] == moved
    assert (found["id"], found["object"], found["others"]) == (moved["eventID"], str(file), [])
    assert found["added"]["trail"]["object"] != str(file)
    assert found["added"]["risk_score"] >= 1
    assert "eventName" not in found["added"]
    printed = command(settings, "event", plain["eventID"], "--json").stdout
    exactly = json.loads(printed, parse_float=Decimal)["record"]
    assert exactly["additionalEventData"] == {"n": Decimal(NUMBER)}
    people = command(settings, "event", moved["eventID"]).stdout
    assert str(file) in people
    assert "\x1b" not in people
    assert "risk_score" in people


def test_another_record_with_the_same_id_is_named(settings: Settings, tmp_path: Path) -> None:
    one = record()
    other = {**one, "eventName": "DeleteTrail"}
    write_trail(tmp_path / "trail", [one, other])
    assert backfill(settings, tmp_path / "trail").conflicts == 1
    found = shown(settings, one["eventID"])
    assert found["record"] == one
    (second,) = found["others"]
    assert shown(settings, second)["record"] == other
    assert second in command(settings, "event", one["eventID"]).output


def test_an_event_of_another_day_with_the_same_id_hides_none(
    settings: Settings, tmp_path: Path
) -> None:
    """Each day has an index of its own, in which the id is free."""
    real = record(eventTime="2025-03-05T12:00:00Z", eventName="DeleteTrail")
    forged = {**real, "eventTime": "2025-03-01T12:00:00Z", "eventName": "DescribeTrails"}
    for name, each in (("a", real), ("b", forged)):
        write_trail(tmp_path / name, [each])
        assert backfill(settings, tmp_path / name).counts.indexed == 1
    found = shown(settings, real["eventID"])
    assert found["record"] == real, "the first that came, not the one of the first day"
    (other,) = found["others"]
    assert other == f"{settings.namespace}-cloudtrail-2025.03.01/{real['eventID']}"
    assert shown(settings, other)["record"] == forged
    assert shown(settings, other)["others"] == [f"{found['index']}/{real['eventID']}"]
    assert other in command(settings, "event", real["eventID"]).output
    nowhere = command(settings, "event", other.replace("03.01", "03.02"))
    assert isinstance(nowhere.exception, UsageError)


def test_an_id_of_no_event_is_a_usage_error(settings: Settings) -> None:
    for wanted, hint in (("nosuch-event", "closed"), ("nosuch", "at least 8 characters")):
        done = command(settings, "event", wanted)
        assert isinstance(done.exception, UsageError)
        assert wanted in done.exception.message
        assert hint in done.exception.hint
    for of in ("ledger", "deadletters"):
        done = command(settings, of, "show", "no")
        assert isinstance(done.exception, UsageError)
        assert "at least 4 characters" in done.exception.hint
