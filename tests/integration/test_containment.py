"""What to do now about an incident: read from its own events, and part of the report."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.commands import command
from tests.helpers.trails import own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.report.collect.gaps import UNREADABLE_EVENTS

KEY, MADE, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "AKIAX5QH8DHBEXAMPLE7"
ACCOUNT = "111122223333"
OUTSIDER = "444455556666"
SESSION = "ASIAI44QH8DHBEXAMPLE"
MANY = [f"AKIA{number:016}" for number in range(21)]
"""More keys than lists of an incident name."""
CALLS = ("CreateUser", "CreateAccessKey", "AttachUserPolicy", "UpdateAssumeRolePolicy", "TagRole")
SIGN_IN = "ConsoleLogin"


def call(second: int, name: str, user: str = "ada", key: str = KEY, **more: Any) -> dict[str, Any]:
    identity = {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
        "accountId": ACCOUNT,
        "userName": user,
        "accessKeyId": key,
    }
    return record(
        eventName=name,
        eventSource="iam.amazonaws.com",
        eventTime=f"2025-03-01T12:00:{second:02}Z",
        userIdentity=identity,
        recipientAccountId=ACCOUNT,
        readOnly=False,
        **more,
    )


def sign_in(second: int, result: str) -> dict[str, Any]:
    """As AWS writes it: a failed one has no `errorCode`."""
    made = call(second, SIGN_IN, eventType="AwsConsoleSignIn", responseElements={SIGN_IN: result})
    del made["userIdentity"]["accessKeyId"]
    return {**made, "eventSource": "signin.amazonaws.com"}


def downstream() -> list[dict[str, Any]]:
    """A session in another account that the key opened, what it read there, and what it made; and a
    call with the key that nothing raises an alert of."""
    arn = f"arn:aws:sts::{OUTSIDER}:assumed-role/Reader/s"
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{OUTSIDER}:role/Reader", "userName": "Reader"}
    session = {
        "type": "AssumedRole",
        "arn": arn,
        "accountId": OUTSIDER,
        "accessKeyId": SESSION,
        "sessionContext": {
            "sessionIssuer": {**issuer, "accountId": OUTSIDER},
            "attributes": {"creationDate": "2025-03-01T12:00:06Z"},
        },
    }
    opened = call(
        6,
        "AssumeRole",
        requestParameters={"roleArn": issuer["arn"], "roleSessionName": "s"},
        responseElements={
            "credentials": {"accessKeyId": SESSION},
            "assumedRoleUser": {"arn": arn},
        },
    )
    there = {"userIdentity": session, "recipientAccountId": OUTSIDER}
    read = call(7, "GetSecretValue", requestParameters={"secretId": "prod/db"})
    made = call(8, "CreateGroup", requestParameters={"groupName": "ops"})
    return [
        {**opened, "eventSource": "sts.amazonaws.com", "readOnly": True},
        {**read, **there, "eventSource": "secretsmanager.amazonaws.com", "readOnly": True},
        {**made, **there},
        {**call(5, "ListUsers"), "readOnly": True},
    ]


def test_an_incident_says_what_takes_it_away(
    engine: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    for name in (*CALLS, SIGN_IN):
        rule = {
            "title": name,
            "level": "high",
            "logsource": {"product": "aws", "service": "cloudtrail"},
            "detection": {"s": {"eventName": name}, "condition": "s"},
        }
        (rules / f"{name}.yml").write_text(yaml.safe_dump(rule))
    detections = {"shipped": False, "rules": [str(rules)]}
    settings = own_settings(engine, namespace, tmp_path / "home", detections=detections)
    prepared(settings)
    made = {"accessKey": {"userName": "eve", "accessKeyId": MADE}}
    admin = {"userName": "eve", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    statement = {"Effect": "Allow", "Principal": {"AWS": OUTSIDER}, "Action": "sts:AssumeRole"}
    trust = {"roleName": "Ops", "policyDocument": json.dumps({"Statement": [statement]})}
    trail = write_trail(
        tmp_path / "trail",
        [
            sign_in(0, "Failure"),
            sign_in(0, "Success"),
            call(1, "CreateUser", requestParameters={"userName": "eve"}),
            call(2, "CreateAccessKey", responseElements=made),
            call(3, "AttachUserPolicy", requestParameters=admin),
            call(4, "UpdateAssumeRolePolicy", requestParameters=trust),
            call(4, "TagRole", requestParameters={"roleName": "Ops"}),
            call(5, "CreateUser", requestParameters={"userName": "no"}, errorCode="AccessDenied"),
            *downstream(),
            *(call(4, "TagRole", key=each, requestParameters={"roleName": "Ops"}) for each in MANY),
            call(6, "ListUsers", "bob", OTHER, sourceIPAddress="192.0.2.99"),
            record(
                eventName="ListUsers", eventTime="2025-03-02T12:00:00Z"
            ),  # another day has events
        ],
    )
    pack = {
        "TRAILHOUND_DETECTIONS__SHIPPED": "false",
        "TRAILHOUND_DETECTIONS__RULES": json.dumps([str(rules)]),
    }
    detected = command(settings, "backfill", str(trail), "--detect", env=pack)
    assert detected.exit_code == 0, detected.output
    (incident,) = json.loads(command(settings, "incidents", "list", "--json").stdout)["incidents"]
    advice = json.loads(command(settings, "incidents", "show", incident["id"], "--json").stdout)
    several = advice["containment"]["steps"]
    steps = [each for each in several if each["object"] not in MANY]
    assert len(several) - len(steps) == len(MANY)
    assert [(each["account"], shlex.split(each["command"])[1:3]) for each in steps] == [
        (ACCOUNT, ["iam", "update-access-key"]),
        (ACCOUNT, ["iam", "put-user-policy"]),
        (ACCOUNT, ["iam", "delete-login-profile"]),
        (OUTSIDER, ["iam", "put-role-policy"]),
        (ACCOUNT, ["iam", "update-access-key"]),
        (ACCOUNT, []),
        (OUTSIDER, []),
        (ACCOUNT, ["iam", "detach-user-policy"]),
        (ACCOUNT, ["iam", "delete-user"]),
        (OUTSIDER, ["iam", "delete-group"]),
    ]
    assert "rotate what was read in Secrets Manager: prod/db" in steps[6]["what"]
    assert (steps[5]["object"], steps[5]["outsiders"]) == ("Ops", [OUTSIDER])
    assert OTHER not in json.dumps(steps), "who only was there used the account rightly"
    assert advice["containment"]["left"] == {"TagRole": 22}
    assert advice["containment"]["left_objects"] == {"TagRole": ["Ops"]}
    shown = command(settings, "incidents", "show", incident["id"]).stdout
    assert f"it lets in {OUTSIDER}" in " ".join(shown.split())
    assert "TagRole ×22 (Ops)" in " ".join(shown.split())
    assert f"aws iam update-access-key --access-key-id {KEY} --user-name ada" in shown
    assert "without a command here: 22 other successful calls of the same principals" in shown

    found = command(settings, "events", "--incident", incident["id"], "--json")
    calls = Counter(each["eventName"] for each in json.loads(found.stdout)["events"])
    assert (found.exit_code, calls.total()) == (0, 33), "29 of alerts, and 4 of none"
    assert calls["ListUsers"] == calls["GetSecretValue"] == 1

    (line,) = [each for each in shown.splitlines() if "outsider" in each]
    assert OUTSIDER in line
    followed = command(settings, "timeline", incident["id"], "--json").stdout
    lines = {each["call"]: each for each in json.loads(followed)["lines"]}
    assert lines["UpdateAssumeRolePolicy"]["outsiders"] == [OUTSIDER]
    alert = lines["high: UpdateAssumeRolePolicy"]["id"]
    assert OUTSIDER in command(settings, "alerts", "show", alert).stdout

    html, document = tmp_path / "r.html", tmp_path / "r.json"
    reported = command(settings, "report", "-o", str(html), "-o", str(document), env=pack)
    assert reported.exit_code == 0, reported.output
    (found,) = json.loads(document.read_text("utf-8"))["advice"]
    assert found["id"] == incident["id"]
    # Sessions are revoked up to the moment of the advice.
    timeless = [{**each, "command": each["command"].partition("aws:Token")[0]} for each in several]
    assert timeless == [
        {**each, "command": each["command"].partition("aws:Token")[0]} for each in found["steps"]
    ]
    assert "What to do now" in html.read_text("utf-8")

    # What is not looked at is named.
    assert advice["containment"]["left_out"] == []
    with monkeypatch.context() as few:
        few.setattr("detections.incidents.advice._MOST", 2)
        shown_few = command(settings, "incidents", "show", incident["id"])
    assert "what to do now is incomplete: more than 2 calls that leave" in shown_few.stderr
    assert "more than 2 calls that issued credentials, signed in or read" in shown_few.stderr

    # Its events cannot be read: nothing is silent about that.
    client, day = connect(settings), Names(settings.prefix).day("2025.03.01")
    gone = "it does not exist any more, with all 29 events that alerts name"
    one = {"query": {"term": {"eventName": "TagRole"}}}
    for change, why in (
        (lambda: client.indices.close(index=day), "it is closed"),
        (
            lambda: (client.indices.open(index=day), client.delete_by_query(index=day, body=one)),
            "it lacks 22 of 29 events that alerts name",
        ),
        (lambda: client.indices.delete(index=day), gone),
    ):
        change()
        for arguments in (
            ("incidents", "show", incident["id"]),
            ("events", "--incident", incident["id"]),
            ("timeline", incident["id"]),
        ):
            asked = command(settings, *arguments, "--json")
            assert asked.exit_code == 1, asked.output
            skipped = json.loads(asked.stdout)["skipped_days"]
            assert skipped == [{"index": day, "reason": why}], arguments
        asked = command(settings, "incidents", "show", incident["id"])
        assert asked.exit_code == 1
        assert f"what to do now is incomplete: events cannot be read: {day}: {why}" in asked.stderr
    of_alert = command(settings, "events", "--alert", incident["alert"])
    assert (of_alert.exit_code, f"events cannot be read: {day}" in of_alert.stderr) == (1, True)
    reported = command(settings, "report", "-o", str(document), env=pack)
    assert reported.exit_code == 1
    assert gone in reported.stderr
    (gap,) = (
        each
        for each in json.loads(document.read_text("utf-8"))["gaps"]
        if each["title"] == UNREADABLE_EVENTS
    )
    assert gone in gap["detail"]
