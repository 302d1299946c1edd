"""Clauses for who, what and where, as people name them: what a principal, a key, an address and a
resource mean to every command.

A value is a term, and only a `*` in it is a pattern; case does not matter.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detections.events.identity import (
    ADDRESS,
    ARN,
    ISSUER,
    ISSUER_NAME,
    KEY,
    MADE_KEY,
    NAME,
    ON_BEHALF_OF,
)
from enrich.resources import LEAVES
from trailhound.cluster.queries import Query, any_of, either
from trailhound.errors import UsageError

KEYS = (KEY, MADE_KEY)
RESOURCE = tuple(f"resource.{leaf}" for leaf in sorted(LEAVES))


_LIKE_AN_ADDRESS = re.compile(r"[0-9.]+|[0-9a-fA-F.]*:[0-9a-fA-F:.]*")
_ROLE_ARN = re.compile(r"(arn:[^:]+):iam::([^:]*):role/(?:.*/)?([^/]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PrincipalFields:
    """Where documents have who acted: `names` as `user.name` has them (`Role/session`), `arns` as
    `userIdentity.arn`, `others` to the letter."""

    names: Sequence[str]
    arns: Sequence[str]
    others: Sequence[str] = ()

    def clause(self, value: str) -> Query:
        """Whoever a value names.

        >>> fields = PrincipalFields(["user.name"], ["userIdentity.arn"])
        >>> asked = fields.clause("arn:aws:iam::111122223333:role/team/Ops")["bool"]["should"]
        >>> asked[-1]["wildcard"]["userIdentity.arn"]["value"]
        'arn:aws:sts::111122223333:assumed-role/Ops/*'
        """
        clauses = [any_of(value, (*self.names, *self.arns, *self.others))]
        if role := _ROLE_ARN.fullmatch(value):
            partition, account, name = role.groups()
            clauses.append(any_of(f"{partition}:sts::{account}:assumed-role/{name}/*", self.arns))
        elif ":" not in value and "/" not in value:
            clauses.append(any_of(f"{value}/*", self.names))
            if "*" not in value:
                clauses.append(any_of(f"*/{value}", self.names))
        return either(clauses)


_OF_EVENTS: Final = PrincipalFields(
    (NAME,),
    (ARN,),
    (
        "userIdentity.userName",
        "userIdentity.principalId",
        ISSUER,
        ISSUER_NAME,
        ON_BEHALF_OF,
    ),
)
_OF_ALERTS: Final = PrincipalFields(("entity.principal", "links.principal"), ("entity.arn",))
"""An alert does not keep the ids of principals. Links name people whom the events name by an id."""
_LINKS: Final = "links.own"
_PEOPLE: Final = ("user:*:", "saml:*:", "source:*:", "federated:*:", "person:")
"""The links of alerts by people, each before the name: with an account, but not of Identity Center
(`detections.incidents.actors`)."""
_USER_ARN: Final = re.compile(r"arn:[^:]+:iam::([^:]*):user/(?:.*/)?([^/]+)", re.IGNORECASE)


def by_principal(value: str) -> Query:
    """Who acted, by a name, an ARN or an id. A role's name or ARN finds all of its
    sessions, the name of a session alone finds that session of every role."""
    return _OF_EVENTS.clause(value)


def alerts_by_principal(value: str) -> Query:
    """The same of alerts, also of those about sessions that the principal opened, through any
    number of roles.

    >>> asked = alerts_by_principal("arn:aws:iam::111122223333:user/team/ada")["bool"]["should"]
    >>> asked[-1]["term"]["links.own"]["value"]
    'user:111122223333:ada'
    """
    if user := _USER_ARN.fullmatch(value):
        people = [f"user:{user[1]}:{user[2]}"]
    else:
        people = [f"{each}{value}" for each in _PEOPLE]
    return either([_OF_ALERTS.clause(value), *(any_of(each, (_LINKS,)) for each in people)])


def by_key(value: str) -> Query:
    """Calls made with an access key, and those that touch it."""
    return any_of(value, KEYS)


def by_address(value: str) -> Query:
    """An IP address or a network; else the text of `sourceIPAddress`, such as a service's name.
    Raises `UsageError` for an address or a network that is none."""
    text = value.strip()
    try:
        return {"term": {ADDRESS: str(ipaddress.ip_network(text, strict=False))}}
    except ValueError:
        if "*" not in text and ("/" in text or _LIKE_AN_ADDRESS.fullmatch(text)):
            raise UsageError(
                f"{text!r} is not an address and not a network",
                hint="write 203.0.113.7, 203.0.113.0/24, 2001:db8::/32, or a service's name",
            ) from None
    return any_of(value, ("sourceIPAddress",))


def by_resource(value: str) -> Query:
    """What was touched, by name, id or ARN."""
    return any_of(value, RESOURCE)
