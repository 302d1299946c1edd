"""`trailhound timeline`: sessions joined, calls folded, alerts in their place, every form of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import command
from tests.helpers.detection_rules import DELETED, write_rules
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.settings import Settings

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert(1)</script>\x1b[2J"
ELSEWHERE = "203.0.113.9"
HOME, AWAY = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{AWAY}:role/Deploy"
ARN = f"arn:aws:sts::{AWAY}:assumed-role/Deploy/bob"
ADA = {
    "type": "IAMUser",
    "arn": f"arn:aws:iam::{HOME}:user/ada",
    "accountId": HOME,
    "userName": "ada",
    "accessKeyId": "AKIAADAEXAMPLE",
}
SESSION = {
    "type": "AssumedRole",
    "arn": ARN,
    "principalId": "AROA:bob",
    "accountId": AWAY,
    "accessKeyId": "ASIADEPLOY",
    "sessionContext": {
        "sessionIssuer": {"type": "Role", "arn": ROLE, "userName": "Deploy"},
        "attributes": {"creationDate": "2025-03-01T10:00:00Z"},
    },
}


def story() -> list[dict[str, Any]]:
    """Ada opens a session in another account, named after somebody else, and reads with it."""
    opened: dict[str, Any] = {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "eventTime": "2025-03-01T10:00:00Z",
        "sharedEventID": "shared",
        "sourceIPAddress": ELSEWHERE,
        "requestParameters": {"roleArn": ROLE, "roleSessionName": "bob"},
        "responseElements": {
            "credentials": {"accessKeyId": "ASIADEPLOY"},
            "assumedRoleUser": {"arn": ARN},
        },
    }
    caller = {"type": "AWSAccount", "principalId": "AIDAADA", "accountId": HOME}
    reads = [
        record(
            eventSource="s3.amazonaws.com",
            eventName="GetObject",
            eventTime=f"2025-03-01T10:{minute:02}:00Z",
            userIdentity=SESSION,
            requestParameters={"bucketName": "data", "key": f"part-{minute}"},
            recipientAccountId=AWAY,
        )
        for minute in range(5, 25)
    ]
    return [
        record(userIdentity=ADA, **opened),
        record(userIdentity=caller, recipientAccountId=AWAY, **opened),
        *reads,
        record(
            eventSource="cloudtrail.amazonaws.com",
            eventName="DeleteTrail",
            eventTime="2025-03-01T10:30:00Z",
            userIdentity=SESSION,
            recipientAccountId=AWAY,
            userAgent=HOSTILE,
        ),
        record(
            eventTime="2025-03-01T11:00:00Z",
            requestParameters={"userName": "ada"},
            userIdentity=ADA | {"userName": "eve", "arn": f"arn:aws:iam::{HOME}:user/eve"},
        ),
        record(
            eventTime="2025-03-01T12:00:00Z",
            eventName=HOSTILE,
            userIdentity=ADA,
            sourceIPAddress=ELSEWHERE,
        ),
    ]


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    write_trail(tmp_path / "trail", story())
    assert backfill(made, tmp_path / "trail").counts.indexed == len(story())
    return made


def output_of(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = command(settings, "timeline", *arguments, "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    require_listing(made, "timeline")
    assert isinstance(made, dict)
    return made


def test_the_whole_story_of_a_person_a_key_an_address_a_resource_and_an_incident(
    settings: Settings, tmp_path: Path
) -> None:
    rules = write_rules(tmp_path / "rules")
    env = {
        "TRAILHOUND_DETECTIONS__SHIPPED": "false",
        "TRAILHOUND_DETECTIONS__RULES": json.dumps([str(rules)]),
    }
    assert command(settings, "detect", env=env).exit_code == 0
    made = output_of(settings, "ada")
    lines = [each for each in made["lines"] if each["kind"] == "calls"]
    # Twenty reads are one line, by whoever opened the session, whatever it is called.
    assert [(each["call"], each["count"], each["relation"]) for each in lines] == [
        ("AssumeRole", 1, "did"),
        ("GetObject", 20, "session"),
        ("DeleteTrail", 1, "session"),
        ("CreateUser", 1, "target"),
        (HOSTILE, 1, "did"),
    ]
    assert {each["principal"] for each in lines[:3]} == {f"user:ada@{HOME}"}
    assert lines[1]["as"] == f"role:Deploy@{AWAY}"
    (hop,) = lines[1]["trace"]["hops"]
    assert (hop["by"], hop["to"], hop["key"]) == (f"user:ada@{HOME}", ARN, "ASIADEPLOY")
    (alert,) = [each for each in made["lines"] if each["kind"] == "alert"]
    assert alert["alert"]["rule"]["id"] == DELETED
    assert made["lines"].index(alert) == made["lines"].index(lines[2]) + 1
    assert (made["total"], made["folded"], made["opened_sessions"]) == (24, 24, 1)

    assert output_of(settings, "user:ada@" + HOME)["total"] == 24
    assert (
        output_of(settings, "ASIADEPLOY")["total"] == 23
    )  # what it did, and the calls that made it
    assert output_of(settings, "198.51.100.7")["total"] == len(story()) - 3
    assert output_of(settings, "s3:data")["total"] == 20
    for name in (alert["id"], f"incident:{alert['id']}"):
        story_of = output_of(settings, name)
        # The alert names one event; with its key the session did 20 more. Whoever opened it did so
        # from elsewhere, and did something from its address with the key that opened it.
        assert (story_of["total"], story_of["alerts"]) == (23, 1)
        found = [each for each in story_of["lines"] if each["kind"] == "calls"]
        assert [(each["call"], each["count"], each["relation"]) for each in found] == [
            ("AssumeRole", 1, "target"),
            ("GetObject", 20, "did"),
            ("DeleteTrail", 1, "evidence"),
            ("CreateUser", 1, "did"),
        ]
        assert {each["principal"] for each in found[:3]} == {f"user:ada@{HOME}"}
    assert output_of(settings, "ada", "--until", "2025-02-01")["lines"] == []

    number = str(lines[1]["line"])
    events = {
        each["line"]: len(each.get("events", ()))
        for each in output_of(settings, "ada", "--expand", number)["lines"]
        if each["line"]
    }
    assert events == {1: 0, 2: 20, 3: 0, 4: 0, 5: 0}
    shown = command(settings, "timeline", "ada", "--expand", number).stdout
    assert shown.count("\tGetObject\t") == 21
    assert "\x1b" not in shown
    page = tmp_path / "story.html"
    done = command(settings, "timeline", "ada", "--html", str(page))
    assert done.exit_code == 0, done.output
    text = page.read_text("utf-8")
    assert "<script>alert" not in text
    assert "×20" in text
    assert "1 hop" in text
    for wrong in (("--expand", "x"), ("--html", str(tmp_path / "no" / "a.html"))):
        assert command(settings, "timeline", "ada", *wrong).exit_code != 0
    assert command(settings, "timeline", "incident:ffffffff").exit_code != 0
