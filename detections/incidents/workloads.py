"""What stops a workload, or the holder of a certificate, that gets a role's credentials anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from detections.events.outcome import failed
from detections.incidents.actors import at
from detections.incidents.creations import last_part
from detections.incidents.step import Event, Step, in_region, step
from detections.incidents.undoing.rows import FUNCTION, ID

_INSTANCE: Final = re.compile(r"i-[0-9a-f]{8,17}")
_TASK: Final = re.compile(r"[0-9a-f]{32}")
_POD: Final = re.compile(r"eks-[\w.-]+", re.ASCII)
_ISSUERS: Final[Mapping[str, str]] = {
    "ec2.amazonaws.com": "instance",
    "lambda.amazonaws.com": "function",
    "ecs-tasks.amazonaws.com": "container",
    "ecs.amazonaws.com": "container",
    "pods.eks.amazonaws.com": "container",
    "AWS::EC2::Instance": "instance",
    "AWS::Lambda::Function": "function",
    "AWS::ECS::Task": "container",
    "AWS::EKS::Pod": "container",
}
"""Who assumes a role for a workload, and how `inScopeOf` names what it was issued to."""
_GLOBAL: Final = frozenset(
    {
        *("iam", "sts", "organizations", "cloudfront", "route53", "route53domains", "signin"),
        *("globalaccelerator", "account", "support", "sso-directory", "artifact", "s3"),
    }
)
"""Services whose events say nothing about where a workload is."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`name` is empty, or the id of the instance, the name of the function, the id of the task.
    `by_name`: nothing but the name of the session says so, which whoever opens one chooses."""

    kind: str
    name: str
    region: str
    by_name: bool = False


def workload_of(
    event: Event, opener: Event | None, functions: Mapping[str, Event]
) -> Workload | None:
    """The instance, function or container that a session of a role was issued to, if it is known:
    by what the event says, by the service that assumed the role for it, or by its name where the
    trail does not have who opened it."""
    who = event.get("userIdentity") or {}
    session = at(who, "arn").rpartition("/")[2]
    kind = _ISSUERS.get(at(who, "inScopeOf", "issuerType"), "")
    issued_to = at(who, "inScopeOf", "sourceArn") or at(who, "inScopeOf", "credentialsIssuedTo")
    name = session
    if kind and issued_to.startswith("arn:") and ":role/" not in issued_to:
        name = last_part(issued_to)
    invoker = at(opener, "userIdentity", "invokedBy") if opener is not None else ""
    kind = kind or _ISSUERS.get(invoker, "")
    if not kind and at(who, "sessionContext", "ec2RoleDelivery"):
        kind = "instance"
    if kind or opener is not None:
        return Workload(kind, name, _region(event, opener)) if kind else None
    if session in functions:
        return Workload("function", name, _region(event, functions[session]))
    kind = _kind_by_name(session)
    return Workload(kind, name, _region(event, None), by_name=True) if kind else None


def _kind_by_name(session: str) -> str:
    if _INSTANCE.fullmatch(session):
        return "instance"
    return "container" if _TASK.fullmatch(session) or _POD.fullmatch(session) else ""


def workload_steps(event: Event, workload: Workload) -> Iterator[Step]:
    """How a workload is stopped."""
    account = str(event.get("recipientAccountId") or "")
    name, where = workload.name, "" if workload.region else " in its region"
    words: list[str] | None = None
    match workload.kind:
        case "instance":
            what = (
                f"stop the instance {name}{where}, or put it into a security group without rules: "
                "whoever is on it gets fresh credentials from it"
            )
            if _INSTANCE.fullmatch(name):
                words = ["aws", "ec2", "stop-instances", "--instance-ids", name]
        case "function":
            what = (
                f"stop the function {name}{where}: every new execution of it has fresh credentials"
            )
            if FUNCTION.fullmatch(name) and not name.startswith("-"):
                words = ["aws", "lambda", "put-function-concurrency", "--function-name", name]
                words += ["--reserved-concurrent-executions", "0"]
        case _:
            what = (
                f"stop the container {name}, and what starts it again (the service of ECS, the "
                "deployment of EKS): it gets fresh credentials"
            )
    if workload.by_name:
        what = (
            f"if the session is really of the {workload.kind} {name} (whoever opens a session "
            f"chooses its name, and the trail does not have who did): {what}"
        )
        words = None
    command = in_region(words, workload.region) if words is not None else None
    yield step(event, what, command, account, name)


def certificate_steps(event: Event, opener: Event | None) -> Iterator[Step]:
    """How whoever has a certificate of Roles Anywhere gets no new sessions."""
    account = str(event.get("recipientAccountId") or "")
    serial = at(event, "userIdentity", "arn").rpartition("/")[2]
    for option, member, words in (
        ("profile", "profileArn", "the profile"),
        ("trust-anchor", "trustAnchorArn", "the trust anchor"),
    ):
        named = last_part(at(opener, "requestParameters", member)) if opener is not None else ""
        command = None
        if ID.fullmatch(named):
            made = ["aws", "rolesanywhere", f"disable-{option}", f"--{option}-id", named]
            command = in_region(made, str((opener or event).get("awsRegion") or ""))
        which = f"{words} {named}" if named else f"{words} by which the session was opened"
        what = f"disable {which} of Roles Anywhere: the certificate gets a new session at once"
        yield step(opener or event, what, command, account, named)
    what = (
        f"revoke the certificate with the serial number {serial} at its authority, and import the "
        "revocation list (import-crl) before the anchor is enabled again"
    )
    yield step(event, what, None, account, serial)


def _region(event: Event, opener: Event | None) -> str:
    """Where a workload is: a call to a service that is everywhere does not say it."""
    for each in (opener, event):
        service = str((each or {}).get("eventSource") or "").partition(".")[0]
        if each is not None and (each is opener or service not in _GLOBAL):
            return str(each.get("awsRegion") or "")
    return ""


def functions_of(changes: list[Event]) -> dict[str, Any]:
    """The functions that calls made or changed, by name, each with the call."""
    found: dict[str, Any] = {}
    for event in changes:
        if str(event.get("eventSource") or "").startswith("lambda.") and not failed(event):
            name = at(event, "requestParameters", "functionName")
            if name:
                found[name.rpartition(":")[2]] = event
    return found
