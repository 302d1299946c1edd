"""Whom an event lets in, or who outside of its account gets something by it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from detections.incidents.undoing.rows import Undo, values_at

EVERYBODY: Final = "everybody"
_EVERYBODY: Final = frozenset({"*", "all", "NONE"})
"""How calls write it: in policies, in shared images and snapshots, of a function's address that
asks for no signature."""
_NOBODY: Final = frozenset({"AWS_IAM", "amazon", "self"})
_ACCOUNT_OF: Final = re.compile(r"arn:aws[a-z-]*:[^:]*:[^:]*:(\d{12}):|(\d{12})$", re.ASCII)
SHARING: Final = frozenset(
    {
        *("ModifySnapshotAttribute", "ModifyImageAttribute", "ModifyDBSnapshotAttribute"),
        *("ModifyDBClusterSnapshotAttribute", "ModifyDocumentPermission"),
    }
)
"""Calls whose `resource.account` is whom something is shared with."""
_LAYERED: Final = "UpdateFunctionConfiguration"
MOST: Final = 20
"""The most outsiders of an event that are named."""
_LONGEST: Final = 512


def account_in(named: str) -> str:
    """The account that an ARN or an id of an account names; empty if none.

    >>> account_in("arn:aws:iam::111122223333:root"), account_in("111122223333"), account_in("x")
    ('111122223333', '111122223333', '')
    """
    found = _ACCOUNT_OF.match(named)
    return (found[1] or found[2]) if found else ""


def outsiders(event: Mapping[str, Any], undo: Undo | None = None) -> tuple[str, ...]:
    """Other accounts, principals, networks and addresses that an event lets in: by its policies, as
    they were read when it was ingested (`grants.*`), and by the row of its call.

    >>> outsiders({"grants": {"principals": ["arn:aws:iam::444455556666:root"], "public": True}})
    ('everybody', 'arn:aws:iam::444455556666:root')
    """
    own = str(event.get("recipientAccountId") or "")
    named = values_at(event, undo.outsider) if undo is not None and undo.outsider else []
    found = (*_granted(event.get("grants")), *_outside(named, own))
    return tuple(dict.fromkeys(each[:_LONGEST] for each in found))[:MOST]


def let_in(source: Mapping[str, Any], own: str) -> Iterator[str]:
    """Whom a stored event lets in, by the fields that were added when it was ingested: the parties
    of its policies, the accounts that something is shared with, another account's layers."""
    yield from _granted(source.get("grants"))
    call, resource = source.get("eventName"), source.get("resource")
    if isinstance(resource, Mapping) and isinstance(call, str):
        named = _texts(resource.get("account")) if call in SHARING else []
        if call.startswith(_LAYERED):
            named += [each for each in _texts(resource.get("id")) if ":layer:" in each]
        yield from _outside(named, own)


def _granted(grants: Any) -> Iterator[str]:
    if not isinstance(grants, Mapping):
        return
    if grants.get("public") in (True, "true", ["true"]):
        yield EVERYBODY
    principals = _texts(grants.get("principals"))
    yield from principals
    accounts = {account_in(each) for each in principals}
    yield from (each for each in _texts(grants.get("accounts")) if each not in accounts)
    yield from _texts(grants.get("unknown"))


def _outside(named: Iterable[str], own: str) -> Iterator[str]:
    for each in named:
        if each in _EVERYBODY:
            yield EVERYBODY
        elif each not in _NOBODY and not (own and account_in(each) == own) and not _private(each):
            yield each


def _private(named: str) -> bool:
    try:
        network = ipaddress.ip_network(named, strict=False)
    except ValueError:
        return False
    return network.is_private and network.prefixlen > 0


def _texts(value: Any) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [each for each in several if isinstance(each, str) and each]
