"""`trailhound events`: found by every property, on every product; shown whole; followed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import command
from tests.helpers.detection_rules import write_rules
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.app.search.events import EventFilter, EventSearch
from trailhound.cluster.client import connect
from trailhound.errors import UsageError
from trailhound.settings import Settings

ROOT = Path(__file__).parents[2]
HOSTILE = '=1+1\x1b[2J\n"x" OR *\u202e'
SESSION = {
    "type": "AssumedRole",
    "arn": "arn:aws:sts::111122223333:assumed-role/Admin/ada@example.com",
    "principalId": "AROAEXAMPLE:ada@example.com",
    "accountId": "111122223333",
    "accessKeyId": "ASIAEXAMPLE",
    "sessionContext": {
        "sessionIssuer": {
            "type": "Role",
            "arn": "arn:aws:iam::111122223333:role/Admin",
            "userName": "Admin",
        }
    },
}


def events() -> dict[str, dict[str, Any]]:
    """By what each is found."""
    return {
        "session": record(
            userIdentity=SESSION, eventTime="2025-03-01T10:00:00Z", eventName="GetUser"
        ),
        "refused": record(
            eventName="DeleteTrail",
            eventSource="cloudtrail.amazonaws.com",
            errorCode="AccessDenied",
            eventTime="2025-03-02T10:00:00Z",
            requestParameters={"name": "our-trail"},
        ),
        "service": record(
            sourceIPAddress="ec2.amazonaws.com", awsRegion="eu-west-1", eventName="Decrypt"
        ),
        "network": record(sourceIPAddress="2001:db8::7", recipientAccountId="444455556666"),
        "hostile": record(userAgent=HOSTILE, eventName=HOSTILE),
    }


def found(settings: Settings, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = command(settings, "events", *arguments, "--json")
    assert done.exit_code == code, done.output
    made = json.loads(done.stdout)
    assert isinstance(made, dict)
    return made


@pytest.fixture
def prepared_settings(each_engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(each_engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def test_events_are_found_by_every_property_on_every_product(
    prepared_settings: Settings, tmp_path: Path
) -> None:
    settings, those = prepared_settings, events()
    write_trail(tmp_path / "trail", list(those.values()))
    assert backfill(settings, tmp_path / "trail").counts.indexed == len(those)
    names = {each["eventID"]: name for name, each in those.items()}

    def named(*arguments: str) -> list[str]:
        return [names[each["_id"]] for each in found(settings, *arguments)["events"]]

    assert named()[0] == "refused"  # the newest first
    assert named()[-1] == "session"
    for arguments in (
        ("--principal", "ADA@example.com"),
        ("--principal", "Admin/ada@example.com"),
        ("--principal", "admin"),
        ("--principal", "arn:aws:iam::111122223333:role/Admin"),
        ("--principal", "*ada@exa*"),
        ("--key", "ASIAEXAMPLE"),
        ("--until", "2025-03-01T10:00:01Z"),
        ("userIdentity.accessKeyId:ASIA*",),
    ):
        assert named(*arguments) == ["session"], arguments
    for arguments in (
        ("--call", "cloudtrail:*"),
        ("--call", "deletetrail"),
        ("--resource", "our-trail"),
        ("--outcome", "failure"),
        ("--since", "2025-03-02"),
        ("--risk", "10"),
        ("errorCode:AccessDenied AND risk_score:>=5",),
        ("requestParameters.name:our-trail",),
        ("AccessDenied",),
    ):
        assert named(*arguments) == ["refused"], arguments
    assert named("--address", "2001:db8::/32") == named("--account", "444455556666") == ["network"]
    assert named("--address", "EC2.amazonaws.com") == named("--region", "eu-west-1") == ["service"]
    assert set(named("--region", "eu-west-1", "--region", "us-*")) == set(those)
    assert named("--principal", HOSTILE) == named("--principal", '") OR (a:*') == []
    assert named("--call", HOSTILE) == ["hostile"]  # its star is a pattern, and finds itself
    assert named("risk_score:>=9 OR nosuchword") == ["refused"]  # a word of no field but any
    for wrong in ("((x", "eventName:/[a/", "/(a/", "risk_score:high", "--address=10.0.0.0/33"):
        assert isinstance(command(settings, "events", wrong).exception, UsageError), wrong

    # A beginning of the id is enough to read one.
    whole = those["refused"]["eventID"]
    shown = command(settings, "event", whole[:13], "--json")
    assert json.loads(shown.stdout)["record"] == those["refused"]


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def test_every_form_has_the_rows_and_says_how_many_there_are(
    settings: Settings, tmp_path: Path
) -> None:
    those = events()
    write_trail(tmp_path / "trail", list(those.values()))
    backfill(settings, tmp_path / "trail")

    whole = found(settings, "--limit", "2")
    require_listing(whole, "events")
    assert (whole["total"], whole["more"], len(whole["events"])) == (5, True, 2)
    assert whole["events"][0]["requestParameters"] == {"name": "our-trail"}

    lines = command(settings, "events", "--output", "ndjson").stdout.splitlines()
    assert {json.loads(line)["eventID"] for line in lines} == {e["eventID"] for e in those.values()}

    logged = command(settings, "-v", "events", "--limit", "3").stderr
    assert "_search" in logged
    assert "AccessDenied" not in logged  # no content of events
    command(settings, "events", "--limit", "1")

    misspelt = command(settings, "events", "evntName:GetObject")
    assert "'evntName': no CloudTrail event has it; did you mean 'eventName'?" in misspelt.stderr

    piped = command(settings, "events", "--limit", "3")
    assert "_search" not in piped.stderr
    head, *rows = piped.stdout.splitlines()
    assert head.startswith("time\trisk\tcall\t")
    assert len(rows) == 3
    assert "3 of 5 events shown" in piped.stderr

    hostile = those["hostile"]["eventID"]
    written = command(settings, "events", f"eventID:{hostile}", "--output", "csv").stdout
    _, row = csv.reader(io.StringIO(written))
    assert row[2] == '\'=1+1\\x1b[2J\\x0a"x" OR *\\u202e'


def test_the_events_of_an_alert(settings: Settings, tmp_path: Path) -> None:
    those = events() | {
        "deleted": record(
            userIdentity=SESSION,
            eventName="DeleteTrail",
            eventSource="cloudtrail.amazonaws.com",
            eventTime="2025-03-01T10:00:00Z",
        )
    }
    write_trail(tmp_path / "trail", list(those.values()))
    backfill(settings, tmp_path / "trail")
    rules = str(write_rules(tmp_path / "rules"))
    env = {"TRAILHOUND_DETECTIONS__SHIPPED": "false"}
    assert command(settings, "detect", "--rules", rules, env=env).exit_code == 0
    for level, code in (("medium", 4), ("critical", 0)):  # what was found before is found again
        again = command(settings, "detect", "--rules", rules, "--fail-on", level, env=env)
        assert again.exit_code == code
    alerts = json.loads(command(settings, "alerts", "list", "--json").stdout)
    require_listing(alerts, "alerts list")
    refused, deleted = (each["id"] for each in alerts["alerts"])  # the latest first
    of_it = found(settings, "--alert", refused[:10])
    assert [each["eventID"] for each in of_it["events"]] == [those["refused"]["eventID"]]
    of_both = found(settings, "--alert", refused, "--alert", deleted)
    both = [those[name]["eventID"] for name in ("refused", "deleted")]
    assert [each["eventID"] for each in of_both["events"]] == both
    incidents = {each["incident"] for each in alerts["alerts"]}
    of_incidents = found(settings, *(f"--incident={each[:12]}" for each in incidents))
    in_session = those["session"]["eventID"]  # of no alert, by the session of one
    assert {each["eventID"] for each in of_incidents["events"]} == {*both, in_session}
    # One meaning of `--principal` for events, alerts and incidents: a role's name or ARN finds its
    # sessions, the name of a session is enough.
    for who in ("admin", "arn:aws:iam::111122223333:role/Admin", "ada@example.com", "Admin/*"):
        listed = json.loads(
            command(settings, "alerts", "list", "--principal", who, "--json").stdout
        )
        assert [each["id"] for each in listed["alerts"]] == [deleted], who
        command_line = ("incidents", "list", "--principal", who, "--json")
        (incident,) = json.loads(command(settings, *command_line).stdout)["incidents"]
        assert (incident["alert"], incident["access_keys"]) == (deleted, ["ASIAEXAMPLE"]), who
    shown = json.loads(command(settings, "alerts", "show", deleted, "--output", "json").stdout)
    assert shown["access_keys"] == ["ASIAEXAMPLE"]


def test_new_events_are_followed_and_each_is_shown_once(settings: Settings, tmp_path: Path) -> None:
    new = [record(eventName="DeleteUser") for _ in range(3)]

    def add(name: str, *records: dict[str, Any]) -> None:
        write_trail(tmp_path / name, list(records))
        backfill(settings, tmp_path / name)

    # At another time than the others: events of one second are in the order of their ids.
    add("before", record(eventName="DeleteGroup", eventTime="2024-01-01T00:00:00Z"))
    between: Iterator[Callable[[], None]] = iter(
        [
            lambda: add("first", *new[:2], record(eventName="GetUser")),
            lambda: None,
            lambda: add("second", *new),  # two of them again
        ]
    )
    search = EventSearch(connect(settings), settings, EventFilter(calls=["Delete*"]))
    batches = list(islice(search.follow(pause=lambda _: next(between)()), 2))
    assert [len(each) for each in batches] == [2, 1]
    shown = {event["eventID"] for batch in batches for event in batch}
    assert shown == {event["eventID"] for event in new}

    def add_one(_: float) -> None:
        add("third", record(eventName="DeleteRole", eventTime="2026-01-01T00:00:00Z"))

    for known, first in ((2, "DeleteUser"), (None, "DeleteGroup")):
        (earlier, *_), later = (
            [event["eventName"] for event in batch]
            for batch in islice(search.follow(pause=add_one, known=known), 2)
        )
        assert (earlier, later) == (first, ["DeleteRole"])
    refused = command(settings, "events", "--follow", "--until", "2025-03-02").exception
    assert isinstance(refused, UsageError)
