"""Incidents where somebody acts with rights that another one gave: an instance, a function, another
account, a certificate; and where a pipeline gives them to many."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from detections.incidents.late_openers import LateOpeners
from tests.helpers.commands import command
from tests.helpers.identities import ACCOUNT, role_arn, session, user
from tests.helpers.namespaces import own_namespace
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, record, write_trail
from trailhound.cluster.client import connect
from trailhound.settings import Settings

RULES = """\
title: Rights given
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1b01
level: medium
logsource: {product: aws, service: cloudtrail}
detection:
  selection:
    eventName:
      - RunInstances
      - CreateFunction20150331
      - UpdateFunctionCode20150331v2
      - UpdateAssumeRolePolicy
      - CreateTrustAnchor
  condition: selection
---
title: Trail deleted
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1b02
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: DeleteTrail}
  condition: selection
"""
OUTSIDE = "999988887777"
IN_A_COUNTRY, ELSEWHERE = "81.2.69.142", "192.0.2.200"
INSTANCE = "i-0a1b2c3d4e5f60718"
ANCHOR = f"arn:aws:rolesanywhere:us-east-1:{ACCOUNT}:trust-anchor/8f3c"
FUNCTIONS = [f"handler-{number}" for number in range(12)]
_addresses = count(1)
"""One for each call, so that no address joins anything."""


def at(day: int, hour: int, minute: int = 0) -> str:
    return f"2025-03-{day:02d}T{hour:02d}:{minute:02d}:00Z"


def call(when: str, service: str, name: str, who: dict[str, Any], **more: Any) -> dict[str, Any]:
    return record(
        eventTime=when,
        eventSource=f"{service}.amazonaws.com",
        eventName=name,
        userIdentity=who,
        **{"sourceIPAddress": f"203.0.113.{next(_addresses)}", **more},
    )


def deleted(when: str, role: str, name: str, key: str, created: str) -> dict[str, Any]:
    """What a session of a role does that a rule finds."""
    who = session(role, name, key=key, created=created)
    return call(when, "cloudtrail", "DeleteTrail", who, requestParameters={"name": name})


def updated(when: str, name: str, who: dict[str, Any]) -> dict[str, Any]:
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
    reply = {"functionName": name, "functionArn": arn, "role": role_arn(f"role-of-{name}")}
    asked = {"functionName": name}
    return call(
        when,
        "lambda",
        "UpdateFunctionCode20150331v2",
        who,
        requestParameters=asked,
        responseElements=reply,
    )


def intruders() -> Iterator[dict[str, Any]]:
    """Four people who give rights, and who acts with them."""
    launched = {"instancesSet": {"items": [{"instanceId": INSTANCE}]}}
    ivan = user("ivan")
    trail = {"name": "backup"}
    before = "2025-02-26T03:00:00Z"
    yield call(before, "cloudtrail", "DeleteTrail", ivan, requestParameters=trail)
    yield call(
        at(1, 3),
        "ec2",
        "RunInstances",
        ivan,
        responseElements=launched,
        sourceIPAddress=IN_A_COUNTRY,
    )
    # No rule finds what is done at the end.
    for minute in (10, 20):
        yield call(at(1, 6, minute), "s3", "ListBuckets", ivan, sourceIPAddress=ELSEWHERE)
    yield deleted(at(1, 4), "Admin", INSTANCE, "ASIAINSTANCE", at(1, 3, 30))

    made = {"functionName": "helper", "role": role_arn("lambda-admin")}
    yield call(at(3, 3), "lambda", "CreateFunction20150331", user("tom"), requestParameters=made)
    yield deleted(at(3, 4), "lambda-admin", "helper", "ASIAHELPER", at(3, 3, 30))
    # A session of another role that has the name of the function by chance.
    yield deleted(at(3, 5), "Other", "helper", "ASIAOTHER", at(3, 3, 40))

    policy = {"Effect": "Allow", "Principal": {"AWS": OUTSIDE}, "Action": "sts:AssumeRole"}
    trust = {"roleName": "reader", "policyDocument": json.dumps({"Statement": [policy]})}
    anna = user("anna")
    yield call(at(5, 3), "iam", "UpdateAssumeRolePolicy", anna, requestParameters=trust)
    for account, name, key in ((OUTSIDE, "x", "ASIAX"), ("555566667777", "y", "ASIAY")):
        yield call(
            at(5, 4),
            "sts",
            "AssumeRole",
            {"type": "AWSAccount", "accountId": account, "principalId": f"AIDA{name}"},
            requestParameters={"roleArn": role_arn("reader"), "roleSessionName": name},
            responseElements={"credentials": {"accessKeyId": key}},
        )
        yield deleted(at(5, 5), "reader", name, key, at(5, 4))

    anchor = {"trustAnchor": {"trustAnchorArn": ANCHOR}}
    lena = user("lena")
    yield call(at(7, 3), "rolesanywhere", "CreateTrustAnchor", lena, responseElements=anchor)
    yield call(
        at(7, 4),
        "rolesanywhere",
        "CreateSession",
        {"type": "Unknown", "principalId": "", "accountId": ACCOUNT},
        requestParameters={"trustAnchorArn": ANCHOR, "roleArn": role_arn("Deploy")},
        responseElements={"credentialSet": [{"credentials": {"accessKeyId": "ASIAANYWHERE"}}]},
    )
    yield deleted(at(7, 5), "Deploy", "00ab", "ASIAANYWHERE", at(7, 4))


def pipeline() -> Iterator[dict[str, Any]]:
    """One user who updates many functions each day, each of which has an alert of its own."""
    for day in (10, 11):
        for number, name in enumerate(FUNCTIONS):
            yield updated(at(day, 8, number), name, user("deployer"))
            key = f"ASIA{day}FUNCTION{number}"
            yield deleted(at(day, 9, number), f"role-of-{name}", name, key, at(day, 8, 30))


def decoys() -> Iterator[dict[str, Any]]:
    """Five instances of an intruder, each in a call of its own, of which the last acts."""
    for number in range(5):
        launched = {"instancesSet": {"items": [{"instanceId": f"i-0dec0{number:012x}"}]}}
        when = at(20, 3, number)
        yield call(when, "ec2", "RunInstances", user("xen"), responseElements=launched)
    who = session("Admin", f"i-0dec0{4:012x}", key="ASIADECOY", created=at(20, 3, 30))
    # Not of a trail that is named like the instance: that would be a resource of both.
    trail = {"name": "backup"}
    yield call(at(20, 4), "cloudtrail", "DeleteTrail", who, requestParameters=trail)


def of_another() -> Iterator[dict[str, Any]]:
    """Somebody changes a function that a pipeline made in a session of a role; it made others on
    the days before."""
    for day in (22, 24):
        deploys = session("deploy", f"run-{day}", key=f"ASIARUN{day}", created=at(day, 2))
        for number in range(5 if day == 22 else 1):
            made = {"functionName": f"made-{day}-{number}", "role": role_arn("r")}
            when = at(day, 3, number)
            yield call(when, "lambda", "CreateFunction20150331", deploys, requestParameters=made)
    yield updated(at(24, 5), "made-24-0", user("nina"))


def write_pack(file: Path) -> Path:
    file.write_text(RULES)
    return file


@pytest.fixture(scope="module")
def settings(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("given")
    pack = write_pack(home / "rules.yml")
    with own_namespace(engine, home) as made:
        bring(made, home / "trail", *intruders(), *pipeline(), *decoys(), *of_another())
        detect(made, pack)
        yield made


def bring(settings: Settings, folder: Path, *records: dict[str, Any]) -> None:
    backfill(settings, write_trail(folder, records))


def detect(settings: Settings, pack: Path) -> None:
    rules = {"DETECTIONS__SHIPPED": "false", "DETECTIONS__RULES": json.dumps([str(pack)])}
    env = {f"TRAILHOUND_{name}": value for name, value in rules.items()}
    done = command(settings, "detect", "--json", env=env)
    assert done.exit_code == 0, done.output


def people(settings: Settings, *days: int) -> list[list[str]]:
    """The principals of the incidents that began on these days."""
    listed = command(settings, "incidents", "list", "--all", "--json", "--sort", "first-seen")
    assert listed.exit_code == 0, listed.output
    found = json.loads(listed.stdout)["incidents"]
    begun = tuple(f"2025-03-{day:02d}" for day in days)
    return sorted(each["principals"] for each in found if each["first_seen"].startswith(begun))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        pytest.param(1, [["ivan", f"Admin/{INSTANCE}"]], id="instance"),
        pytest.param(3, [["Other/helper"], ["tom", "lambda-admin/helper"]], id="function"),
        pytest.param(5, [["anna", "reader/x"], ["reader/y"]], id="account"),
        pytest.param(7, [["lena", "Deploy/00ab"]], id="certificate"),
        pytest.param(20, [["xen", f"Admin/i-0dec0{4:012x}"]], id="decoys"),
        pytest.param(24, [["deploy/run-24"], ["nina"]], id="of a pipeline"),
    ],
)
def test_who_acts_with_given_rights_is_of_the_incident_of_the_giver(
    settings: Settings, day: int, expected: list[list[str]]
) -> None:
    assert people(settings, day) == expected


def test_an_incident_names_what_is_beside_its_alerts(settings: Settings) -> None:
    """Objects and countries of alerts, further calls with its keys, and earlier incidents."""
    listed = json.loads(command(settings, "incidents", "list", "--all", "--json").stdout)
    of_ivan = [each for each in listed["incidents"] if "ivan" in each["principals"]]
    earlier, incident = (each["id"] for each in sorted(of_ivan, key=lambda it: it["first_seen"]))
    shown = json.loads(command(settings, "incidents", "show", incident, "--json").stdout)
    require_listing(shown, "incidents show")
    launched, deleted_trail = shown["timeline"]
    assert launched["objects"] == [INSTANCE]
    assert launched["countries"] == ["United Kingdom"]
    assert deleted_trail["countries"] == []
    further = shown["further"]
    assert (further["calls"], further["failed"]) == (2, 0)
    assert further["until"] == "2025-03-01T06:20:00.000Z"
    assert further["addresses"] == [ELSEWHERE]
    assert further["names"] == {"ListBuckets": 2}
    (before,) = shown["earlier"]
    assert before["id"] == earlier
    assert before["by"] == ["the key AKIAIVAN", "user ivan"]
    text = " ".join(command(settings, "incidents", "show", incident).stdout.split())
    for part in (
        f"on {INSTANCE}; from United Kingdom",
        f"{IN_A_COUNTRY} (United Kingdom)",
        "2 further calls with its keys since the last alert, until 2025-03-01 06:20:00 UTC",
        f"UTC, also from {ELSEWHERE}, which no alert has: ListBuckets ×2",
        f"{earlier[:6]}, 3 days before: Trail deleted (high, open; the key AKIAIVAN, user ivan)",
    ):
        assert part in text
    first = json.loads(command(settings, "incidents", "show", earlier, "--json").stdout)
    assert first["earlier"] == []
    assert first["further"]["calls"] == 3, "within seven days: the incident after it"


def test_what_a_pipeline_deploys_is_of_no_incident_of_the_pipeline(settings: Settings) -> None:
    found = people(settings, 10, 11)
    assert ["deployer"] in found
    assert all(len(each) == 1 for each in found)
    # Each function alone; both days of one are not its own session's.
    assert len(found) == 1 + 2 * len(FUNCTIONS)


def test_a_function_whose_maker_is_ingested_later_joins_then(
    settings: Settings, tmp_path: Path
) -> None:
    pack = write_pack(tmp_path / "rules.yml")
    bring(settings, tmp_path / "a", deleted(at(15, 4), "R", "late", "ASIALATE", at(15, 3)))
    detect(settings, pack)
    assert people(settings, 15) == [["R/late"]]
    made = updated(at(15, 3, 30), "late", user("zoe"))
    made["responseElements"]["role"] = role_arn("R")
    bring(settings, tmp_path / "b", made)
    detect(settings, pack)
    assert people(settings, 15) == [["zoe", "R/late"]]
    assert LateOpeners(connect(settings), settings).mark() == 0, "not joined again and again"
