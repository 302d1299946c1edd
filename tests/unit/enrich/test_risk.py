from __future__ import annotations

import pytest

from enrich.enricher import Enricher
from enrich.risk import DEFAULT_RISK, RiskTable, score
from trailhound.settings import RiskSettings

WHEN = {"eventTime": "2024-05-01T10:00:00Z"}


def test_the_defaults_are_those_of_the_settings() -> None:
    assert RiskTable(**RiskSettings().model_dump()) == DEFAULT_RISK


@pytest.mark.parametrize(
    "call",
    [
        "CreateRole",
        "AttachRolePolicy",
        "PutRolePolicy",
        "CreateUser",
        "AttachUserPolicy",
        "PutUserPolicy",
        "CreateAccessKey",
        "DeleteTrail",
        "StopLogging",
    ],
)
def test_a_high_risk_call_adds_five(call: str) -> None:
    fields = Enricher().document_fields(WHEN | {"eventName": call})
    assert fields["risk_score"] == 6
    assert fields["risk_reasons"] == ["high_risk_call"]


@pytest.mark.parametrize(
    ("record", "points", "reasons"),
    [
        ({}, 1, None),
        ({"eventName": "DescribeInstances"}, 1, None),
        ({"userIdentity": {"type": "Root"}}, 9, ["root"]),
        ({"sourceIPAddress": "203.0.113.7"}, 3, ["external_address"]),
        ({"errorCode": "AccessDenied"}, 4, ["error"]),
        ({"errorCode": ""}, 1, None),
        ({"errorCode": None}, 1, None),
        (
            {"sourceIPAddress": "8.8.8.8", "errorCode": "AccessDenied"},
            6,
            ["external_address", "error"],
        ),
        (
            {"eventName": "CreateUser", "sourceIPAddress": "8.8.8.8"},
            8,
            ["high_risk_call", "external_address"],
        ),
        (
            {"eventName": "CreateUser", "userIdentity": {"type": "Root"}, "errorCode": "X"},
            10,
            ["high_risk_call", "root", "error"],
        ),
    ],
)
def test_points_add_up_to_ten_at_most(
    record: dict[str, object], points: int, reasons: list[str] | None
) -> None:
    fields = Enricher().document_fields(WHEN | record)
    assert fields["risk_score"] == points
    assert fields.get("risk_reasons") == reasons


def test_the_table_can_be_changed() -> None:
    table = RiskTable(base=2, error=4, cap=5, high_risk_calls=frozenset({"RunInstances"}))
    assert score(table, error=True) == (5, ["error"])
    fields = Enricher(risk=table).document_fields(WHEN | {"eventName": "RunInstances"})
    assert (fields["risk_score"], fields["risk_reasons"]) == (5, ["high_risk_call"])
