"""Who acted: `user_type` and `user.name` from `userIdentity`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from enrich.uuids import PERSON_ID
from enrich.view import Caller, RecordView, part

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


_NO_RECORD = RecordView()


class Identity(NamedTuple):
    """`name` is empty if the record has none."""

    user_type: str
    name: str
    root: bool


def identity(caller: Caller, view: RecordView = _NO_RECORD) -> Identity:
    """Who acted, from `userIdentity` or, if it has no name, from the rest of the record.

    An identifier (a UUID, as Identity Center has for its users) is used only if the record
    has no name at all.

    >>> identity(Caller(type="AssumedRole", arn="arn:aws:sts::1:assumed-role/Ops/alice"))
    Identity(user_type='assumed_role', name='Ops/alice', root=False)
    """
    kind = caller.type or ""
    if not kind and view.eventType == "AwsServiceEvent" and _names_service_alone(caller):
        return Identity("aws_service", (caller.invokedBy or "")[:LONGEST_NAME], root=False)
    name = ""
    for rule in (*_RULES.get(kind, ()), *_ANY):
        if name and rule in _NO_PERSON:
            continue
        found = (rule(caller, view) or "").strip()
        if found and not PERSON_ID.fullmatch(found):
            name = found
            break
        name = name or found
    return Identity(USER_TYPES.get(kind, "unknown"), name[:LONGEST_NAME], kind == "Root")


def _names_service_alone(caller: Caller) -> bool:
    return bool(caller.invokedBy) and not (caller.arn or caller.userName or caller.principalId)


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


def _arn_name(caller: Caller, _: RecordView) -> str:
    """`bob` of `…:user/team/bob`, `Ops/alice` of `…:assumed-role/Ops/alice`, `root` of `…:root`."""
    kind, _slash, rest = (caller.arn or "").split(":", 5)[-1].partition("/")
    if kind in {"user", "role"}:
        return rest.rpartition("/")[2]
    return rest or (kind if kind == "root" else "")


def _role_and_session(caller: Caller, _: RecordView) -> str:
    """From the issuer and the principal, where the session's own ARN is missing."""
    role = _text(caller.sessionContext, "sessionIssuer", "userName")
    session = (caller.principalId or "").partition(":")[2]
    return f"{role}/{session}" if role and session else role or session


def _principal_name(caller: Caller, _: RecordView) -> str:
    """`alice` of `AROAEXAMPLE:alice`; the last part, since providers hold colons themselves."""
    _id, colon, name = (caller.principalId or "").rpartition(":")
    return name if colon else ""


def _user_name(caller: Caller, _: RecordView) -> str | None:
    return caller.userName


def _invoked_by(caller: Caller, _: RecordView) -> str | None:
    return caller.invokedBy


def _principal_id(caller: Caller, _: RecordView) -> str | None:
    return caller.principalId


def _account(caller: Caller, _: RecordView) -> str | None:
    return caller.accountId


def _credential(caller: Caller, _: RecordView) -> str | None:
    return caller.credentialId


def _signed_in(_: Caller, view: RecordView) -> str:
    """The name that was entered at a sign-in: Identity Center writes it here alone."""
    return _text(view.additionalEventData, "UserName") or _text(
        view.additionalEventData, "userName"
    )


def _person_id(caller: Caller, _: RecordView) -> str:
    return _text(caller.onBehalfOf, "userId")


def _root(_caller: Caller, _: RecordView) -> str:
    return "root"


Rule = Callable[[Caller, RecordView], str | None]
_RULES: dict[str, tuple[Rule, ...]] = {
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    "Root": (_root,),
    "IAMUser": (_user_name, _arn_name, _principal_name),
    "AssumedRole": (_arn_name, _role_and_session),
    "FederatedUser": (_arn_name, _principal_name),
    "AWSService": (_invoked_by,),
    "AWSAccount": (_user_name, _arn_name, _principal_name),
    "IdentityCenterUser": (_user_name, _signed_in, _person_id, _principal_name, _credential),
    "WebIdentityUser": (_user_name, _principal_name),
    "SAMLUser": (_user_name, _principal_name),
    "Directory": (_user_name, _principal_name),
}
"""The rules of a type, the best name first."""
_ANY: tuple[Rule, ...] = (
    _user_name,
    _arn_name,
    _signed_in,
    _invoked_by,
    _person_id,
    _principal_name,
    _principal_id,
    _account,
)
"""Tried last, and for unknown or missing types."""
_NO_PERSON = frozenset({_invoked_by, _principal_id, _credential, _account})
"""Rules that are better than no identifier of a person, and worse than one."""
