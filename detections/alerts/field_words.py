"""Fields of events in words, as messages name them to people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_WORDS: Final[Mapping[str, str]] = {
    "recipientAccountId": "account",
    "userIdentity.accountId": "caller's account",
    "userIdentity.arn": "principal",
    "userIdentity.accessKeyId": "access key",
    "userIdentity.userName": "user",
    "user.name": "principal",
    "source.ip": "address",
    "sourceIPAddress": "address",
    "awsRegion": "region",
    "eventName": "call",
    "eventSource": "service",
    "errorCode": "error",
    "arn": "ARN",
}
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")


def in_words(field: str) -> str:
    """A field's name for people; of one that has no words of its own, the last part of the name.

    >>> in_words("userIdentity.arn"), in_words("resource.security_group")
    ('principal', 'security group')
    >>> in_words("requestParameters.roleName"), in_words("address")
    ('role name', 'address')
    """
    return _WORDS.get(field) or _HUMP.sub(" ", field.rpartition(".")[2]).lower()


def shared(group: str) -> tuple[str, str]:
    """A part of an alert's `group` (`field=value`): what its events have in common, in words, and
    the value.

    >>> shared("source.ip=192.0.2.1"), shared("tags.a=b=c")
    (('same address', '192.0.2.1'), ('same a', 'b=c'))
    """
    field, _, value = group.partition("=")
    return f"same {in_words(field)}", value
