"""The nodes of an investigation: actors and targets, identified by account and name.

They are the source and target of an event in the activity graph. An IAM user is `user:NAME`, an
assumed role `role:NAME`, root `user:root`, an AWS service `service:EVENTSOURCE`. A call on S3 leads
to `s3:BUCKET`, a call of IAM to the user or else the role that it names, a call of EC2 to the
instance, AssumeRole to the role, and any other call to `resource:EVENTSOURCE:EVENTNAME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from detections.incidents.actors import account_of, at
from detections.incidents.creations import last_part

Source = Mapping[str, Any]

ACTORS: Final = ("user", "role", "service", "ip", "key", "account", "federated")
"""Kinds of nodes that act."""
KINDS: Final = (*ACTORS, "s3", "ec2", "secret", "function", "resource")

ASSUMING: Final = ("AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
ANONYMOUS: Final = frozenset({"", "anonymous", "ANONYMOUS_PRINCIPAL"})

TARGET_LEAVES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    # service -> leaves of `resource.*`, the first that an event has, and the kind of node
    "s3.amazonaws.com": (("bucket", "s3"),),
    "iam.amazonaws.com": (("user", "user"), ("role", "role")),
    "ec2.amazonaws.com": (("instance", "ec2"),),
    "secretsmanager.amazonaws.com": (("secret", "secret"),),
    "lambda.amazonaws.com": (("function", "function"),),
}
ROLE_ARN: Final = "arn:aws[a-z-]*:iam::[^:]*:role/.*"
"""The ARN of a role, as a regular expression for both Python and the engine."""
GLOBAL: Final = frozenset({"s3", "ec2", "key", "ip", "service", "resource", "account"})
"""Kinds whose names are unique without the account."""


class Node(NamedTuple):
    """`account` is empty for kinds of `GLOBAL` and for people of IAM Identity Center."""

    kind: str
    name: str
    account: str = ""

    @property
    def short(self) -> str:
        """Kind and name.

        >>> Node("user", "ada", "111122223333").short
        'user:ada'
        """
        return f"{self.kind}:{self.name}"

    @property
    def full(self) -> str:
        """Kind, name and, where there is one, account.

        >>> Node("user", "ada", "111122223333").full, Node("s3", "logs").full
        ('user:ada@111122223333', 's3:logs')
        """
        return f"{self.short}@{self.account}" if self.account else self.short


def node(kind: str, name: str, account: str = "") -> Node:
    """A node, without the account if its name is unique without it."""
    return Node(kind, name, "" if kind in GLOBAL else account)


def shown(nodes: Iterable[Node]) -> dict[Node, str]:
    """How each node is shown: without its account if that is unique among them.

    >>> list(shown([Node("user", "a", "1"), Node("user", "a", "2"), Node("s3", "b")]).values())
    ['user:a@1', 'user:a@2', 's3:b']
    """
    several = set(nodes)
    counts: dict[str, int] = {}
    for each in several:
        counts[each.short] = counts.get(each.short, 0) + 1
    ordered = sorted(several, key=lambda each: (each.short, each.account))
    made = {each: each.short if counts[each.short] == 1 else each.full for each in ordered}
    return {each: made[each] for each in nodes} if not isinstance(nodes, set) else made


def of_role_arn(arn: str) -> Node | None:
    """The role of a role's or session's ARN; None for other ARNs.

    >>> of_role_arn("arn:aws:iam::111122223333:role/team/Ops")
    Node(kind='role', name='Ops', account='111122223333')
    >>> of_role_arn("arn:aws:sts::111122223333:assumed-role/Ops/ada")
    Node(kind='role', name='Ops', account='111122223333')
    """
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return None
    kind, _, rest = parts[5].partition("/")
    if kind == "role" and rest:
        return Node("role", rest.rpartition("/")[2], parts[4])
    if kind == "assumed-role" and rest:
        return Node("role", rest.partition("/")[0], parts[4])
    return None


def actor_node(source: Source) -> Node | None:
    """The source node of a stored event; None if it names nobody."""
    identity = source.get("userIdentity")
    identity = identity if isinstance(identity, Mapping) else {}
    arn = at(identity, "arn")
    issuer = at(identity, "sessionContext", "sessionIssuer", "arn")
    return actor_of_fields(
        at(identity, "type"),
        issuer=issuer,
        arn=arn,
        account=at(identity, "accountId"),
        name=at(source, "user", "name"),
        user_type=at(source, "user_type"),
        event_source=at(source, "eventSource"),
        address=at(source, "source", "ip"),
    )


def actor_of_fields(
    kind: str,
    *,
    issuer: str = "",
    arn: str = "",
    account: str = "",
    name: str = "",
    user_type: str = "",
    event_source: str = "",
    address: str = "",
) -> Node | None:
    """The source node of single fields, as an aggregation returns them."""
    arn_account = arn.split(":", 5)[4] if arn.count(":") >= 5 else ""
    if kind == "AWSService" or user_type == "aws_service":
        return node("service", event_source) if event_source else None
    if kind == "Root":
        return node("user", "root", arn_account or account)
    if kind == "AssumedRole":
        if issuer.startswith("arn:"):
            return of_role_arn(issuer) or node("role", last_part(issuer), account)
        if (found := of_role_arn(arn)) is not None:
            return found
        role = name.partition("/")[0]
        return node("role", role, account) if role else None
    if kind == "IAMUser":
        user = last_part(arn) if ":user/" in arn else name
        return node("user", user, arn_account or account) if user else None
    if kind == "AWSAccount":
        if account not in ANONYMOUS:
            return node("account", account)
        return node("ip", address) if address else None
    if kind in ("IdentityCenterUser", "Directory"):
        return node("user", name) if name else None
    if name and name == account:
        return node("account", account)  # nobody is named: a certificate of Roles Anywhere
    if name:
        return node("federated", name, arn_account or account)
    return node("ip", address) if address else None


def target_nodes(source: Source) -> list[Node]:
    """The target nodes of a stored event: one, or one for each resource that it names."""
    service, call = at(source, "eventSource"), at(source, "eventName")
    account = account_of(source)
    found = source.get("resource")
    leaves = found if isinstance(found, Mapping) else {}
    if service == "sts.amazonaws.com" and call in ASSUMING:
        # Only the role's own ARN: the reply also has that of the session.
        arns = [each for each in texts(leaves.get("arn")) if re.fullmatch(ROLE_ARN, each)]
        roles = [of_role_arn(each) for each in arns]
        if roles:
            return sorted({each for each in roles if each is not None})
    for leaf, kind in TARGET_LEAVES.get(service, ()):
        if named := [each for each in texts(leaves.get(leaf)) if each]:
            return sorted({node(kind, each, account) for each in named})
    return [node("resource", f"{service}:{call}")]


def texts(value: Any) -> list[str]:
    """The texts of a field that may hold one, several or none."""
    several = value if isinstance(value, list) else [value]
    return [each for each in several if isinstance(each, str)]


def network_of(address: str) -> str:
    """The /16 of an address, /32 of IPv6.

    >>> network_of("203.0.113.9"), network_of("2001:db8:1::7")
    ('203.0.0.0/16', '2001:db8::/32')
    """
    if ":" in address:
        first, _, rest = address.partition(":")
        return f"{first}:{rest.partition(':')[0]}::/32"
    one, two, *_ = address.split(".")
    return f"{one}.{two}.0.0/16"
