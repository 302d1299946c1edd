"""Who makes the calls of records made by hand, as `userIdentity` has it."""

from __future__ import annotations

from typing import Any

ACCOUNT = "111122223333"


def user(name: str, **changes: Any) -> dict[str, Any]:
    """An IAM user, by the access key `AKIA` and the name."""
    return {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "userName": name,
        "accessKeyId": f"AKIA{name.upper()}",
    } | changes


def role_arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{role}"


def session(role: str, name: str = "s", *, key: str, created: str) -> dict[str, Any]:
    """A session of a role, by its access key; `created` is when the role was assumed."""
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "arn": role_arn(role)},
            "attributes": {"creationDate": created},
        },
    }
