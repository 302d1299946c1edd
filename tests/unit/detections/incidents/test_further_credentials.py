"""What lets an intruder in once the keys that were used are deactivated, and what is to rotate."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

import pytest

from detections.incidents.containment import LeftCalls, containment
from detections.incidents.step import Step

NOW = datetime(2025, 3, 4, tzinfo=UTC)
ACCOUNT, THERE = "111122223333", "444455556666"
USER = {
    "type": "IAMUser",
    "accountId": ACCOUNT,
    "userName": "ada",
    "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
}


def proof(name: str, source: str, request: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "eventName": name,
        "eventSource": f"{source}.amazonaws.com",
        "eventTime": "2025-03-03T12:00:00Z",
        "awsRegion": "eu-west-1",
        "recipientAccountId": ACCOUNT,
        "userIdentity": USER,
        "event": {"outcome": "success"},
        "requestParameters": request,
        **more,
    }


def advised(*proofs: dict[str, Any]) -> tuple[Step, ...]:
    return containment([], [], LeftCalls(), NOW, None, proofs).steps


ROLE = {"roleArn": f"arn:aws:iam::{THERE}:role/team/Reader"}


@pytest.mark.parametrize(
    ("event", "account", "words"),
    [
        (proof("AssumeRole", "sts", ROLE), THERE, "put-role-policy --role-name Reader"),
        (proof("GetSessionToken", "sts"), ACCOUNT, "put-user-policy --user-name ada"),
        (proof("GetFederationToken", "sts"), ACCOUNT, "put-user-policy --user-name ada"),
        (proof("ConsoleLogin", "signin"), ACCOUNT, "delete-login-profile --user-name ada"),
    ],
)
def test_what_goes_on_when_the_key_is_deactivated_is_ended(
    event: dict[str, Any], account: str, words: str
) -> None:
    (only,) = advised(event)
    assert only.account == account
    assert only.command.startswith(f"aws iam {words}")
    assert advised({**event, "event": {"outcome": "failure"}}) == ()


def test_a_session_of_the_console_proves_the_password_though_its_call_failed() -> None:
    session = {**USER, "accessKeyId": "ASIAIOSFODNN7EXAMPLE"}
    tried = {"event": {"outcome": "failure"}, "sessionCredentialFromConsole": "true"}
    used = proof("ListUsers", "iam", userIdentity=session, **tried)
    found = containment([used], [], LeftCalls(), NOW)
    assert [shlex.split(each.command)[2] for each in found.steps] == [
        *("put-user-policy", "delete-login-profile")
    ]


def test_sessions_that_are_ended_alike_are_one_step() -> None:
    session = {
        "type": "AssumedRole",
        "accountId": THERE,
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {"sessionIssuer": {"accountId": THERE, "userName": "Reader"}},
    }
    used = proof("GetCallerIdentity", "sts", userIdentity=session, recipientAccountId=THERE)
    opened = [proof("AssumeRole", "sts", ROLE)] * 2
    tokens = [proof(each, "sts") for each in ("GetSessionToken", "GetFederationToken")]
    found = containment([used], [], LeftCalls(), NOW, None, [*opened, *tokens])
    assert [shlex.split(each.command)[2] for each in found.steps] == [
        *("put-role-policy", "put-user-policy")
    ]


def test_whoever_came_by_a_provider_is_disabled_there() -> None:
    saml = {"type": "SAMLUser", "userName": "ada@example.com", "identityProvider": "idp"}
    at_provider, role = advised(proof("AssumeRoleWithSAML", "sts", ROLE, userIdentity=saml))
    assert "disable ada@example.com at the identity provider idp" in at_provider.what
    assert (at_provider.command, role.object) == ("", "Reader")


def test_secrets_that_were_read_are_named_by_account_and_kind() -> None:
    """What was read encrypted, or not at all, is still secret."""

    def parameter(name: str, decrypted: bool) -> dict[str, Any]:
        return proof("GetParameter", "ssm", {"name": name, "withDecryption": decrypted})

    steps = advised(
        proof("GetSecretValue", "secretsmanager", {"secretId": "a"}),
        proof("GetSecretValue", "secretsmanager", {"secretId": "b"}),
        proof("GetSecretValue", "secretsmanager", {"secretId": "a"}),
        proof("GetSecretValue", "secretsmanager", {"secretId": "no"}, event={"outcome": "failure"}),
        proof("GetSecretValue", "secretsmanager", {"secretId": "c"}, recipientAccountId=THERE),
        parameter("/open", False),
        parameter("/key", True),
        proof("GetParameters", "ssm", {"names": ["/x", "/y"], "withDecryption": True}),
    )
    assert [(each.account, each.object, each.command) for each in steps] == [
        (ACCOUNT, "a, b", ""),
        (THERE, "c", ""),
        (ACCOUNT, "/key, /x, /y", ""),
    ]
    assert "rotate what was read in Secrets Manager: a, b (in eu-west-1)" in steps[0].what
