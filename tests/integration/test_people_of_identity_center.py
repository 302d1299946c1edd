"""A person of Identity Center is one, by the name of sessions and by the id of portal calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import command
from tests.helpers.identities import ACCOUNT, session
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.errors import UsageError
from trailhound.settings import Settings

RULES = """\
title: Token or trail
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1c01
level: medium
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: [CreateToken, DeleteTrail]}
  condition: selection
"""
GRACE, HEDY, ABEL = (f"fb739b14-199e-410e-8b38-493aa539799{digit}" for digit in "fed")
CENTER = "aws-reserved/sso.amazonaws.com/"
ROLE = "AWSReservedSSO_Admin_0a1b2c3d"


def portal(person: str, name: str, when: str, address: str, **more: Any) -> dict[str, Any]:
    who = {"type": "IdentityCenterUser", "accountId": ACCOUNT, "onBehalfOf": {"userId": person}}
    return record(
        eventTime=when,
        eventSource="sso.amazonaws.com",
        eventName=name,
        userIdentity=who | {"credentialId": "c"},
        sourceIPAddress=address,
        **{"requestParameters": None, **more},
    )


def acting(name: str, when: str, began: str, address: str, **more: Any) -> dict[str, Any]:
    """What a session of the person does that a rule finds."""
    who = session(ROLE, name, key=f"ASIA{name[:4].upper()}", created=began)
    who["sessionContext"]["sessionIssuer"]["arn"] = f"arn:aws:iam::{ACCOUNT}:role/{CENTER}{ROLE}"
    return record(
        eventTime=when,
        eventSource="cloudtrail.amazonaws.com",
        eventName="DeleteTrail",
        userIdentity=who | more,
        sourceIPAddress=address,
    )


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    """Grace's session has her id too; only the call that got its credentials says whose Hedy's is.
    Abel has an id alone."""
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    day = "2025-03-01T"
    role = {"accountId": ACCOUNT, "roleName": "Admin"}
    records = [
        portal(GRACE, "CreateToken", f"{day}10:00:00Z", "203.0.113.1"),
        portal(GRACE, "ListAccounts", f"{day}10:00:20Z", "203.0.113.1"),
        acting(
            "grace.m@example.com",
            f"{day}10:05:00Z",
            f"{day}10:01:00Z",
            "203.0.113.2",
            onBehalfOf={"userId": GRACE},
        ),
        portal(HEDY, "CreateToken", f"{day}12:00:00Z", "203.0.113.3"),
        portal(
            HEDY, "GetRoleCredentials", f"{day}12:00:30Z", "203.0.113.3", requestParameters=role
        ),
        acting("hedy.l@example.com", f"{day}12:05:00Z", f"{day}12:00:31Z", "203.0.113.4"),
        portal(ABEL, "CreateToken", f"{day}14:00:00Z", "203.0.113.5"),
        record(userIdentity={"type": "IAMUser", "userName": "grace.admin", "accountId": ACCOUNT}),
    ]
    backfill(made, write_trail(tmp_path / "trail", records))
    (tmp_path / "rules.yml").write_text(RULES)
    rules = json.dumps([str(tmp_path / "rules.yml")])
    env = {"TRAILHOUND_DETECTIONS__SHIPPED": "false", "TRAILHOUND_DETECTIONS__RULES": rules}
    assert command(made, "detect", env=env).exit_code == 0
    return made


def printed(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = command(settings, *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_person_is_one_by_name_and_by_id(settings: Settings) -> None:
    listed = printed(settings, "incidents", "list", "--sort", "first-seen", "--all")["incidents"]
    assert sorted(each["principals"] for each in listed) == [
        [ABEL],
        ["grace.m@example.com", f"{ROLE}/grace.m@example.com"],
        ["hedy.l@example.com", f"{ROLE}/hedy.l@example.com"],
    ]
    (grace,) = (each["id"] for each in listed if "grace" in each["principals"][0])
    for each in listed:
        steps = printed(settings, "incidents", "show", each["id"])["containment"]["steps"]
        person = {"grace.m@example.com": GRACE, "hedy.l@example.com": HEDY}
        id_ = person.get(each["principals"][0], ABEL)
        assert any(f'"identitystore:UserId":"{id_}"' in step["command"] for step in steps), id_
    alerts = printed(settings, "alerts", "list", "--principal", "grace.m@example.com")["alerts"]
    assert {each["incident"] for each in alerts} == {grace}
    assert "grace.m@example.com" in {
        name for each in alerts for name in each["entity"]["principal"]
    }
    assert not any(GRACE in each["summary"] for each in alerts)
    expected = ["CreateToken", "ListAccounts", "DeleteTrail"]
    for subject in (grace, GRACE, "grace.m@example.com", "user:grace.m@example.com", "grace.m"):
        lines = [
            it for it in printed(settings, "timeline", subject)["lines"] if it["kind"] == "calls"
        ]
        assert [each["call"] for each in lines] == expected, subject
        assert {each["principal"] for each in lines} == {"user:grace.m@example.com"}
    assert printed(settings, "whois", "grace.m")["events"] == 3
    near = command(settings, "whois", "grace")
    assert isinstance(near.exception, UsageError)
    assert "grace.m@example.com" in near.exception.hint
