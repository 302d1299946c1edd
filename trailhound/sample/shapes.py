"""The form of a call's record, defined once as data and compiled to a template.

A `Shape` holds `<name>` where a value differs from event to event; `"<#name>"` is a number or raw
JSON. `compile_shape` turns it into text with `%s` and the list of slots to fill, so that an event
costs a few look-ups and one formatting, and no `json.dumps`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from trailhound.sample.sessions import Actor
from trailhound.sample.slots import LEADS, SLOTS, Scene

Json = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class CallError:
    """An error that a call may end with; `share` is the part of that call's events."""

    share: float
    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """One API call's record. `source` is the event source without `.amazonaws.com`."""

    source: str
    name: str
    request: Json = None
    response: Json = None
    additional: Json = None
    details: Json = None
    """`serviceEventDetails`."""
    resources: tuple[tuple[str, str], ...] = ()
    """Type and ARN of each of `resources[]`."""
    read_only: bool = True
    data: bool = False
    event_type: str = "AwsApiCall"
    faults: tuple[CallError, ...] = ()
    shared: bool = False
    """Whether it has a `sharedEventID`, as calls that concern two accounts do."""


VERSIONS = {"sts": "1.08", "signin": "1.08", "kms": "1.11", "s3": "1.11", "ec2": "1.10",
            "iam": "1.10", "lambda": "1.08", "ssm": "1.08", "ecr": "1.09", "ecs": "1.09",
            "rds": "1.09", "sso": "1.08", "elasticloadbalancing": "1.09"}  # fmt: skip
"""`eventVersion` by source, as seen in 2025; the rest write 1.11."""

_GLOBAL_HOSTS = {
    "iam": "iam.amazonaws.com",
    "signin": "signin.aws.amazon.com",
    "organizations": "organizations.us-east-1.amazonaws.com",
    "route53": "route53.amazonaws.com",
    "cloudfront": "cloudfront.amazonaws.com",
}

GLOBAL_SOURCES = frozenset(_GLOBAL_HOSTS)
"""Sources whose events are recorded in the home region alone."""

_SLOT = re.compile(r"<(?!account>|region>)(#?[a-z_0-9]+)>")
_QUOTED_RAW = re.compile(r'"<(#[a-z_0-9]+)>"')
COMMON = ("#identity", "time", "address", "agent", "event_id", "request_id", "#endpoint", "#tail")
"""Slots that every record has, in the order in which the writer gives them."""


@dataclass(frozen=True, slots=True)
class Template:
    """Compiled: `text` is filled with what `order` picks from the common values and those of
    `makers`."""

    text: str
    makers: tuple[Callable[[Scene], str], ...]
    order: Callable[[list[str]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A shape as one kind of caller uses it in one account and region.

    `faults` hold the running sum of shares and the template of each error.
    """

    plain: Template
    fault_share: float
    faults: tuple[tuple[float, Template], ...]


def compile_shape(shape: Shape, actor: Actor) -> Compiled:
    """The templates of a shape, one without error and one for each of its faults.

    `<account>` and `<region>` are still in their text: `bind` fills them.
    """
    faults: list[tuple[float, Template]] = []
    total = 0.0
    for fault in shape.faults:
        total += fault.share
        faults.append((total, _template(record(shape, actor, fault))))
    return Compiled(_template(record(shape, actor, None)), total, tuple(faults))


def bind(compiled: Compiled, account: str, region: str) -> Compiled:
    """The same templates for one account and region."""

    def bound(template: Template) -> Template:
        text = template.text.replace("<account>", account).replace("<region>", region)
        return Template(text, template.makers, template.order)

    faults = tuple((share, bound(template)) for share, template in compiled.faults)
    return Compiled(bound(compiled.plain), compiled.fault_share, faults)


def record(shape: Shape, actor: Actor, fault: CallError | None) -> str:
    """The record's text in CloudTrail's own order of fields, slots still in it."""
    s3 = shape.source == "s3"
    bracketed = s3 and actor.remote
    own_response = {"ConsoleLogin": "Failure"} if shape.name == "ConsoleLogin" else None
    fields: dict[str, Any] = {
        "eventVersion": VERSIONS.get(shape.source, "1.11"),
        "userIdentity": "<#identity>",
        "eventTime": "<time>",
        "eventSource": f"{shape.source}.amazonaws.com",
        "eventName": shape.name,
        "awsRegion": "<region>",
        "sourceIPAddress": "<address>",
        "userAgent": "[<agent>]" if bracketed else "<agent>",
    }
    if fault:
        if fault.code:
            fields["errorCode"] = fault.code
        if fault.message:
            fields["errorMessage"] = fault.message
    fields["requestParameters"] = shape.request
    fields["responseElements"] = own_response if fault else shape.response
    if shape.additional is not None:
        fields["additionalEventData"] = shape.additional
    if shape.event_type == "AwsApiCall":
        fields["requestID"] = "<request_id>" if not s3 else "<s3_request>"
    fields["eventID"] = "<event_id>"
    fields["readOnly"] = shape.read_only
    if shape.resources:
        fields["resources"] = [
            {"accountId": "<account>", "type": kind, "ARN": arn}
            if not arn.startswith("arn:aws:s3:::") or "/" not in arn
            else {"type": kind, "ARN": arn}
            for kind, arn in shape.resources
        ]
    fields["eventType"] = shape.event_type
    fields["managementEvent"] = not shape.data
    fields["recipientAccountId"] = "<account>"
    if shape.shared:
        fields["sharedEventID"] = "<shared_id>"
    if shape.details is not None:
        fields["serviceEventDetails"] = shape.details
    fields["eventCategory"] = "Data" if shape.data else "Management"
    if actor.remote:
        fields["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": _host(shape),
        }
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    # The endpoint comes before the category, what a session adds comes last.
    text = text.replace(',"eventCategory":', '<#endpoint>,"eventCategory":', 1)
    return text[:-1] + "<#tail>}"


def _host(shape: Shape) -> str:
    if shape.source == "s3" and "bucketName" in (shape.request or {}):
        return f"{(shape.request or {})['bucketName']}.s3.<region>.amazonaws.com"
    return _GLOBAL_HOSTS.get(shape.source, f"{shape.source}.<region>.amazonaws.com")


def _template(text: str) -> Template:
    """Cut the text at its slots."""
    text = _QUOTED_RAW.sub(r"<\1>", text)
    parts = _SLOT.split(text.replace("%", "%%"))
    used = parts[1::2]
    own: list[str] = []
    for slot in used:
        name = slot.removeprefix("#")
        lead = LEADS.get(name)
        for needed in (lead, name) if lead else (name,):
            if slot not in COMMON and needed not in own:
                own.append(needed)
    places = {name: index for index, name in enumerate(COMMON)}
    places |= {name: index + len(COMMON) for index, name in enumerate(own)}
    wanted = [places.get(slot, places.get(slot.removeprefix("#"), -1)) for slot in used]
    parts[1::2] = ["%s"] * len(used)
    return Template("".join(parts), tuple(SLOTS[name] for name in own), itemgetter(*wanted))
