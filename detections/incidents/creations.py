"""What successful calls create, and the tokens that identify resources."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

LONGEST: Final = 512
"""The most characters of a token. Longer names are left out: cut, they could be ambiguous."""

CREATED: Final[Mapping[str, str]] = MappingProxyType(
    {
        # call -> the leaf of `resource.*` that holds what it creates, and nothing else
        "AssumeRole": "access_key",
        "AssumeRoleWithSAML": "access_key",
        "AssumeRoleWithWebIdentity": "access_key",
        "AssumeRoot": "access_key",
        "CreateAccessKey": "access_key",
        "CreateBucket": "bucket",
        "CreateCluster": "cluster",
        "CreateDBCluster": "database",
        "CreateDBInstance": "database",
        "CreateFunction20150331": "function",
        "CreateGroup": "group",
        "CreateHostedZone": "hosted_zone",
        "CreateImage": "image",
        "CreateKey": "kms_key",
        "CreateLogGroup": "log_group",
        "CreatePolicy": "policy",
        "CreateRepository": "repository",
        "CreateRole": "role",
        "CreateSecret": "secret",
        "CreateSecurityGroup": "security_group",
        "CreateSession": "access_key",
        "CreateSnapshot": "snapshot",
        "CreateSnapshots": "snapshot",
        "CreateTable": "database",
        "CreateTrail": "trail",
        "CreateUser": "user",
        "CreateVolume": "volume",
        "CreateVpc": "vpc",
        "GetFederationToken": "access_key",
        "GetSessionToken": "access_key",
        "RunInstances": "instance",
    }
)
ISSUING: Final = tuple(
    name for name, leaf in CREATED.items() if leaf == "access_key" and name != "CreateAccessKey"
)
"""Calls that issue temporary credentials to their caller, who stays the same person. A key created
for a user may belong to somebody else."""

LEAVES: Final = frozenset(CREATED.values())

_GLOBAL: Final = {
    "access_key": "key",
    **{name: name for name in ("bucket", "instance", "image", "snapshot", "volume", "vpc")},
    "security_group": "security_group",
}
"""Leaves of `resource.*` whose values are unique in all of AWS → kind of token."""


def token(kind: str, *parts: str) -> str:
    """A token; empty if a part is empty, or if it would be too long.

    >>> token("user", "111122223333", "ada")
    'user:111122223333:ada'
    """
    made = ":".join((kind, *parts))
    return made if all(parts) and len(made) <= LONGEST else ""


def resource_token(leaf: str, value: str, account: str) -> str:
    """The token of a resource; names include the account.

    >>> resource_token("role", "arn:aws:iam::111122223333:role/team/Ops", "111122223333")
    'role:111122223333:Ops'
    >>> resource_token("security_group", "default", "111122223333")
    'security_group:111122223333:default'
    """
    # The same come again. Of a name of kilobytes nothing is remembered.
    return _remembered(leaf, value, account) if len(value) <= 1_024 else _of(leaf, value, account)


def _of(leaf: str, value: str, account: str) -> str:
    if value.startswith("arn:"):
        parts = value.split(":", 5)
        account = (len(parts) > 5 and parts[4]) or account
        value = last_part(value)
    if leaf == "security_group" and not value.startswith("sg-"):
        return token(leaf, account, value)
    if leaf in _GLOBAL:
        return token(_GLOBAL[leaf], value)
    return token(leaf, account, value)


_remembered = lru_cache(maxsize=16_384)(_of)


def last_part(arn: str) -> str:
    """The name at the end of an ARN.

    >>> last_part("arn:aws:iam::111122223333:user/team/ada")
    'ada'
    """
    return arn.rsplit(":", 1)[-1].rsplit("/", 1)[-1]


def order_within_second(call: str) -> int:
    """Where a call comes among those of the same time: a thing is made before it is used.

    >>> sorted(["AttachUserPolicy", "CreateAccessKey", "CreateUser"], key=order_within_second)
    ['CreateUser', 'AttachUserPolicy', 'CreateAccessKey']
    """
    return 0 if CREATED.get(call, "access_key") != "access_key" else 1
