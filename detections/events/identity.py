"""The fields of a stored event that say who acted, in which account, and from where."""

from __future__ import annotations

from typing import Final

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
OF_IDENTITY_CENTER: Final = ":role/aws-reserved/sso.amazonaws.com/"
"""Part of the ARN of Identity Center's own roles, whose sessions are named after people. AWS alone
makes roles below this path; a role's name, `AWSReservedSSO_…`, anybody may choose."""
BEGAN: Final = "userIdentity.sessionContext.attributes.creationDate"
SOURCE_IDENTITY: Final = "userIdentity.sessionContext.sourceIdentity"
INVOKED_BY: Final = "userIdentity.invokedBy"
ADDRESS: Final = "source.ip"
LONG_TERM: Final = {"prefix": {KEY: "AKIA"}}
"""Made with a key of a user, which does not expire."""
