"""What a role does is found however many sessions its caller opens for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pytest

from detections.automation.relation import relation_of
from detections.automation.trusting import TrustingRules
from detections.events.identity import ARN
from detections.finding import Finding
from detections.packs.loading import load_paths
from detections.packs.pack import Pack
from detections.rule import Rule
from detections.running.file_rules import FileRules
from detections.samples import documents
from detections.span import Span, milliseconds
from enrich.enricher import Enricher
from tests.unit.detections.packs.shipped import RULES, Shipped, shipped
from trailhound.settings import DetectionSettings

ACCOUNT = "111122223333"
ROLE = "AWSReservedSSO_app"
"""Named like one of Identity Center's, as rules on people ask for, but of an ordinary path."""
ALL_TIME = Span(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

BY_ARN_ALONE = {
    "collection/objects_read_in_bulk_by_key": "keys of users alone",
    "credential-access/parameters_decrypted_with_user_key": "keys of users alone",
    "credential-access/secret_read_with_user_key": "keys of users alone",
}
"""Why the sessions of a role are not counted together; the definitions of patterns have none."""


def counting() -> list[Shipped]:
    """The rules that count by principal."""
    return [
        each
        for each in shipped()
        if ARN in each.main.get("correlation", {}).get("group-by", ())
        and each.folder not in {"alarms", "patterns"}
    ]


@lru_cache(maxsize=1)
def pack() -> Pack:
    loaded = load_paths([RULES], DetectionSettings())
    rules = TrustingRules(loaded.compiled)
    rules.use(relation_of(DetectionSettings().known_automation, ()))
    return replace(loaded, compiled=rules)


def by_role(trail: Sequence[Any], sessions: Sequence[str], address: str, **context: Any) -> Any:
    """The trail, its calls made by sessions of one role in turn."""
    issuer = {
        "type": "Role",
        "principalId": "AROAEXAMPLE",
        "arn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
        "accountId": ACCOUNT,
        "userName": ROLE,
    }
    for number, event in enumerate(trail):
        name = sessions[number % len(sessions)]
        identity = {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLE:{name}",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/{name}",
            "accountId": ACCOUNT,
            "accessKeyId": f"ASIA{name[2:].upper():0>16}",
            "sessionContext": {"sessionIssuer": issuer, **context},
        }
        yield {**event, "userIdentity": identity, "sourceIPAddress": address}


def found(rule: Rule, trail: Sequence[Any]) -> list[Finding]:
    rules = FileRules(replace(pack(), rules=(rule,)), ALL_TIME)
    try:
        for number, source in enumerate(documents(list(trail), Enricher())):
            if matched := rules.matches(source):
                time = milliseconds(datetime.fromisoformat(str(source["@timestamp"])))
                rules.events.add(f"e{number:03}", time, source, matched)
        return list(rules.findings(rule))
    finally:
        rules.close()


def names(number: int) -> list[str]:
    """Of sessions, as AWS names those of instances."""
    return [f"i-{each:017x}" for each in range(number)]


def test_each_count_by_principal_is_by_role_or_has_a_reason() -> None:
    alone = {str(each) for each in counting() if not each.own.get("by_role")}
    assert alone == set(BY_ARN_ALONE)
    defined = [each for each in shipped() if each.folder in {"alarms", "patterns"}]
    assert not [each for each in defined if each.own.get("by_role")]


@pytest.mark.parametrize(
    "shipped_rule", [each for each in counting() if each.own.get("by_role")], ids=str
)
def test_another_session_for_every_call_hides_nothing(shipped_rule: Shipped) -> None:
    rule = pack().rule(shipped_rule.main["id"])
    trail = shipped_rule.samples.match[0]
    (one,) = found(rule, list(by_role(trail, names(1), "203.0.113.7")))
    assert ARN in dict(one.group)
    (rotated,) = found(rule, list(by_role(trail, names(len(trail)), "203.0.113.7")))
    assert (
        dict(rotated.group).items()
        >= {
            "userIdentity.sessionContext.sessionIssuer.arn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
            "sourceIPAddress": "203.0.113.7",
        }.items()
    )
    assert (rotated.count, rotated.first_seen) == (one.count, one.first_seen)


DELETED = "impact/backups_deleted"


def deleting(*times: int) -> list[dict[str, Any]]:
    began = datetime(2025, 6, 3, 10, tzinfo=UTC)
    return [
        {
            "eventTime": f"{began + timedelta(seconds=time):%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": "ec2.amazonaws.com",
            "eventName": "DeleteSnapshot",
            "requestParameters": {"snapshotId": f"snap-{time:08x}"},
        }
        for time in times
    ]


def backups() -> Rule:
    (one,) = (each for each in shipped() if str(each) == DELETED)
    return pack().rule(one.main["id"])


def test_what_a_session_accounts_for_is_found_once() -> None:
    address = "203.0.113.7"
    loud = list(by_role(deleting(*range(10)), ["i-loud"], address))
    quiet = list(by_role(deleting(20, 30), ["i-one", "i-two"], address))
    (one,) = found(backups(), [*loud, *quiet])
    assert (one.count, one.group[-1][0]) == (10, ARN)
    more = list(by_role(deleting(*range(40, 48)), ["i-three", "i-four"], address))
    alone, together = sorted(found(backups(), [*loud, *quiet, *more]), key=lambda each: -each.count)
    assert alone == one
    assert (together.count, together.group[-1]) == (10, ("sourceIPAddress", address))


@pytest.mark.parametrize(
    "context",
    [{"ec2RoleDelivery": "2.0"}, {"sessionIssuer": {"type": "Role", "arn": "", "userName": ROLE}}],
)
def test_sessions_that_aws_names_and_callers_without_a_role_are_apart(
    context: dict[str, Any],
) -> None:
    trail = list(by_role(deleting(*range(12)), names(6), "203.0.113.7", **context))
    assert not found(backups(), trail)


def test_people_of_identity_center_are_apart() -> None:
    path = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/{ROLE}"
    issuer = {"type": "Role", "arn": path, "userName": ROLE}
    trail = list(by_role(deleting(*range(12)), names(6), "203.0.113.7", sessionIssuer=issuer))
    assert not found(backups(), trail)


def test_an_address_is_a_part_of_the_group() -> None:
    first = list(by_role(deleting(*range(4)), names(4), "203.0.113.7"))
    second = list(by_role(deleting(*range(4, 8)), names(4), "203.0.113.8"))
    assert not found(backups(), [*first, *second])
