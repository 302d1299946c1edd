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
