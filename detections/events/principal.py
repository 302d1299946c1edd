"""Defines what identifies a principal, for all grouping.

`userIdentity.arn` identifies a principal where an event has one. People of IAM Identity Center,
SAML and web identities and some others have none, or an empty text, which is no identity: these
are identified by `user.name`. AWS services, and events that name only an account, are no principal.
So what is grouped by `userIdentity.arn` is searched in two disjoint views of the events, each
with the field that names its principals. An empty text in another field of an identity (an access
key, an address) identifies no one either; in any other field it is a value like others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from detections.compiled import Compiled, Query
from detections.events.fields import FieldReader, Hit, field_type
from detections.events.identity import (
    ARN,
    DELIVERED,
    IN_SCOPE_OF,
    ISSUER,
    NAME,
    OF_IDENTITY_CENTER,
    OF_SERVICE_LINKED_ROLES,
    SENT_FROM,
)
from enrich.resources import WITHHELD

HAS_ARN: Query = {
    "bool": {"filter": [{"exists": {"field": ARN}}], "must_not": [{"term": {ARN: ""}}]}
}
HAS_NAME_ALONE: Query = {
    "bool": {
        "filter": [{"exists": {"field": NAME}}],
        "must_not": [
            HAS_ARN,
            {"term": {"user_type": "aws_service"}},
            {"terms": {NAME: ["", *sorted(WITHHELD)]}},
            {"regexp": {NAME: "[0-9]{12}"}},
        ],
    }
}
OF_ROLE_SESSIONS: Query = {
    "bool": {
        "filter": [HAS_ARN, {"exists": {"field": ISSUER}}],
        "must_not": [
            {"term": {ISSUER: ""}},
            {"exists": {"field": DELIVERED}},
            {"exists": {"field": IN_SCOPE_OF}},
            OF_IDENTITY_CENTER,
            OF_SERVICE_LINKED_ROLES,
        ],
    }
}
"""Sessions whose names their callers choose: of a role, or of a federated user. AWS names others:
those of Identity Center after people, those of instances, functions and tasks after these."""


@dataclass(frozen=True, slots=True)
class PrincipalView:
    """A part of a rule's events, and the fields by which it is grouped."""

    fields: tuple[str, ...]
    where: tuple[Query, ...]

    def of(self, compiled: Compiled) -> Compiled:
        """A rule's query for only the events of this view."""
        if not self.where:
            return compiled

        def narrowed(query: Query) -> Query:
            return {"bool": {"filter": [query, *self.where]}}

        return replace(
            compiled,
            query=narrowed(compiled.query),
            plain=narrowed(compiled.plain) if compiled.plain else {},
        )


def by_role(fields: Sequence[str]) -> tuple[str, ...]:
    """The fields for sessions of a role from one address, instead of a principal.

    >>> by_role(["awsRegion", "userIdentity.arn"])
    ('awsRegion', 'userIdentity.sessionContext.sessionIssuer.arn', 'sourceIPAddress')
    """
    names = [ISSUER if name == ARN else name for name in fields]
    return (*names, *(() if SENT_FROM in names else (SENT_FROM,)))


def role_view(fields: Sequence[str]) -> PrincipalView:
    """The view in which sessions of a role are counted together."""
    (view,) = views(by_role(fields))
    return PrincipalView(view.fields, (OF_ROLE_SESSIONS, *view.where))


def views(fields: Sequence[str]) -> tuple[PrincipalView, ...]:
    """The views in which events are grouped by some fields; together they contain every event that
    is in a group, once.

    >>> [view.fields for view in views(["recipientAccountId", "userIdentity.arn"])]
    [('recipientAccountId', 'userIdentity.arn'), ('recipientAccountId', 'user.name')]
    """
    not_empty = tuple(
        _not_empty(name)
        for name in fields
        if name != ARN and _is_identity(name) and field_type(name) == "keyword"
    )
    if ARN not in fields:
        return (PrincipalView(tuple(fields), not_empty),)
    by_name = tuple(NAME if name == ARN else name for name in fields)
    return PrincipalView(tuple(fields), (HAS_ARN, *not_empty)), PrincipalView(
        by_name, (HAS_NAME_ALONE, *not_empty)
    )


def read_fields(fields: Sequence[str]) -> list[str]:
    """The fields to be read for `group_values`."""
    return [*fields, NAME] if ARN in fields else list(fields)


def group_values(reader: FieldReader, hit: Hit, field: str) -> tuple[str, tuple[str, ...]]:
    """The field and the values that define an event's group; no values if it has none."""
    values = reader.values(hit, field)
    if _is_identity(field):
        values = tuple(value for value in values if value)
    if field == ARN and not values:
        names = tuple(value for value in reader.values(hit, NAME) if value)
        return (NAME, names) if names else (field, ())
    return field, values


def _is_identity(field: str) -> bool:
    return field.startswith("userIdentity.") or field in {NAME, SENT_FROM}


def _not_empty(field: str) -> Query:
    return {"bool": {"must_not": [{"term": {field: ""}}]}}
