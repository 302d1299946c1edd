"""How the access of a person of Identity Center is ended.

The role of a permission set takes no policy, and ending a person's sessions in the portal does not
end the role sessions that it issued. AWS's procedure denies by the person's id in the directory; by
the name of their sessions where an event does not have that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from detections.incidents.actors import at
from detections.incidents.creations import last_part
from detections.incidents.step import Event, Step, deny, step

_USER_ID: Final = re.compile(r"([0-9a-f]{10}-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What a directory's ids of people look like."""
_SESSION: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
"""The name of a session, in which `*` and `?` would be wildcards."""
EVERYWHERE: Final = ""
"""In place of the account of what is done for an organization."""


def ends_person(event: Event) -> Iterator[Step]:
    """The steps for the person who acted."""
    who = event.get("userIdentity") or {}
    person, name = at(who, "onBehalfOf", "userId"), last_part(at(who, "arn"))
    person = person or (at(event, "user", "name") if not name else "")
    shown = f"{name} ({person})" if name and person else name or person or "who acted"
    yield step(
        event,
        f"disable the access of the person {shown} in IAM Identity Center (or at its identity "
        "provider), delete their active sessions there, and reset password and MFA",
        None,
        EVERYWHERE,
        person or name,
    )
    condition: dict[str, dict[str, str]] | None = None
    if _USER_ID.fullmatch(person):
        condition = {"StringEquals": {"identitystore:UserId": person}}
    elif _SESSION.fullmatch(name):
        condition = {"StringLike": {"aws:userid": f"*:{name}"}}
    words = ["aws", "organizations", "create-policy", "--type", "SERVICE_CONTROL_POLICY"]
    words += ["--name", "DenyPersonDuringIncident", "--description", "containment of an incident"]
    yield step(
        event,
        f"deny everything to the person {shown} by a policy of the organization, and attach it to "
        "the root or to the account (organizations attach-policy): sessions of roles that they "
        "have go on for up to 12 hours. In the management account, where it does not apply, put "
        "the same statement into the inline policy of their permission sets",
        [*words, "--content", deny(condition)] if condition else None,
        EVERYWHERE,
        person or name,
    )
