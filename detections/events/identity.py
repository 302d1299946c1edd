"""The fields of a stored event that say who acted, in which account, and from where."""

from __future__ import annotations

import re
from typing import Any, Final

from enrich.uuids import PERSON_ID

TYPE: Final = "userIdentity.type"
ARN: Final = "userIdentity.arn"
"""Of a session it ends with the session's name; `ISSUER` is the role's own."""
NAME: Final = "user.name"
ACCOUNT: Final = "userIdentity.accountId"
"""Of who acted; `RECIPIENT` is the account in whose trail it is."""
RECIPIENT: Final = "recipientAccountId"
KEY: Final = "userIdentity.accessKeyId"
MADE_KEY: Final = "resource.access_key"
"""The key that a call made, issued or is about."""
ISSUER: Final = "userIdentity.sessionContext.sessionIssuer.arn"
ISSUER_NAME: Final = "userIdentity.sessionContext.sessionIssuer.userName"
BEGAN: Final = "userIdentity.sessionContext.attributes.creationDate"
ON_BEHALF_OF: Final = "userIdentity.onBehalfOf.userId"
"""The id of a person of Identity Center."""
SOURCE_IDENTITY: Final = "userIdentity.sessionContext.sourceIdentity"
INVOKED_BY: Final = "userIdentity.invokedBy"
IN_SCOPE_OF: Final = "userIdentity.inScopeOf.issuerType"
"""Of credentials that Lambda, ECS and the like issued: the kind of what they were issued to."""
DELIVERED: Final = "userIdentity.sessionContext.ec2RoleDelivery"
"""Of credentials of an instance: how it got them."""
ADDRESS: Final = "source.ip"
SENT_FROM: Final = "sourceIPAddress"
"""The address as written; where a service called, that service."""
LONG_TERM: Final = {"prefix": {KEY: "AKIA"}}
"""Made with a key of a user, which does not expire."""

# AWS alone creates roles below these paths. The path has to be matched right after the account: a
# path that a user chooses may contain `:role/aws-reserved/` too, and a role may have any name.
_RESERVED: Final = "arn:[^:]+:iam::[^:]*:role/aws-"
_IDENTITY_CENTER: Final = rf"{_RESERVED}reserved/sso\.amazonaws\.com/.*"
_SERVICE_LINKED: Final = f"{_RESERVED}service-role/.*"
OF_IDENTITY_CENTER: Final[dict[str, Any]] = {"regexp": {ISSUER: _IDENTITY_CENTER}}
"""The query for sessions of Identity Center's own roles, which are named after people."""
OF_SERVICE_LINKED_ROLES: Final[dict[str, Any]] = {"regexp": {ISSUER: _SERVICE_LINKED}}
"""The query for sessions of roles that only an AWS service can assume."""


def is_person_id(name: str) -> bool:
    """Whether a name is the id that Identity Center has for a person, not what they are called.

    >>> is_person_id("fb739b14-199e-410e-8b38-493aa539799f"), is_person_id("ada")
    (True, False)
    """
    return PERSON_ID.fullmatch(name) is not None


def of_identity_center(role: str) -> bool:
    """Whether the ARN of a role is of one of Identity Center's own, whose sessions are people.

    >>> of_identity_center("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/R")
    True
    >>> of_identity_center("arn:aws:iam::111122223333:role/x:role/aws-reserved/sso.amazonaws.com/R")
    False
    """
    return re.fullmatch(_IDENTITY_CENTER, role) is not None


def service_linked(role: str) -> bool:
    """Whether the ARN of a role is of one that only an AWS service can assume.

    >>> service_linked("arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/R")
    True
    >>> service_linked("arn:aws:iam::111122223333:role/AWSServiceRoleForECS")
    False
    """
    return re.fullmatch(_SERVICE_LINKED, role) is not None
