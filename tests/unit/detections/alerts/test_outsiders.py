"""Whom an alert names as outside: who acts from another account, and whom its events let in."""

from __future__ import annotations

from typing import Any

import pytest

from detections.alerts.facts import fact_of

ACCOUNT, OUT = "111122223333", "444455556666"
ROOT = f"arn:aws:iam::{OUT}:root"


def outsiders(**more: Any) -> set[str]:
    identity = {"arn": f"arn:aws:iam::{ACCOUNT}:user/ada", "accountId": ACCOUNT}
    event = {"@timestamp": "2025-03-01T12:00:00Z", "recipientAccountId": ACCOUNT}
    found = fact_of({"userIdentity": identity, "eventName": "x", **event, **more})
    return set(found.entities.get("outsider", ()))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, set()),
        ({"userIdentity": {"principalId": "AIDAOUT", "accountId": OUT}}, {OUT}),
        ({"grants": {"principals": [ROOT], "accounts": [OUT]}}, {ROOT}),
        ({"grants": {"accounts": [OUT], "unknown": ["o-1"]}}, {OUT, "o-1"}),
        ({"grants": {"public": True}}, {"everybody"}),
        ({"grants": {"public": "true"}}, {"everybody"}),
        (
            {"eventName": "ModifySnapshotAttribute", "resource": {"account": [OUT, ACCOUNT]}},
            {OUT},
        ),
        ({"eventName": "ModifyImageAttribute", "resource": {"account": ["all"]}}, {"everybody"}),
        ({"eventName": "DescribeSnapshots", "resource": {"account": [OUT]}}, set()),
        (
            {
                "eventName": "UpdateFunctionConfiguration20150331v2",
                "resource": {
                    "id": [
                        f"arn:aws:lambda:eu-west-1:{OUT}:layer:x:1",
                        f"arn:aws:lambda:eu-west-1:{ACCOUNT}:layer:x:1",
                    ]
                },
            },
            {f"arn:aws:lambda:eu-west-1:{OUT}:layer:x:1"},
        ),
        ({"grants": ["x"], "resource": "x", "userIdentity": None, "recipientAccountId": 7}, set()),
    ],
)
def test_who_is_outside_is_named(event: dict[str, Any], expected: set[str]) -> None:
    assert outsiders(**event) == expected
