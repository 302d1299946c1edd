from __future__ import annotations

from typing import Any

import pytest

from enrich.enricher import Enricher
from enrich.identity import identity
from enrich.view import Caller

SESSION = {"sessionIssuer": {"type": "Role", "userName": "Ops", "arn": "arn:aws:iam::1:role/Ops"}}


@pytest.mark.parametrize(
    ("body", "user_type", "name"),
    [
        ({"type": "Root", "arn": "arn:aws:iam::1:root"}, "root_user", "root"),
        ({"type": "Root", "userName": "the-alias"}, "root_user", "root"),
        ({"type": "IAMUser", "userName": "alice"}, "iam_user", "alice"),
        ({"type": "IAMUser", "arn": "arn:aws:iam::1:user/team/alice"}, "iam_user", "alice"),
        ({"type": "IAMUser", "principalId": "AIDAEXAMPLE"}, "iam_user", "AIDAEXAMPLE"),
        (
            {"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/Ops/alice"},
            "assumed_role",
            "Ops/alice",
        ),
        (
            {"type": "AssumedRole", "principalId": "AROA:i-0abc", "sessionContext": SESSION},
            "assumed_role",
            "Ops/i-0abc",
        ),
        (
            {
                "type": "AssumedRole",
                "arn": "arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_1/bob@example.com",
            },
            "assumed_role",
            "AWSReservedSSO_Admin_1/bob@example.com",
        ),
        (
            {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
            "aws_service",
            "ec2.amazonaws.com",
        ),
        (
            {"type": "FederatedUser", "arn": "arn:aws:sts::1:federated-user/carol"},
            "federated_user",
            "carol",
        ),
        (
            {"type": "AWSAccount", "principalId": "AROA:dave", "accountId": "210987654321"},
            "aws_account",
            "dave",
        ),
        ({"type": "AWSAccount", "accountId": "210987654321"}, "aws_account", "210987654321"),
        (
            {"type": "IdentityCenterUser", "onBehalfOf": {"userId": "544894e8"}},
            "identity_center_user",
            "544894e8",
        ),
        (
            {
                "type": "WebIdentityUser",
                "principalId": "accounts.google.com:app:1234",
                "userName": "1234",
            },
            "web_identity_user",
            "1234",
        ),
        (
            {"type": "SAMLUser", "principalId": "X=:erin@example.com"},
            "saml_user",
            "erin@example.com",
        ),
        ({"type": "Directory", "userName": "frank"}, "directory", "frank"),
        ({"type": "Unknown", "userName": "grace"}, "unknown", "grace"),
        ({"type": "Role", "arn": "arn:aws:iam::1:role/Batch"}, "unknown", "Batch"),
        ({"invokedBy": "autoscaling.amazonaws.com"}, "unknown", "autoscaling.amazonaws.com"),
        ({"accountId": "1"}, "unknown", "1"),
        ({}, "unknown", ""),
        (None, "unknown", ""),
        ("Root", "unknown", ""),
        ([{"type": "Root"}], "unknown", ""),
        ({"type": ["Root"], "userName": {"a": 1}, "sessionContext": "x"}, "unknown", ""),
    ],
)
def test_who_acted(body: Any, user_type: str, name: str) -> None:
    record = {"eventTime": "2024-05-01T10:00:00Z", "userIdentity": body}
    fields = Enricher().document_fields(record)
    assert fields["user_type"] == user_type
    assert fields.get("user", {"name": ""}) == {"name": name}
    assert ("root" in fields.get("risk_reasons", ())) is (user_type == "root_user")


@pytest.mark.parametrize("kind", ["IAMUser", "Unknown"])
def test_a_name_without_end_is_cut(kind: str) -> None:
    assert len(identity(Caller(type=kind, userName="x" * 100_000)).name) == 1024
    record = {
        "eventTime": "2024-05-01T10:00:00Z",
        "userIdentity": {"type": kind, "userName": "x" * 100_000},
    }
    assert len(Enricher().document_fields(record)["user"]["name"]) == 1024


PERSON = "94482488-3041-7055-8e7a-abcdef012345"


@pytest.mark.parametrize(
    ("body", "entered", "name"),
    [
        ({"arn": "", "onBehalfOf": {"userId": PERSON}}, {"UserName": "ada@example.com"},
         "ada@example.com"),
        ({"onBehalfOf": {"userId": PERSON}, "userName": "ada"}, None, "ada"),
        ({"onBehalfOf": {"userId": PERSON}, "userName": PERSON}, {"UserName": "ada"}, "ada"),
        ({"onBehalfOf": {"userId": PERSON}, "principalId": f"906712345a-{PERSON}:ada"}, None,
         "ada"),
        ({"onBehalfOf": {"userId": PERSON}, "accountId": "111122223333"}, None, PERSON),
        ({"onBehalfOf": {"userId": PERSON}, "principalId": "d-123", "credentialId": "c"},
         {"UserName": ""}, PERSON),
        ({"onBehalfOf": {"userId": f"906712345a-{PERSON}"}, "accountId": "1"}, {"x": 1},
         f"906712345a-{PERSON}"),
        ({"onBehalfOf": None, "credentialId": "c", "accountId": "1"}, None, "c"),
        ({"onBehalfOf": "odd", "accountId": "1"}, ["odd"], "1"),
        ({"userName": "   ", "accountId": "1"}, {"UserName": ["odd"]}, "1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["IdentityCenterUser", "Unknown", None])
def test_a_person_of_identity_center_has_a_name(
    kind: str | None, body: dict[str, Any], entered: Any, name: str
) -> None:
    if kind != "IdentityCenterUser" and name == "c":
        name = "1"  # a credential names somebody in Identity Center alone
    record = {
        "eventTime": "2024-05-01T10:00:00Z",
        "eventSource": "signin.amazonaws.com",
        "eventName": "UserAuthentication",
        "userIdentity": {"type": kind} | body,
        "additionalEventData": entered,
    }
    fields = Enricher().document_fields(record)
    assert fields["user"] == {"name": name}
    assert fields["user_type"] == ("identity_center_user" if kind and kind[0] == "I" else "unknown")


@pytest.mark.parametrize(
    ("event_type", "body", "user_type"),
    [
        ("AwsServiceEvent", {"invokedBy": "kms.amazonaws.com"}, "aws_service"),
        ("AwsServiceEvent", {"invokedBy": "kms.amazonaws.com", "accountId": "1"}, "aws_service"),
        ("AwsServiceEvent", {"invokedBy": "x", "type": None, "arn": ""}, "aws_service"),
        ("AwsServiceEvent", {"invokedBy": "x", "userName": "ada"}, "unknown"),
        ("AwsServiceEvent", {"accountId": "1"}, "unknown"),
        ("AwsServiceEvent", {"invokedBy": "x", "type": "Root"}, "root_user"),
        ("AwsApiCall", {"invokedBy": "kms.amazonaws.com"}, "unknown"),
    ],
)
def test_a_service_event_is_of_the_service_that_invoked_it(
    event_type: str, body: dict[str, Any], user_type: str
) -> None:
    record = {
        "eventTime": "2024-05-01T10:00:00Z",
        "eventType": event_type,
        "userIdentity": body,
    }
    fields = Enricher().document_fields(record)
    assert fields["user_type"] == user_type
    if user_type == "aws_service":
        assert fields["user"] == {"name": body["invokedBy"]}
