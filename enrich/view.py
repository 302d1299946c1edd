"""The slice of a CloudTrail record that enrichment reads, and how it is decoded.

The fast way is one typed decode that skips what is not needed and leaves the nested parts as raw
bytes. What does not fit (`eventName: {}`, lone surrogates, invalid UTF-8, NaN) goes the lenient
way: a wrongly typed field counts as absent, an unreadable character as U+FFFD.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from trailhound.errors import RecordError

ABSENT = msgspec.Raw()
"""What a nested part is when the record has none: `view.requestParameters is ABSENT`."""


class Caller(msgspec.Struct, gc=False):
    """The part of `userIdentity` that identifies who acted."""

    type: str | None = None
    principalId: str | None = None  # noqa: N815 - CloudTrail's own names, in its order
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815
    sessionContext: msgspec.Raw = ABSENT  # noqa: N815
    invokedBy: str | None = None  # noqa: N815
    credentialId: str | None = None  # noqa: N815
    onBehalfOf: msgspec.Raw = ABSENT  # noqa: N815


class Reference(msgspec.Struct, gc=False):
    """One of `resources[]`. Some services spell the name small."""

    ARN: str | None = None
    arn: str | None = None


class RecordView(msgspec.Struct, gc=False):
    """A record's fields as enrichment needs them; `None` and `ABSENT` stand for no such field.

    `eventTime` is a number in some re-exports, `errorCode` an HTTP status of some services.
    Nested parts are raw JSON, `null` included.
    """

    eventID: str | None = None  # noqa: N815 - CloudTrail's own names
    eventTime: str | int | float | None = None  # noqa: N815
    eventSource: str | None = None  # noqa: N815
    eventName: str | None = None  # noqa: N815
    eventType: str | None = None  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    sourceIPAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    errorCode: str | int | float | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    userIdentity: Caller | None = None  # noqa: N815
    requestParameters: msgspec.Raw = ABSENT  # noqa: N815
    responseElements: msgspec.Raw = ABSENT  # noqa: N815
    additionalEventData: msgspec.Raw = ABSENT  # noqa: N815
    serviceEventDetails: msgspec.Raw = ABSENT  # noqa: N815
    resources: list[Reference] | None = None


FREE_FORM = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")
"""The free-form objects of a view that are each below a name of its own."""


def is_flat(view: RecordView) -> bool:
    """Whether certainly none of its free-form objects holds an object, at any depth.

    Looks for braces alone: a text that holds one (a policy document) counts as an object.

    >>> is_flat(view_of(b'{"requestParameters":{"a":[1,"x"]},"responseElements":null}'))
    True
    >>> is_flat(view_of(b'{"requestParameters":{"a":[{"b":1}]}}'))
    False
    """
    return not (
        bytes(view.requestParameters).rfind(b"{") > 0
        or bytes(view.responseElements).rfind(b"{") > 0
        or bytes(view.additionalEventData).rfind(b"{") > 0
        or bytes(view.serviceEventDetails).rfind(b"{") > 0
    )


view_decoder: msgspec.json.Decoder[RecordView] = msgspec.json.Decoder(RecordView)
"""One record; raises on any mismatch. `view_of` is the lenient way round it."""

_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_TEXT = str | None


def _named(shape: type[msgspec.Struct], kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(shape) if field.type == kind)


_FIELDS: dict[type[msgspec.Struct], tuple[tuple[str, ...], tuple[str, ...]]] = {
    shape: (_named(shape, _TEXT), _named(shape, msgspec.Raw))
    for shape in (RecordView, Caller, Reference)
}


def view_of(raw: bytes | bytearray | memoryview | msgspec.Raw) -> RecordView:
    """The view of one record's JSON.

    Raises `RecordError` (reason `not_an_object`) only where it is no JSON object, or nested too
    deep to be read.
    """
    try:
        return view_decoder.decode(raw)
    except _FAULTS:
        return view_from(_object(bytes(raw)))


def view_from(record: Mapping[str, Any]) -> RecordView:
    """The view of a decoded record: fields of the wrong type count as absent."""
    found = _fitting(RecordView, record)
    identity = record.get("userIdentity")
    if isinstance(identity, Mapping):
        found["userIdentity"] = Caller(**_fitting(Caller, identity))
    references = record.get("resources")
    if isinstance(references, list):
        found["resources"] = [
            Reference(**_fitting(Reference, item))
            for item in references
            if isinstance(item, Mapping)
        ]
    for name in ("eventTime", "errorCode"):
        value = record.get(name)
        if isinstance(value, str):
            found[name] = clean(value)
        elif isinstance(value, float) and not math.isfinite(value) and name == "errorCode":
            continue  # as where it is read from text: no number that JSON can hold
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = value
    return RecordView(**found)


def _fitting(shape: type[msgspec.Struct], body: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of a shape that are texts, and its nested parts as raw JSON."""
    texts, parts = _FIELDS[shape]
    found: dict[str, Any] = {
        name: clean(body[name]) for name in texts if isinstance(body.get(name), str)
    }
    return found | {name: _raw(body[name]) for name in parts if name in body}


def clean(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 can hold, as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def loads(data: bytes) -> Any:
    """JSON, read leniently: lone surrogates and invalid UTF-8 pass, NaN and numbers past any
    range are `None`. Raises `ValueError` or `RecursionError`.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data.decode("utf-8", "replace")
        return json.loads(
            text, parse_constant=lambda _: None, parse_float=_float, parse_int=_int, strict=False
        )


def dumps(value: Any) -> bytes:
    """JSON of a value that came out of a record: lone surrogates and huge integers pass.

    Raises `TypeError`, `ValueError` or `RecursionError` for what no record can hold.
    """
    try:
        return orjson.dumps(value)
    except TypeError:  # surrogates, integers over 64 bits, depth
        return clean(json.dumps(value, ensure_ascii=False)).encode()


def part(raw: msgspec.Raw) -> Any:
    """A nested part of a view, decoded; `None` where it is absent or cannot be read."""
    if raw is ABSENT:
        return None
    try:
        return loads(bytes(raw))
    except (ValueError, RecursionError):
        return None


def _object(data: bytes) -> dict[str, Any]:
    try:
        record = loads(data)
    except RecursionError:
        raise RecordError(
            "the record is nested too deep to be read",
            hint="look at the raw record in the dead letters",
            reason="too_deep",
        ) from None
    except ValueError as error:
        raise RecordError(
            f"the record is not JSON: {error}",
            hint="look at the raw record in the dead letters",
            reason="not_an_object",
        ) from None
    if not isinstance(record, dict):
        raise RecordError(
            f"the record is a JSON {type(record).__name__}, not an object",
            hint="look at the raw record in the dead letters",
            reason="not_an_object",
        )
    return record


def _raw(value: Any) -> msgspec.Raw:
    try:
        return msgspec.Raw(dumps(value))
    except (TypeError, ValueError, RecursionError):
        return ABSENT


def _float(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _int(text: str) -> int | None:
    return int(text) if len(text) < 4300 else None  # Python's own limit on int(text)
