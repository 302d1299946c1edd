"""Who acted: `user_type` and `user.name` from `userIdentity`."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from enrich.view import Caller, part

USER_TYPES = {
    "Root": "root_user",
    "IAMUser": "iam_user",
    "AssumedRole": "assumed_role",
    "AWSService": "aws_service",
    "FederatedUser": "federated_user",
    "AWSAccount": "aws_account",
    "IdentityCenterUser": "identity_center_user",
    "WebIdentityUser": "web_identity_user",
    "SAMLUser": "saml_user",
    "Directory": "directory",
}
LONGEST_NAME = 1024
"""Characters kept of a name. The longest real one, role and session, has 129."""


class Identity(NamedTuple):
    """`name` is empty where the record names nobody."""

    user_type: str
    name: str
    root: bool


def identity(caller: Caller) -> Identity:
    """Who acted.

    >>> identity(Caller(type="AssumedRole", arn="arn:aws:sts::1:assumed-role/Ops/alice"))
    Identity(user_type='assumed_role', name='Ops/alice', root=False)
    """
    kind = caller.type or ""
    name = ""
    for rule in (*_RULES.get(kind, ()), *_ANY):
        name = rule(caller) or ""
        if name:
            break
    return Identity(USER_TYPES.get(kind, "unknown"), name[:LONGEST_NAME], kind == "Root")


NOBODY = Identity("unknown", "", root=False)


def role_session(arn: str) -> str:
    """`Ops/alice` of `arn:aws:sts::1:assumed-role/Ops/alice`; empty for any other ARN."""
    kind, _, rest = arn.split(":", 5)[-1].partition("/")
    return rest[:LONGEST_NAME] if kind == "assumed-role" else ""


def _text(raw: msgspec.Raw, *path: str) -> str:
    """The text at a path, or nothing where the path or a type on it is missing."""
    value: Any = part(raw)
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _arn_name(caller: Caller) -> str:
    """`bob` of `…:user/team/bob`, `Ops/alice` of `…:assumed-role/Ops/alice`, `root` of `…:root`."""
    kind, _, rest = (caller.arn or "").split(":", 5)[-1].partition("/")
    if kind in {"user", "role"}:
        return rest.rpartition("/")[2]
    return rest or (kind if kind == "root" else "")


def _role_and_session(caller: Caller) -> str:
    """From the issuer and the principal, where the session's own ARN is missing."""
    role = _text(caller.sessionContext, "sessionIssuer", "userName")
    session = (caller.principalId or "").partition(":")[2]
    return f"{role}/{session}" if role and session else role or session


def _principal_name(caller: Caller) -> str:
    """`alice` of `AROAEXAMPLE:alice`; the last part, since providers hold colons themselves."""
    return (caller.principalId or "").rpartition(":")[2]


Rule = Callable[[Caller], str | None]
_user_name: Rule = attrgetter("userName")
_invoked_by: Rule = attrgetter("invokedBy")
_principal: Rule = attrgetter("principalId")
_account: Rule = attrgetter("accountId")


def _person(caller: Caller) -> str:
    return _text(caller.onBehalfOf, "userId")


def _root(_: Caller) -> str:
    return "root"


_RULES: dict[str, tuple[Rule, ...]] = {
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    "Root": (_root,),
    "IAMUser": (_user_name, _arn_name, _principal_name),
    "AssumedRole": (_arn_name, _role_and_session),
    "FederatedUser": (_arn_name, _principal_name),
    "AWSService": (_invoked_by,),
    "AWSAccount": (_user_name, _arn_name, _principal_name, _account),
    "IdentityCenterUser": (_user_name, _person, _principal_name),
    "WebIdentityUser": (_user_name, _principal_name),
    "SAMLUser": (_user_name, _principal_name),
    "Directory": (_user_name, _principal_name),
}
"""The rules of a type, the best name first."""
_ANY: tuple[Rule, ...] = (_user_name, _arn_name, _invoked_by, _principal_name, _principal, _account)
"""What is tried last, and for types unknown or missing."""
