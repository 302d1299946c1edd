"""Who made a call, for joining alerts: a person, or a session with its key.

A role is not an actor, since pipelines and people share it. A session of a role is identified by
its ARN and creation date together, and by its key. Who assumed the role is found by the call that
issued the key. AWS services and service-linked roles are not actors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from detections.events.identity import of_identity_center, service_linked
from detections.incidents.creations import last_part, resource_token, token
from enrich.resources import WITHHELD

Source = Mapping[str, Any]

FIELDS: Final = (
    *("user_type", "user.name", "recipientAccountId"),
    *(
        f"userIdentity.{name}"
        for name in (
            *("type", "arn", "accountId", "accessKeyId", "principalId", "userName"),
            *("sessionContext.sessionIssuer.arn", "sessionContext.sourceIdentity"),
            *("sessionContext.attributes.creationDate", "onBehalfOf.userId"),
        )
    ),
)
"""The fields of a stored event that `actor_of` reads."""


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor. `name` identifies it: the token of the person, if known. `own` are the tokens of
    person, session and key. `key` is the access key that was used, empty if none; `role` is the
    token of the role. `by`: what another one gave it to act with (`acting`)."""

    name: str
    own: frozenset[str] = frozenset()
    key: str = ""
    role: str = ""
    person: bool = False
    by: frozenset[str] = frozenset()


def actor_of(source: Source) -> Actor | None:
    """The actor of a stored event; None for AWS services, and if the event names nobody."""
    identity = source.get("userIdentity")
    if not isinstance(identity, Mapping) or source.get("user_type") == "aws_service":
        return None
    kind, arn = _text(identity, "type"), _text(identity, "arn")
    account = account_of(source)
    own_account = _text(identity, "accountId") or account
    key, name = _text(identity, "accessKeyId"), at(source, "user", "name")
    issuer = at(identity, "sessionContext", "sessionIssuer", "arn")
    if service_linked(issuer):
        return None
    person, role, session = "", "", ""
    # Identity Center has an id for a person, which the sessions of its roles have beside the name.
    by_id = token("person", at(identity, "onBehalfOf", "userId"))
    match kind:
        case "Root":
            person = token("root", own_account)
        case "IAMUser":
            person = token("user", own_account, _user_name(arn, _text(identity, "userName")))
        case "IdentityCenterUser":
            person = token("person", name)
        case "SAMLUser":
            person = token("saml", own_account, name)
        case "FederatedUser":
            person = token("federated", own_account, last_part(arn))
        case "AWSAccount" if "principalId" in identity:
            person = token("foreign", own_account, _text(identity, "principalId"))
        case "AssumedRole":
            role = resource_token("role", issuer, own_account) if issuer else ""
            if of_identity_center(issuer):
                person = token("person", last_part(arn))
            elif source_identity := at(identity, "sessionContext", "sourceIdentity"):
                person = token("source", own_account, source_identity)
    began = at(identity, "sessionContext", "attributes", "creationDate")
    if arn and began and key:
        session = token("session", arn, began)
    used = token("key", key)
    own = frozenset(each for each in (person, by_id, session, used) if each)
    known = by_id or person or session or used or token("name", own_account, name)
    if not known or name in WITHHELD:
        return None
    return Actor(known, own, key, role, bool(by_id or person))


def _user_name(arn: str, name: str) -> str:
    """The name of an IAM user. A forged one may have a `/` or `:`: what follows it is no user.

    >>> _user_name("arn:aws:iam::1:user/team/ada", "ada"), _user_name("arn:aws:iam::1:user/ada", "")
    ('ada', 'ada')
    >>> _user_name("arn:aws:iam::1:user/<b>x</b>", "<b>x</b>")
    '<b>x</b>'
    """
    return name if name and arn.endswith(f"/{name}") else last_part(arn) or name


def account_of(source: Source) -> str:
    """The account in which an event happened."""
    return _text(source, "recipientAccountId") or at(source, "userIdentity", "accountId")


def at(source: Source, *path: str) -> str:
    """The text at a path; empty if there is none."""
    found: Any = source
    for step in path:
        # The cheap test first: it is made some twenty times for each event.
        known = type(found) is dict or isinstance(found, Mapping)
        found = found.get(step) if known else None
    return found if isinstance(found, str) else ""


def texts_at(source: Source, *path: str) -> list[str]:
    """The texts at a path that has one, several, or none; the empty ones left out.

    >>> texts_at({"resource": {"access_key": ["ASIA1", "", None]}}, "resource", "access_key")
    ['ASIA1']
    >>> texts_at({"resource": {"access_key": "ASIA1"}}, "resource", "access_key")
    ['ASIA1']
    >>> texts_at({"resource": None}, "resource", "access_key")
    []
    """
    found: Any = source
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    several = found if isinstance(found, list) else (found,)
    return [each for each in several if isinstance(each, str) and each]


def _text(source: Source, name: str) -> str:
    return at(source, name)
