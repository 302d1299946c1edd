"""What a JSON object in a trail file is, by its keys: a record, an envelope, or neither."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ingest.reading.values import REFUSED, Broken, Cut, end_of_value, key_at, skip_space

_LIST = ord("[")
_NO_ITEM = re.compile(rb"\[[ \t\r\n]*+(?:\]|\Z)")

CONTAINERS = {
    "Records": "records",
    "Events": "lookup_events",
    "logEvents": "cloudwatch_logs",
    "events": "filtered_log_events",
}
"""The keys whose lists hold records or envelopes, and the format's name by each."""

# `detail-type` of the EventBridge events that carry a CloudTrail record, which all end so:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
VIA_CLOUDTRAIL = "via CloudTrail"


class Probe(msgspec.Struct, rename={"detail_type": "detail-type", "log_events": "logEvents"}):
    """The keys that distinguish shapes; values are kept as raw text, so that no type is wrong."""

    eventVersion: Raw | UnsetType = UNSET  # noqa: N815
    eventTime: Raw | UnsetType = UNSET  # noqa: N815
    eventID: Raw | UnsetType = UNSET  # noqa: N815
    eventName: Raw | UnsetType = UNSET  # noqa: N815
    eventSource: Raw | UnsetType = UNSET  # noqa: N815
    CloudTrailEvent: Raw | UnsetType = UNSET
    EventId: Raw | UnsetType = UNSET
    detail: Raw | UnsetType = UNSET
    detail_type: Raw | UnsetType = UNSET
    message: Raw | UnsetType = UNSET
    messageType: Raw | UnsetType = UNSET  # noqa: N815
    digestStartTime: Raw | UnsetType = UNSET  # noqa: N815
    class_uid: Raw | UnsetType = UNSET
    configurationItems: Raw | UnsetType = UNSET  # noqa: N815
    Records: Raw | UnsetType = UNSET
    Events: Raw | UnsetType = UNSET
    log_events: Raw | UnsetType = UNSET
    events: Raw | UnsetType = UNSET

    @property
    def is_record(self) -> bool:
        """Whether it has any key that a CloudTrail record has."""
        return not (
            self.eventVersion is UNSET
            and self.eventTime is UNSET
            and self.eventID is UNSET
            and self.eventName is UNSET
            and self.eventSource is UNSET
        )

    @property
    def is_certainly_a_record(self) -> bool:
        """The stricter test, for objects found after damage, which might be parts of a record."""
        return _is_certain(
            time=self.eventTime is not UNSET,
            version=self.eventVersion is not UNSET,
            event_id=self.eventID is not UNSET,
        )

    @property
    def is_envelope(self) -> bool:
        """Whether a record is wrapped in it."""
        return self.CloudTrailEvent is not UNSET or (
            self.detail is not UNSET and self.detail_type is not UNSET
        )

    @property
    def is_container(self) -> bool:
        """Whether it has a key under which records are listed."""
        return not (
            self.Records is UNSET
            and self.Events is UNSET
            and self.log_events is UNSET
            and self.events is UNSET
        )


RECORD_KEYS = frozenset({"eventTime", "eventVersion", "eventID"})
"""The keys that `are_certainly_a_record` checks."""


def are_certainly_a_record(keys: Collection[str]) -> bool:
    """`Probe.is_certainly_a_record` by the keys seen so far.

    >>> are_certainly_a_record({"eventTime", "eventID"}), are_certainly_a_record({"eventTime"})
    (True, False)
    """
    return _is_certain(
        time="eventTime" in keys, version="eventVersion" in keys, event_id="eventID" in keys
    )


def _is_certain(*, time: bool, version: bool, event_id: bool) -> bool:
    """No record is lost: one without `eventTime` could not be indexed by day."""
    return time and (version or event_id)


class NoRecord(Exception):
    """The object holds no record; the message is a code and a sentence."""

    def __init__(self, code: str, sentence: str, raw: bytes = b"") -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.raw = raw


_PROBE = msgspec.json.Decoder(Probe)
_STRING = msgspec.json.Decoder(str)


def probe(text: bytes | Raw) -> Probe:
    """The distinguishing keys of an object that is known to be valid JSON.

    A key with invalid UTF-8 in it makes msgspec refuse the object: the text is then read with
    such bytes replaced, and the values are those of the replaced text.
    """
    try:
        return _PROBE.decode(text)
    except REFUSED:
        return _PROBE.decode(bytes(text).decode("utf-8", "replace").encode())


def lookup_event(found: Probe) -> bytes:
    """The record in one of `lookup-events`' events, which carry it as a string.

    Tools that parse that string in between leave an object, which is taken as well.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Event.html
    """
    return _embedded(found.CloudTrailEvent, "CloudTrailEvent")


def log_event(found: Probe) -> bytes:
    """The record in a log event of CloudWatch Logs, of a subscription or of `filter-log-events`:
    its message, a string.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
    """
    return _embedded(found.message, "message")


def bridge_event(found: Probe) -> bytes:
    """The record in an EventBridge envelope: its `detail`, an object."""
    kind = text_of(found.detail_type)
    detail = b"" if found.detail is UNSET else bytes(found.detail)
    if not kind.endswith(VIA_CLOUDTRAIL) and not (
        detail.startswith(b"{") and probe(detail).is_record
    ):
        raise NoRecord("not_a_record", f"an EventBridge event of type {kind[:80]!r}")
    return detail


def text_of(value: Raw | UnsetType) -> str:
    """A JSON string's text; empty for what is absent or no string."""
    if value is UNSET:
        return ""
    try:
        return _STRING.decode(value)
    except REFUSED:
        return ""


def name_of(text: bytes) -> str:
    """What a JSON value is, for a sentence: `a list`, `null`, …"""
    names = {
        b"{": "an object",
        b"[": "a list",
        b'"': "a string",
        b"n": "null",
        b"t": "a boolean",
        b"f": "a boolean",
    }
    return names.get(text[:1], "a number")


def _embedded(value: Raw | UnsetType, key: str) -> bytes:
    """What a member holds: the text in a string, or an object as it is."""
    if value is UNSET:
        raise NoRecord("no_record_inside", f"{key} is missing")
    raw = bytes(value)
    if raw.startswith(b"{"):
        return raw
    return string_text(raw, key)


def string_text(raw: bytes, key: str) -> bytes:
    """The text that a JSON string holds, with bytes in it that aren't UTF-8 as they were.

    Raises `NoRecord`, naming `key`, where `raw` is no string.
    """
    if not raw.startswith(b'"'):
        raise NoRecord("no_record_inside", f"{key} is {name_of(raw)}, not a string")
    try:
        return _STRING.decode(raw).encode()
    except REFUSED:
        text = json.loads(raw.decode("utf-8", "surrogateescape"))
    try:
        return bytes(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return bytes(text.encode("utf-8", "surrogatepass"))


def leads_to_records(buffer: bytes, at: int, *, cut: bool = False) -> bool:
    """Whether the object at `at` has a container's key with a list, as far as is seen.

    One that is `cut` off by the window could still be a record with a key of that name: the list
    must have an item, and the keys before it be no record's.

    >>> leads_to_records(b'{"a": 1, "Records": [', 0), leads_to_records(b'{"Records": 1}', 0)
    (True, False)
    >>> leads_to_records(b'{"Records": [', 0, cut=True)
    False
    """
    at += 1
    keys = set()
    while True:
        key, at = key_at(buffer, at)
        if key is None or at == len(buffer):
            return False
        if key in RECORD_KEYS:
            keys.add(key)
        if key in CONTAINERS and buffer[at] == _LIST:
            if not cut:
                return True
            if not _NO_ITEM.match(buffer, at):
                return not are_certainly_a_record(keys)
        try:
            at = skip_space(buffer, end_of_value(buffer, at))
        except (Cut, Broken):
            return False
        if buffer[at : at + 1] != b",":
            return False
        at += 1
