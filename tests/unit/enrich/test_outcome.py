from __future__ import annotations

from typing import Any

import pytest

from enrich.enricher import Enricher

LOGIN = {"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, "success"),
        ({"errorCode": "AccessDenied"}, "failure"),
        ({"errorMessage": "a note"}, "success"),
        (LOGIN | {"responseElements": {"ConsoleLogin": "Success"}}, "success"),
        (LOGIN | {"responseElements": {"ConsoleLogin": "Failure"}}, "failure"),
        (
            LOGIN
            | {
                "responseElements": {"ConsoleLogin": "Failure"},
                "errorMessage": "Failed authentication",
            },
            "failure",
        ),
        (LOGIN | {"errorMessage": "No username found in supplied account"}, "failure"),
        (LOGIN | {"responseElements": None}, "success"),
        (LOGIN | {"responseElements": "Failure"}, "success"),
        (LOGIN | {"responseElements": {"ConsoleLogin": ["Failure"]}}, "success"),
        (
            {
                "eventSource": "signin.amazonaws.com",
                "eventName": "SwitchRole",
                "responseElements": {"SwitchRole": "Failure"},
            },
            "failure",
        ),
        (
            {
                "eventSource": "signin.amazonaws.com",
                "eventName": "CredentialVerification",
                "serviceEventDetails": {"CredentialVerification": "Failure"},
            },
            "failure",
        ),
        (
            {
                "eventSource": "s3.amazonaws.com",
                "eventName": "GetObject",
                "responseElements": {"GetObject": "Failure"},
            },
            "success",
        ),
    ],
)
def test_outcome(record: dict[str, Any], expected: str) -> None:
    fields = Enricher().document_fields({"eventTime": "2024-05-01T10:00:00Z"} | record)
    assert fields["event"] == {"outcome": expected}
