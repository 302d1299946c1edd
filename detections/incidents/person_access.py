"""How the access of a person of Identity Center is ended.

The role of a permission set takes no policy, and ending a person's sessions in the portal does not
end the role sessions that it issued. AWS's procedure denies by the person's id in the directory.
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


def ends_person(event: Event) -> Iterator[Step]:
    """The steps for the person who acted, by their id in the directory where the event has it."""
    who = event.get("userIdentity") or {}
    account = str(who.get("accountId") or event.get("recipientAccountId") or "")
    person = at(who, "onBehalfOf", "userId")
    name = last_part(at(who, "arn")) or at(event, "user", "name")
    shown = " ".join(dict.fromkeys(each for each in (name, person) if each)) or "who acted"
    yield step(
        event,
        f"disable the access of the person {shown} in IAM Identity Center (or at its identity "
        "provider), delete their active sessions there, and reset password and MFA",
        None,
        account,
        person or name,
    )
    found = _USER_ID.fullmatch(person)
    id_ = f" ({person})" if person else ": its id is UserId of identitystore list-users"
    yield step(
        event,
        "role sessions that were issued to them go on for up to 12 hours: deny everything to "
        f"identitystore:UserId{id_} by a policy of the organization, which you then attach "
        "(organizations attach-policy) to the account or the root; for the management account, put "
        "the same statement into the inline policy of their permission sets",
        [
            *("aws", "organizations", "create-policy", "--type", "SERVICE_CONTROL_POLICY"),
            *("--name", f"DenyPerson-{person}", "--description", "containment of an incident"),
            *("--content", deny({"StringEquals": {"identitystore:UserId": person}})),
        ]
        if found
        else None,
        account,
        person or name,
    )
