"""Clauses for who, what and where, as people name them: what a principal, a key, an address and a
resource mean to every command.

A value is a term, and only a `*` in it is a pattern; case does not matter.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from enrich.resources import LEAVES
from trailhound.cluster.queries import Query, any_of, either

PRINCIPAL = (
    "user.name",
    "userIdentity.arn",
    "userIdentity.userName",
    "userIdentity.principalId",
    "userIdentity.sessionContext.sessionIssuer.arn",
    "userIdentity.sessionContext.sessionIssuer.userName",
)
"""Who acted by name, ARN or id; a role by its own, which finds all of its sessions."""
KEY = ("userIdentity.accessKeyId", "resource.access_key")
RESOURCE = tuple(f"resource.{leaf}" for leaf in sorted(LEAVES))


def by_principal(value: str) -> Query:
    """Who acted; of a role's session its own name is enough (`user.name` is `Role/session`)."""
    named = any_of(value, PRINCIPAL)
    if "/" in value or "*" in value:
        return named
    return either([named, any_of(f"*/{value}", ("user.name",))])


def by_key(value: str) -> Query:
    """Calls made with an access key, and those that touch it."""
    return any_of(value, KEY)


def by_address(value: str) -> Query:
    """An IP address or a network; else the text of `sourceIPAddress`, such as a service's name."""
    with suppress(ValueError):
        return {"term": {"source.ip": str(ipaddress.ip_network(value.strip(), strict=False))}}
    return any_of(value, ("sourceIPAddress",))


def by_resource(value: str) -> Query:
    """What was touched, by name, id or ARN."""
    return any_of(value, RESOURCE)
