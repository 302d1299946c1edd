from __future__ import annotations

from typing import Any

import orjson
import pytest

from enrich.enricher import Enricher
from enrich.view import view_of

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


@pytest.mark.parametrize(
    ("code", "outcome", "scored"),
    [
        (None, "success", False),
        ("", "success", False),
        ("200", "success", True),
        ("201", "success", True),
        ("204", "success", True),
        ("200.0", "success", True),
        ("200 OK", "success", True),
        ("HTTP 200", "success", True),
        ("HTTP/1.1 204 No Content", "success", True),
        ("304", "success", True),
        ("0", "success", True),
        ("Success", "success", True),
        ("OK", "success", True),
        (200, "success", True),
        (200.0, "success", True),
        (0, "success", True),
        (400, "failure", True),
        (403, "failure", True),
        (403.0, "failure", True),
        (503, "failure", True),
        ("403", "failure", True),
        ("403 Forbidden", "failure", True),
        ("HTTP 404", "failure", True),
        ("NoSuchKey", "failure", True),
        ("200NotAStatus", "failure", True),
        ("Client.UnauthorizedOperation", "failure", True),
    ],
)
def test_error_codes(code: Any, outcome: str, scored: bool) -> None:
    record = {"eventTime": "2024-05-01T10:00:00Z", "errorCode": code}
    enricher = Enricher()
    written, _ = enricher.fields(view_of(orjson.dumps(record)))
    fields = orjson.loads(b"{" + written[:-1] + b"}}")
    assert fields == enricher.document_fields(record)
    assert fields["event"] == {"outcome": outcome}
    assert ("error" in fields.get("risk_reasons", ())) is scored


@pytest.mark.parametrize(
    ("code", "result", "outcome"),
    [
        ("200", {"statusType": "success", "statusCode": "200"}, "success"),
        (None, {"statusType": "success"}, "success"),
        ("401", {"statusType": "failure", "statusCode": "401"}, "failure"),
        (None, {"statusType": "failure", "statusCode": "401"}, "failure"),
        ("200", None, "success"),
        ("500", "odd", "failure"),
    ],
)
def test_grafana_says_it_beside_the_code(code: Any, result: Any, outcome: str) -> None:
    record = {
        "eventTime": "2024-05-01T10:00:00Z",
        "eventSource": "grafana.amazonaws.com",
        "eventName": "login-auth.sso",
        "errorCode": code,
        "additionalEventData": {"result": result},
    }
    assert Enricher().document_fields(record)["event"] == {"outcome": outcome}
