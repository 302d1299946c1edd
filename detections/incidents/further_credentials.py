"""What else lets an intruder act or come back once the keys that were used are deactivated:
sessions that were opened with them, and passwords.

A session goes on after the key that opened it was deactivated or deleted: one of a role for up to
12 hours, one of `GetSessionToken` or `GetFederationToken` for up to 36. A policy of the user, or of
the role, ends it. ("Disabling permissions for temporary security credentials", IAM Guide.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from detections.events.outcome import failed
from detections.incidents.actors import at
from detections.incidents.creations import ISSUING, last_part
from detections.incidents.credentials import revoke
from detections.incidents.step import Event, Step, option, step
from detections.incidents.undoing.rows import NAME, values_at

SIGN_IN: Final = "ConsoleLogin"
FROM_CONSOLE: Final = "sessionCredentialFromConsole"
"""What events have that were made in the console."""
CALLS: Final = (*ISSUING, SIGN_IN)
"""The calls of which `further_credentials` knows something."""
_BY_PROVIDER: Final = ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
_OF_USER: Final = ("GetFederationToken", "GetSessionToken")


def further_credentials(event: Event, before: datetime) -> Iterator[Step]:
    """How what a call issued, if it succeeded, or the password that it proves, is made useless.
    Sessions that began before `before` would be revoked."""
    name = str(event.get("eventName") or "")
    who = event.get("userIdentity") or {}
    account = str(who.get("accountId") or event.get("recipientAccountId") or "")
    signed_in = from_console(event) or (name == SIGN_IN and not failed(event))
    if signed_in and who.get("type") == "IAMUser":
        yield _password(event, str(who.get("userName") or ""), account)
    if failed(event):
        return
    if name in _OF_USER and who.get("type") == "IAMUser":
        user = str(who.get("userName") or "")
        what = (
            f"revoke the sessions of the user {user} so far: {name} opened one, which goes on for "
            "up to 36 hours, also when the key is deactivated"
        )
        yield step(event, what, revoke("user", user, before), account, user)
    elif name in _OF_USER and who.get("type") == "Root":
        what = (
            f"delete root’s access keys: root opened a session by {name}, which no policy ends; "
            "look at what it does, for the hour that it lasts at most"
        )
        yield step(event, what, None, account, "root")
    elif name == "AssumeRoot":
        (target, *_) = values_at(event, "request.targetPrincipal") or ["another account"]
        what = (
            f"deny sts:AssumeRoot: a session of root of {target} was opened, which ends after 15 "
            "minutes at most; look at what it did"
        )
        yield step(event, what, None, account, target)
    elif name.startswith("AssumeRole"):
        yield from _role(event, before)


def from_console(event: Event) -> bool:
    """Whether a call was made in the console, for which somebody had to sign in."""
    return event.get(FROM_CONSOLE) in (True, "true")


def _password(event: Event, user: str, account: str) -> Step:
    what = (
        f"delete the console password of the user {user}, or set a new one, and have MFA set up "
        "anew: somebody signed in with it, and revoked sessions keep nobody from the next one"
    )
    words = ["aws", "iam", "delete-login-profile", *option("--user-name", user)]
    return step(event, what, words if NAME.fullmatch(user) else None, account, user)


def _role(event: Event, before: datetime) -> Iterator[Step]:
    (arn, *_) = values_at(event, "request.roleArn") or [""]
    role, account = last_part(arn), _account_in(arn) or str(event.get("recipientAccountId") or "")
    who = event.get("userIdentity") or {}
    if event.get("eventName") in _BY_PROVIDER:
        yield _provider(event, who, account)
    if role:
        by = at(event, "user", "name") or at(who, "userName") or "the same principals"
        what = (
            f"revoke all sessions of the role {role} so far, its legitimate ones too: {by} opened "
            "one, which goes on when the key that opened it is deactivated"
        )
        yield step(event, what, revoke("role", role, before), account, role)


def _provider(event: Event, who: dict[str, Any], account: str) -> Step:
    person = at(who, "userName") or at(event, "user", "name") or "who opened the session"
    provider = at(who, "identityProvider") or at(event, "requestParameters", "principalArn")
    what = (
        f"disable {person} at the identity provider {provider or 'that let them in'}, and end "
        "their sessions there: revoked sessions of the role keep nobody from opening the next one"
    )
    return step(event, what, None, account, person)


def _account_in(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[4] if len(parts) > 5 else ""
