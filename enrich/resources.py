"""What a call touches: `resource.*`, from request, response and `resources[]`."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypedDict
from urllib.parse import unquote

import msgspec

from enrich.arn import arn_parts, known_arns
from enrich.category import service
from enrich.resource_ids import NOT_READ, read_ids
from enrich.resource_paths import TABLE
from enrich.view import RecordView, dumps, part

LEAVES = frozenset(
    (
        "arn",
        "id",
        "bucket",
        "object_key",
        "user",
        "group",
        "role",
        "policy",
        "access_key",
        "instance",
        "image",
        "volume",
        "snapshot",
        "vpc",
        "security_group",
        "function",
        "kms_key",
        "secret",
        "parameter",
        "trail",
        "log_group",
        "database",
        "cluster",
        "repository",
        "hosted_zone",
        "account",
    )
)
MOST_VALUES = 1_000
"""Values kept of a leaf: what the largest batch calls take (TerminateInstances, DeleteObjects).
A leaf that loses any, for their number or length, is named in `resource_incomplete`."""
LONGEST_VALUE = 1_024
"""Characters of a value: the length of an S3 key, the longest of names. A longer one is left out:
cut short it would be the name of something else."""

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""What CloudTrail writes for the user name of a failed sign-in, and for secrets."""
WITHHELD = frozenset({HIDDEN, "***", "****"})
"""What CloudTrail writes for a value that it withholds."""

Found = dict[str, list[str]]
"""Leaves and their values. Of a leaf with many, doubles are dropped when it is written."""
Arns = dict[str, str]
"""The ARNs found, each with the leaf of its path; empty where it was in `resources[]`."""


class Step(NamedTuple):
    """What a key on the path means: a leaf (empty if none), the steps below it, and how the
    value is read where it is not simply the leaf's.
    """

    leaf: str
    below: dict[str, Step]
    read: Callable[[str, Found], None] | None = None


Tree = dict[str, Step]


class Source(NamedTuple):
    """One nested part of a record: its field in the view, the steps in it, and their decoder."""

    field: str
    tree: Tree
    decode: Callable[[msgspec.Raw], Any]


Plan = tuple[Source, ...]
"""What to read for a call; empty for calls that are not in the table."""

_FIELDS = {
    "request": "requestParameters",
    "response": "responseElements",
}
_MANY = 300
"""Values of a leaf that are looked through for doubles: so many are longer than `LONGEST_VALUE`
when written, so `_bounded` always finds doubles past them."""
_NULL = len("null")
_ACCOUNT = re.compile(r"[0-9]{12}")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_plans: dict[tuple[tuple[str, str], ...], Plan] = {}


def plan(source: str, name: str) -> Plan:
    """What to read for the call `name` of the event source `source`; plans are shared by rows."""
    rows = TABLE.get(service(source), {})
    paths: dict[str, str] = {}
    for pattern, row in rows.items():
        if fnmatchcase(name, pattern):
            paths |= {path: leaf for leaf, all_paths in row.items() for path in all_paths.split()}
    key = tuple(paths.items())
    if key not in _plans:
        _plans[key] = _compiled(paths)
    return _plans[key]


def has_ids(source: str) -> bool:
    """Whether ids are looked for by their form in the calls of an event source."""
    return bool(source) and service(source) not in NOT_READ


def resources(view: RecordView, reading: Plan, *, ids: bool = False) -> Found:
    """The leaves and values that a call touches, in order of appearance.

    `ids`: look for ids by their form as well (`resource_ids`).
    """
    found: Found = {}
    arns: Arns = {}
    for field, tree, decode in reading:
        raw = getattr(view, field)
        if len(raw) <= _NULL:  # absent, `{}` or `null`: nothing to decode
            continue
        try:
            body = decode(raw)
        except _UNREADABLE:
            body = part(raw)
            body = _unwrapped(body) if isinstance(body, dict) else None
        else:
            if body is not None and not body:
                body = _inner(raw)
        if body:
            _gather(body, tree, found, arns)
    if ids:
        read_ids(view.requestParameters, view.responseElements, found, arns)
    for item in view.resources or ():
        arn = item.ARN or item.arn
        if arn and arn not in arns and arn[:4] == "arn:":
            arns[arn] = ""
    if not arns:
        return found
    # What the ARNs name; where they only name an `id`, the path knows better what it is.
    for arn, leaf in arns.items():
        for name, text in known_arns.get(arn) or arn_parts(arn):
            if name == "id" and leaf in LEAVES and leaf != "arn":
                name = leaf
            values = found.get(name)
            if values is None:
                found[name] = [text]
            elif len(values) > _MANY or text not in values:
                values.append(text)
    found["arn"] = list(arns)
    return found


def members(found: Found) -> bytes:
    """`"resource":{…},` and, where a leaf had to lose values, `"resource_incomplete":[…],`."""
    if not found:
        return b""
    written = b'"resource":%b,' % dumps(found)
    # All of it is shorter than one value may be: no bound can be passed.
    return written if len(written) <= LONGEST_VALUE else _bounded(found)


def _bounded(found: Found) -> bytes:
    distinct = {leaf: list(dict.fromkeys(values)) for leaf, values in found.items()}
    kept = {
        leaf: [value for value in values if len(value) <= LONGEST_VALUE][:MOST_VALUES]
        for leaf, values in distinct.items()
    }
    lost = [leaf for leaf, values in distinct.items() if len(kept[leaf]) < len(values)]
    kept = {leaf: values for leaf, values in kept.items() if values}
    written = b'"resource":%b,' % dumps(kept) if kept else b""
    return written + b'"resource_incomplete":%b,' % dumps(lost) if lost else written


def _gather(body: dict[str, Any], tree: Tree, found: Found, arns: Arns) -> None:
    """Walks the body along the tree. Of a list, each item is walked, one level deep."""
    for key, value in body.items():
        if not value or key not in tree:
            continue
        leaf, below, read = tree[key]
        if type(value) is str:
            if value[:4] == "arn:":
                arns[value] = leaf
            elif read is not None:
                read(value, found)
            elif leaf and value not in WITHHELD:
                # `_add`, written out: the commonest way through the hottest loop.
                values = found.get(leaf)
                if values is None:
                    found[leaf] = [value]
                elif len(values) > _MANY or value not in values:
                    values.append(value)
        elif type(value) is dict:
            if below:
                _gather(value, below, found, arns)
        elif type(value) is list:
            for item in value:
                if type(item) is dict:
                    if below:
                        _gather(item, below, found, arns)
                elif type(item) is str:
                    _gather({key: item}, tree, found, arns)


def _add(leaf: str, value: str, found: Found) -> None:
    values = found.get(leaf)
    if values is None:
        found[leaf] = [value]
    elif len(values) > _MANY or value not in values:
        values.append(value)


def _inner(raw: msgspec.Raw) -> dict[str, Any] | None:
    """What a wrapped request or response holds; `None` where it is none, or none can be read."""
    written = bytes(raw)
    body = part(raw) if b'Request"' in written or b'Response"' in written else None
    return _unwrapped(body) if isinstance(body, dict) else None


def _unwrapped(body: dict[str, Any]) -> dict[str, Any]:
    """EC2's newer calls put all under one key: `CreateLaunchTemplateRequest`, `…Response`."""
    if len(body) == 1:
        key, inner = next(iter(body.items()))
        if key.endswith(("Request", "Response")) and isinstance(inner, dict):
            return inner
    return body


def _s3_path(value: str, found: Found) -> None:
    """`bucket/key` of a copy's source: URL-encoded, maybe with a slash before and a version."""
    path = unquote(value.partition("?versionId=")[0]).lstrip("/")
    bucket, _, key = path.partition("/")
    if bucket:
        _add("bucket", bucket, found)
    if key:
        _add("object_key", key, found)


def _target(value: str, found: Found) -> None:
    """An account where it is twelve digits, else an id of some kind."""
    _add("account" if _ACCOUNT.fullmatch(value) else "id", value, found)


def _account(value: str, found: Found) -> None:
    """Accounts alone: permissions also name `all` and groups."""
    if _ACCOUNT.fullmatch(value):
        _add("account", value, found)


def _function(value: str, found: Found) -> None:
    """`name` of `name:alias` and of `123456789012:function:name`."""
    _, mark, tail = value.partition(":function:")
    name = (tail if mark else value).partition(":")[0]
    if name:
        _add("function", name, found)


def _hosted_zone(value: str, found: Found) -> None:
    _add("hosted_zone", value.removeprefix("/hostedzone/"), found)


def _machine(value: str, found: Found) -> None:
    """A target of Systems Manager: a machine, else (`ecs:…`) an id. Values of tags are neither."""
    if value.startswith(("i-", "mi-")):
        _add("instance", value, found)
    elif value.startswith("ecs:"):
        _add("id", value, found)


def _unnamed(value: str, found: Found) -> None:
    """A value in the place of an ARN that is none is an id."""
    if value not in WITHHELD:
        _add("id", value, found)


READINGS: dict[str, Callable[[str, Found], None]] = {
    "s3_path": _s3_path,
    "target": _target,
    "account": _account,
    "function": _function,
    "hosted_zone": _hosted_zone,
    "arn": _unnamed,
    "machine": _machine,
}
"""How a value is read that is not simply a leaf's name."""


def _compiled(paths: dict[str, str]) -> Plan:
    roots: Tree = {}
    for path, leaf in paths.items():
        root, *keys = path.split(".")
        tree = roots.setdefault(root, Step("", {})).below
        for key in keys[:-1]:
            tree = tree.setdefault(key, Step("", {})).below
        below = tree[keys[-1]].below if keys[-1] in tree else {}
        tree[keys[-1]] = Step(leaf, below, READINGS.get(leaf))
    return tuple(
        Source(_FIELDS[root], step.below, msgspec.json.Decoder(_shape(step.below) | None).decode)
        for root, step in roots.items()
    )


def _shape(tree: Tree) -> Any:
    """A type that makes the decoder build only what the tree needs and skip the rest."""
    keys: dict[str, Any] = {}
    for key, step in tree.items():
        if step.leaf and step.below:
            keys[key] = Any
        elif step.below:
            inner: Any = _shape(step.below)
            keys[key] = inner | list[inner] | None
        else:
            keys[key] = str | list[str] | None
    return TypedDict("Shape", keys, total=False)  # type: ignore[operator]
