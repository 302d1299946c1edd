"""One thing that a call leaves behind: its object, whom it lets in, and what takes it away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

NAME: Final = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
"""What AWS allows as the name of a user, role, group or policy."""
ARN: Final = re.compile(
    r"arn:aws[a-z-]*:[a-z0-9-]{2,40}:[a-z0-9-]{0,30}:(\d{12}|aws|):[\w+=,.@:/-]{1,512}", re.ASCII
)
KEY: Final = re.compile(r"[A-Z0-9]{16,128}")
"""What the id of an access key looks like, and of what else IAM makes for a user."""
ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)
ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII)
"""An id that a service makes, or a name that can't be taken for an option or a file."""
REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")


def _named(service: str, kind: str, name: str) -> re.Pattern[str]:
    """The name of something, or its ARN."""
    return re.compile(rf"(arn:aws[a-z-]*:{service}:[a-z0-9-]+:\d{{12}}:{kind})?{name}", re.ASCII)


FUNCTION: Final = _named("lambda", "function:", r"[\w-]{1,64}")
LAYER: Final = _named("lambda", "layer:", r"[\w-]{1,140}")
TRAIL: Final = _named("cloudtrail", "(trail|eventdatastore)/", r"[\w.-]{3,128}")
KMS_KEY: Final = _named("kms", "key/", r"(mrk-)?[0-9a-f-]{32,36}")
SNAPSHOT: Final = _named("rds", "(cluster-)?snapshot:", r"(rds:)?[A-Za-z][\w-]{0,254}")
TASK: Final = _named("ecs", "(task|task-definition|cluster)/", r"[\w:/-]{1,300}")
BUCKET: Final = re.compile(r"[A-Za-z0-9][\w.-]{2,254}", re.ASCII)
EC2: Final = re.compile(r"[a-z]{1,10}(-[a-z]{1,10}){0,2}-[0-9a-f]{8,17}")
PATH: Final = re.compile(r"/?[\w.#-][\w./#-]{0,511}", re.ASCII)
"""The name of a group of logs, or a parameter. None has a colon, so none is read as `file://`."""

_MEMBERS: Final = {"request": "requestParameters", "response": "responseElements"}


@dataclass(frozen=True, slots=True)
class Value:
    """`paths`: where a call's record has it, the first that is there counts; as in
    `enrich.resource_paths` they begin with `request.` or `response.`. `form`: what AWS allows."""

    paths: str
    form: re.Pattern[str] = NAME


@dataclass(frozen=True, slots=True)
class Undo:
    """`{0}` of `what` and `command` is the first of `values`, and the thing that it is about, whose
    kind is `thing`. Without a `command` none is safe that follows from the event alone: `what` says
    what to do. `outsider`: paths of whom it lets in or gives to, beside those of its policies, and
    `way` how. `only`: a path and the value there without which the call leaves nothing of the kind;
    `fallback`: it counts only where no row before it of the same call does.

    `first`: it is about credentials or logging; `last`: only once its rights are gone can it be
    removed."""

    thing: str
    what: str
    values: tuple[Value, ...] = ()
    command: str = ""
    outsider: str = ""
    way: str = "it lets in"
    only: tuple[str, str] = ("", "")
    fallback: bool = False
    regional: bool = True
    first: bool = False
    last: bool = False


def on_bus(what: str, values: tuple[Value, ...], command: str, **more: Any) -> tuple[Undo, ...]:
    """About a rule of an event bus: of the default one, where the request names none. `more`: of
    `Undo`."""
    on_default = Undo("rule", what, values, command, **more, fallback=True)
    named = f"{command} --event-bus-name {{{len(values)}}}"
    return (
        replace(on_default, values=(*values, BUS), command=named, fallback=False),
        on_default,
    )


Rows = Mapping[tuple[str, str], tuple[Undo, ...]]
"""By service (the beginning of `eventSource`) and call; all that apply are left by it."""

USER: Final = Value("request.userName")
ROLE: Final = Value("request.roleName")
BUS: Final = Value(
    "request.eventBusName",
    re.compile(
        r"(arn:aws[a-z-]*:events:[a-z0-9-]+:\d{12}:event-bus/)?[A-Za-z0-9_][\w./-]{0,255}", re.ASCII
    ),
)
GROUP: Final = Value("request.groupName")
POLICY_ARN: Final = Value("request.policyArn", ARN)
POLICY: Final = Value("request.policyName")


def values_at(event: Mapping[str, Any], paths: str) -> list[str]:
    """The texts and numbers at the first path that has any; lists are gone through.

    >>> values_at({"requestParameters": {"a": {"items": [{"id": "x"}, {"id": 1}, {}]}}},
    ...     "response.a request.a.items.id")
    ['x', '1']
    """
    for path in paths.split():
        top, *parts = path.split(".")
        found: list[Any] = [event]
        for part in (_MEMBERS.get(top, top), *parts):
            inner = (each.get(part) for each in found if isinstance(each, Mapping))
            found = list(
                chain.from_iterable(each if isinstance(each, list) else [each] for each in inner)
            )
        texts = [_text(each) for each in found]
        if texts := [each for each in texts if each]:
            return texts
    return []


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else ""


def applies(undo: Undo, event: Mapping[str, Any]) -> bool:
    """Whether a call left a thing of this kind."""
    path, value = undo.only
    return not path or value in values_at(event, path)
