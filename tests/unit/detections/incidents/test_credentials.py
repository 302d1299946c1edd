"""How credentials are made useless, by what issues them: what ends a person's session does not end
what a workload gets anew."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest

from detections.incidents.containment import LeftCalls, containment
from detections.incidents.step import Step

NOW = datetime(2025, 3, 4, tzinfo=UTC)
ACCOUNT, OUT = "111122223333", "444455556666"
KEY = "ASIAIOSFODNN7EXAMPLE"
PERSON = "d4c8a4d8-50a1-7012-9a3e-0123456789ab"
INSTANCE = "i-0123456789abcdef0"
TASK = "0123456789abcdef0123456789abcdef"


def event(name: str, source: str, identity: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "eventName": name,
        "eventSource": f"{source}.amazonaws.com",
        "eventTime": "2025-03-03T12:00:00Z",
        "awsRegion": "eu-west-1",
        "recipientAccountId": ACCOUNT,
        "readOnly": False,
        "userIdentity": identity,
        **more,
    }


def session(name: str, role: str = "role/Ops", **context: Any) -> dict[str, Any]:
    names = ("inScopeOf", "onBehalfOf")
    more: dict[str, Any] = {each: context.pop(each) for each in names if each in context}
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Ops/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": KEY,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "arn": f"arn:aws:iam::{ACCOUNT}:{role}",
                "accountId": ACCOUNT,
                "userName": "Ops",
            },
            **context,
        },
        **more,
    }


def advised(
    identity: dict[str, Any],
    *changes: dict[str, Any],
    opener: dict[str, Any] | None = None,
    name: str = "ListBuckets",
    source: str = "ec2",
    **more: Any,
) -> list[Step]:
    used = event(name, source, identity, readOnly=True, **more)
    openers = {KEY: opener} if opener else {}
    return list(containment([used], changes, LeftCalls(), NOW, openers).steps)


def commands(found: list[Step]) -> list[str]:
    return [" ".join(shlex.split(each.command)[1:3]) for each in found]


def opened(by: str, name: str = "AssumeRole", **more: Any) -> dict[str, Any]:
    return event(name, "sts", {"type": "AWSService", "invokedBy": by}, **more)


DENIED = "iam put-role-policy"


@pytest.mark.parametrize(
    ("identity", "opener", "stopped", "about"),
    [
        (session(INSTANCE), opened("ec2.amazonaws.com"), "ec2 stop-instances", INSTANCE),
        (session(INSTANCE, ec2RoleDelivery="2.0"), None, "ec2 stop-instances", INSTANCE),
        (session("pay"), opened("lambda.amazonaws.com"), "lambda put-function-concurrency", "pay"),
        (
            session(
                "x",
                inScopeOf={
                    "issuerType": "AWS::Lambda::Function",
                    "sourceArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:pay",
                    "credentialsIssuedTo": f"arn:aws:iam::{ACCOUNT}:role/Ops",
                },
            ),
            None,
            "lambda put-function-concurrency",
            "pay",
        ),
        (session(TASK), opened("ecs-tasks.amazonaws.com"), "", TASK),
        (session(TASK), None, "", TASK),
        (session("eks-shop-pay-0a1b"), opened("pods.eks.amazonaws.com"), "", "eks-shop-pay-0a1b"),
    ],
)
def test_a_workload_is_stopped_and_its_role_denied_everything(
    identity: dict[str, Any], opener: dict[str, Any] | None, stopped: str, about: str
) -> None:
    """A policy by time of issue does not end what a workload gets anew."""
    found = advised(identity, opener=opener)
    assert commands(found) == [stopped, DENIED]
    assert found[0].object == about
    assert about in found[0].what
    policy = json.loads(shlex.split(found[1].command)[-1])
    assert policy["Statement"] == [{"Effect": "Deny", "Action": "*", "Resource": "*"}]


def test_no_machine_is_stopped_since_an_intruder_named_a_session_after_it() -> None:
    """Whoever assumes a role chooses the name of the session."""
    by_user = event("AssumeRole", "sts", {"type": "IAMUser", "userName": "eve"})
    for name in (INSTANCE, TASK, "eks-shop-pay-0a1b"):
        (revoked,) = advised(session(name), opener=by_user)
        assert commands([revoked]) == [DENIED]
        assert "aws:TokenIssueTime" in revoked.command
        found = advised(session(name))
        assert commands(found) == ["", DENIED]
        assert found[0].what.startswith("if the session is really of")


def test_a_function_that_the_same_principals_made_is_known_by_the_name_of_the_session() -> None:
    made = event("CreateFunction20150331", "lambda", session("x"))
    made |= {"requestParameters": {"functionName": "helper"}}
    found = advised(session("helper"), made)
    assert commands(found)[:2] == ["lambda put-function-concurrency", DENIED]


def test_where_a_workload_is_is_not_guessed_by_a_service_that_is_everywhere() -> None:
    on_it = session(INSTANCE, ec2RoleDelivery="2.0")
    found = advised(on_it, name="CreateUser", source="iam", awsRegion="us-east-1")
    assert commands(found) == ["", DENIED]
    assert "in its region" in found[0].what
    found = advised(
        session(INSTANCE),
        name="CreateUser",
        source="iam",
        awsRegion="us-east-1",
        opener=opened("ec2.amazonaws.com", awsRegion="eu-north-1"),
    )
    assert found[0].command.endswith("--region eu-north-1")


def test_a_session_of_a_person_is_revoked_up_to_now() -> None:
    by_user = event("AssumeRole", "sts", {"type": "IAMUser", "userName": "ada"})
    (found,) = advised(session("ada"), opener=by_user)
    assert commands([found]) == [DENIED]
    assert "aws:TokenIssueTime" in found.command
    assert "function" not in found.what
    (unknown,) = advised(session("ada"))
    assert "an instance, function or container" in unknown.what


def test_a_certificate_gets_no_new_session() -> None:
    names = {
        "profileArn": f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:profile/p-1",
        "trustAnchorArn": f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:trust-anchor/ta-1",
    }
    opener = event("CreateSession", "rolesanywhere", {"type": "Unknown"}, requestParameters=names)
    found = advised(session("00ab"), opener=opener)
    assert commands(found) == [
        "rolesanywhere disable-profile",
        "rolesanywhere disable-trust-anchor",
        "",
        DENIED,
    ]
    assert "serial number 00ab" in found[2].what
    by_name = advised(session("00ab", sourceIdentity="CN=evil"))
    assert commands(by_name) == ["", "", "", DENIED]


SSO = "role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0a1b"


@pytest.mark.parametrize(
    "identity",
    [
        session("grace@example.com", SSO, onBehalfOf={"userId": PERSON}),
        {"type": "IdentityCenterUser", "accountId": ACCOUNT, "onBehalfOf": {"userId": PERSON}},
    ],
)
def test_a_person_of_identity_center_is_denied_by_their_id(identity: dict[str, Any]) -> None:
    found = advised(identity)
    assert commands(found) == ["", "organizations create-policy"]
    assert PERSON in found[0].what
    assert f'{{"StringEquals":{{"identitystore:UserId":"{PERSON}"}}}}' in found[1].command


@pytest.mark.parametrize("person", ["", "*", "$(id)", f"{PERSON}\n"])
def test_a_person_without_a_usable_id_is_denied_by_the_name_of_the_sessions(person: str) -> None:
    found = advised(session("grace@example.com", SSO, onBehalfOf={"userId": person}))
    denied = shlex.split(found[1].command)[-1]
    assert '{"StringLike":{"aws:userid":"*:grace@example.com"}}' in denied
    assert "identitystore" not in denied


@pytest.mark.parametrize("name", ["", "*", "a*", "$(id)"])
def test_a_person_without_a_usable_name_is_in_no_command(name: str) -> None:
    assert commands(advised(session(name, SSO))) == ["", ""]


def test_a_person_is_denied_once_for_all_accounts() -> None:
    one = event("ListBuckets", "s3", session("grace@example.com", SSO))
    other = {**one, "userIdentity": {**one["userIdentity"], "accountId": OUT}}
    found = containment([one, other], [], LeftCalls(), NOW).steps
    assert [each.account for each in found] == ["", ""]


def test_a_key_of_a_service_is_deactivated_itself() -> None:
    """It has no time of issue: a policy by that never matches."""
    identity = {
        "type": "IAMUser",
        "accountId": ACCOUNT,
        "userName": "BedrockAPIKey-x7q2",
        "accessKeyId": "ACCAI44QH8DHBEXAMPLE",
    }
    (found,) = advised(identity)
    assert shlex.split(found.command) == [
        *("aws", "iam", "update-service-specific-credential"),
        *("--service-specific-credential-id", "ACCAI44QH8DHBEXAMPLE"),
        *("--user-name", "BedrockAPIKey-x7q2", "--status", "Inactive"),
    ]
    del identity["accessKeyId"]
    (found,) = advised(identity, additionalEventData={"callWithBearerToken": True})
    assert found.command == ""
    assert "list-service-specific-credentials" in found.what


def test_a_caller_of_another_account_is_named_with_it() -> None:
    identity = {"type": "AWSAccount", "principalId": "AIDAOUTSIDE", "accountId": OUT}
    role = f"arn:aws:iam::{ACCOUNT}:role/Ops"
    (found,) = advised(identity, name="AssumeRole", requestParameters={"roleArn": role})
    assert found.outsiders == (OUT,)
    assert OUT in found.what
    assert role in found.what


def test_who_opened_a_session_from_another_account_is_named_with_it() -> None:
    outside = {"type": "AWSAccount", "principalId": "AIDAOUTSIDE", "accountId": OUT}
    found = advised(session("x"), opener=event("AssumeRole", "sts", outside))
    assert commands(found) == ["", DENIED]
    assert found[0].outsiders == (OUT,)


@pytest.mark.parametrize("name", ["a; rm -rf ~", "$(id)", "'", "-x", "i-0;id"])
def test_a_hostile_session_name_is_in_no_command(name: str) -> None:
    for opener in (opened("lambda.amazonaws.com"), opened("ec2.amazonaws.com")):
        stop, denied = advised(session(name), opener=opener)
        assert stop.command == ""
        assert name not in shlex.split(denied.command)
