"""How the credentials with which an event was made are made useless.

A policy that denies sessions issued before now ends those of people and of other roles. It does not
end what gets credentials anew by itself: an instance, a function, a container, whoever has a
certificate of Roles Anywhere; there the role's rights go, and what gets them is stopped. A key of a
service alone has no time of issue at all. Roles of Identity Center take no policy.
("Revoke IAM role temporary security credentials", IAM Guide; "Use a Deny policy to revoke active
user permissions", Identity Center Guide; "The trust model", Roles Anywhere Guide; "Handle
compromised long-term and short-term API keys", Bedrock Guide.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from detections.events.identity import of_identity_center
from detections.incidents.actors import at
from detections.incidents.person_access import ends_person
from detections.incidents.step import Event, Step, deny, option, step
from detections.incidents.undoing.rows import KEY, NAME
from detections.incidents.workloads import Workload, certificate_steps, workload_of, workload_steps

_REVOKED: Final = "AWSRevokeOlderSessions"
"""The name that the console gives to the policy that revokes a role's sessions."""
_OF_A_SERVICE: Final = "ACCA"
"""How the ids of service-specific credentials begin."""
_OPENED_BY_CERTIFICATE: Final = "CreateSession"
_COMMON_NAME: Final = re.compile(r"CN=", re.IGNORECASE)


def ends_credentials(
    event: Event,
    before: datetime,
    opener: Event | None = None,
    functions: Mapping[str, Event] | None = None,
) -> Iterator[Step]:
    """How the credentials of an event are made useless. Sessions that began before `before` would
    be revoked. `opener`: the call that issued them, if it is known; `functions`: those that the
    same principals made or changed, by name."""
    who = event.get("userIdentity") or {}
    key, kind = str(who.get("accessKeyId") or ""), who.get("type")
    account = str(who.get("accountId") or event.get("recipientAccountId") or "")
    user = str(who.get("userName") or "")
    if kind == "Root":
        what = "root was used: as root, delete its access keys, change its password and its MFA"
        yield step(event, what, None, account, "root")
    elif kind == "IAMUser" and key.startswith("AKIA"):
        what = f"deactivate the access key {key} of the user {user}, which was used"
        yield step(event, what, _inactive(user, key, "access-key-id"), account, key)
    elif kind == "IAMUser" and key.startswith(_OF_A_SERVICE):
        what = (
            f"deactivate the service-specific credential {key} of the user {user}, which was used "
            "(of Bedrock: an API key; it has no time of issue, and revoking sessions does nothing)"
        )
        words = _inactive(user, key, "service-specific-credential-id")
        yield step(event, what, words, account, key)
    elif kind == "IAMUser" and not key and _by_bearer(event):
        what = (
            f"deactivate the API keys for Bedrock of the user {user}, one of which was used: "
            f"list-service-specific-credentials of IAM has their ids"
        )
        yield step(event, what, None, account, user)
    elif kind == "IAMUser":
        what = f"revoke the sessions of the user {user} so far"
        yield step(event, what, revoke("user", user, before), account, user)
    elif kind == "IdentityCenterUser":
        yield from ends_person(event)
    elif kind == "AWSAccount":
        yield from _outside(event, account)
    else:
        yield from _session(event, who, before, opener, functions or {})


def _session(
    event: Event,
    who: Mapping[str, Any],
    before: datetime,
    opener: Event | None,
    functions: Mapping[str, Event],
) -> Iterator[Step]:
    issuer = (who.get("sessionContext") or {}).get("sessionIssuer") or {}
    kind = who.get("type")
    if kind != "AssumedRole" and not (kind == "FederatedUser" and issuer):
        return
    of, arn = str(issuer.get("userName") or ""), str(issuer.get("arn") or "")
    account = str(issuer.get("accountId") or who.get("accountId") or "")
    if of_identity_center(arn):
        yield from ends_person(event)
        return
    if kind == "FederatedUser":
        what = f"revoke all sessions of the user {of} so far, legitimate ones too"
        yield step(event, what, revoke("user", of, before), account, of)
        return
    workload = workload_of(event, opener, functions)
    if workload is not None:
        yield from workload_steps(event, workload)
        yield _denied(event, of, account, workload)
        return
    if opener is not None and at(opener, "userIdentity", "type") == "AWSAccount":
        yield from _outside(opener, at(opener, "userIdentity", "accountId"))
    if _has_certificate(who, opener):
        yield from certificate_steps(event, opener)
    what = f"revoke all sessions of the role {of} so far, its legitimate ones too"
    if opener is None:
        what += (
            "; an instance, function or container that has the role gets fresh ones: if the "
            "session is of one, stop that, and take the rights of the role away"
        )
    yield step(event, what, revoke("role", of, before), account, of)


def _denied(event: Event, role: str, account: str, workload: Workload) -> Step:
    what = (
        f"deny everything to the role {role} until its {workload.kind} is clean: revoking its "
        f"sessions so far does not stop who gets fresh ones from it. Whatever else has the role "
        f"stops too"
    )
    words = None
    if NAME.fullmatch(role):
        words = ["aws", "iam", "put-role-policy", *option("--role-name", role)]
        words += ["--policy-name", "DenyAllDuringIncident", "--policy-document", deny()]
    return step(event, what, words, account, role)


def _outside(event: Event, account: str) -> Iterator[Step]:
    who = at(event, "userIdentity", "arn") or at(event, "userIdentity", "principalId")
    role = at(event, "requestParameters", "roleArn")
    lets_in = f" (the trust policy of {role})" if role else ""
    what = f"take away what lets in {who or 'somebody'} of the account {account}{lets_in}"
    own = str(event.get("recipientAccountId") or "")
    yield step(event, what, None, own, role, [account] if account != own else [])


def _has_certificate(who: Mapping[str, Any], opener: Event | None) -> bool:
    if opener is not None:
        return opener.get("eventName") == _OPENED_BY_CERTIFICATE
    return bool(_COMMON_NAME.match(at(who, "sessionContext", "sourceIdentity")))


def _by_bearer(event: Event) -> bool:
    more = event.get("additionalEventData")
    return isinstance(more, Mapping) and more.get("callWithBearerToken") in (True, "true")


def _inactive(user: str, key: str, name: str) -> list[str] | None:
    if not (NAME.fullmatch(user) and KEY.fullmatch(key)):
        return None
    command = f"update-{name.removesuffix('-id')}"
    words = ["aws", "iam", command, f"--{name}", key]
    return [*words, *option("--user-name", user), "--status", "Inactive"]


def revoke(noun: str, name: str, before: datetime) -> list[str] | None:
    """The words of the command that ends the sessions of a role or user that began before a time;
    None where the name has a form that AWS does not allow."""
    if not NAME.fullmatch(name):
        return None
    document = deny({"DateLessThan": {"aws:TokenIssueTime": f"{before:%Y-%m-%dT%H:%M:%SZ}"}})
    words = ["aws", "iam", f"put-{noun}-policy", *option(f"--{noun}-name", name)]
    return [*words, "--policy-name", _REVOKED, "--policy-document", document]
