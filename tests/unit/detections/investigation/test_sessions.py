"""Who is behind a session that no call in the index opened."""

from __future__ import annotations

from typing import Any

import pytest

from detections.investigation.sessions import direct

NAME = "i-0a1b2c3d4e5f67890"
ROLE = "arn:aws:sts::111122223333:assumed-role/app/"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:pay"
INSTANCE = "arn:aws:ec2:eu-west-1:111122223333:instance/i-0a1b2c3d4e5f67890"


@pytest.mark.parametrize(
    ("session", "more", "origin"),
    [
        (NAME, {}, None),
        ("i-am-ada", {}, None),
        (NAME, {"sessionContext": {"ec2RoleDelivery": "2.0"}}, f"ec2:{NAME}"),
        ("x", {"inScopeOf": {"credentialsIssuedTo": INSTANCE}}, f"ec2:{NAME}"),
        ("pay", {"inScopeOf": {"credentialsIssuedTo": FUNCTION}}, f"resource:{FUNCTION}"),
    ],
)  # fmt: skip
def test_only_aws_says_which_workload_a_session_is(
    session: str, more: dict[str, Any], origin: str | None
) -> None:
    identity = {"type": "AssumedRole", "accountId": "111122223333", "arn": ROLE + session} | more
    trace = direct({"userIdentity": identity, "user_type": "assumed_role"})
    assert trace.traced is (origin is not None)
    assert trace.origin.full == origin or origin is None
    assert trace.traced or session in trace.reason
