"""Finds the record in an element of a trail file, by the list that contains the element."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

import msgspec

from ingest.reading.chunk_builder import ChunkBuilder
from ingest.reading.sanitize import diagnose, sanitize
from ingest.reading.shapes import (
    VIA_CLOUDTRAIL,
    NoRecord,
    Probe,
    bridge_event,
    log_event,
    lookup_event,
    name_of,
    probe,
    string_text,
    text_of,
)
from ingest.reading.values import (
    REFUSED,
    Broken,
    Cut,
    balanced_end,
    elements,
    end_of_value,
    members,
)

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_HELD_DECODED = 64 * 1024
"""Bytes of an object whose members are decoded at once: millions take a hundred times its size."""
_MOST_WRAPPINGS = 5
_UNREADABLE = (*REFUSED, RecursionError, Broken, Cut)
"""What a value raises that is valid JSON: its nesting is too deep from here on."""
_BROKEN_RECORD = re.compile(rb'\{.{0,4000}?"event(?:Version|Time|Name|Source|ID)"', re.DOTALL)
"""What begins as a record does, where it is no JSON: half of one, say."""
CONTROL_MESSAGE = b'"CONTROL_MESSAGE"'

_ENVELOPES: dict[str, Callable[[Probe], bytes]] = {
    "lookup_events": lookup_event,
    "cloudwatch_logs": log_event,
    "filtered_log_events": log_event,
    "eventbridge": bridge_event,
}


class Items:
    """Takes values whose grammar was checked (or, with `broken`, found invalid) into a builder.

    `strict` is set after damage: then only what is certainly a record counts as one.
    """

    def __init__(self, builder: ChunkBuilder, unpack: Callable[[bytes], bool]) -> None:
        """`unpack` takes what an object carries in base64; False where no record is in it."""
        self.strict = False
        self._builder = builder
        self._unpack = unpack

    def take(self, form: str, text: bytes, found: Probe | None = None, broken: str = "") -> None:
        """One element of a list of this form: a container's name, or `array` or `objects`."""
        clean = text
        if broken:
            if not text.startswith(b"{") or diagnose(text) == "unrepairable":
                self._builder.fault(text, broken)
                return
            clean = sanitize(text)
        if form == "records" and not self.strict:
            if broken:
                self._builder.suspect(text)
            else:
                self._builder.record(text)
            return
        if text[:1] in (b'"', b"[") and not broken and form in ("array", "objects"):
            inner = _records_within(text)
            for each in inner:
                self.take(form, each)
            if not inner:
                self._builder.fault(
                    text, f"not_an_object: {name_of(text)} in the place of a record"
                )
            return
        if not text.startswith(b"{"):
            self._builder.fault(text, f"not_an_object: {name_of(text)} in the place of a record")
            return
        found = found or probe(clean)
        shape = form if form in _ENVELOPES else self._shape(form, found)
        if shape in _ENVELOPES:
            self._unwrap(shape, text, found)
        elif shape:
            self._builder.recognise(shape)
            if broken:
                self._builder.suspect(text)
            else:
                self._builder.record(text)
        elif is_control_message(found):
            return
        elif not broken and form in ("array", "objects") and (inner := _records_in_members(text)):
            for each in inner:
                self.take(form, each)
        elif broken or form not in ("array", "objects") or not self._unpack(text):
            self._builder.fault(text, _why_not(found))

    def _shape(self, form: str, found: Probe) -> str:
        if found.is_certainly_a_record or (found.is_record and not self.strict):
            return form
        if found.CloudTrailEvent is not msgspec.UNSET:
            return "lookup_events"
        if found.is_envelope:
            return "eventbridge"
        # `filter-log-events --query events` leaves the log events without the list's name.
        return "filtered_log_events" if _holds_object(found.message) else ""

    def _unwrap(self, shape: str, text: bytes, found: Probe) -> None:
        if shape != "filtered_log_events":  # `events` is a name that others use as well
            self._builder.recognise(shape)
        try:
            inner = _ENVELOPES[shape](found).strip()
        except NoRecord as error:
            self._builder.fault(text, str(error))
            return
        if not inner.startswith(b"{"):
            self._builder.fault(text, "no_record_inside: the text inside is no JSON object")
            return
        try:
            whole = end_of_value(inner, 0) == len(inner)
            reason = "" if whole else "broken_json: more than one value where a record should be"
        except Cut:
            reason = "broken_json: the record ends early"
        except Broken as error:
            reason = str(error)
        if shape == "filtered_log_events" and not reason and probe(inner).is_record:
            self._builder.recognise("cloudwatch_logs")
        if not reason:
            self._builder.record(inner)
        elif balanced_end(inner, 0) == len(inner) and diagnose(inner) != "unrepairable":
            self._builder.suspect(inner)
        else:
            self._builder.fault(inner, reason)


def _records_within(text: bytes, depth: int = 0) -> list[bytes]:
    """The records in a string or in a row, as `lookup-events --query` gives them.

    `Events[].CloudTrailEvent` is a list of strings, `Events[].[EventId, CloudTrailEvent]` a list of
    rows with one such string in each, `Events[*].CloudTrailEvent` of several pages rows with many.
    A record in them that cannot be read is among them as it is, so that it is not lost.
    """
    if text.startswith(b'"'):
        inner = string_text(text, "").strip()
        with suppress(Cut, Broken):
            if inner[:1] in (b"{", b'"') and end_of_value(inner, 0) == len(inner):
                return [inner] if inner.startswith(b"{") else _deeper(inner, depth)
        return [text] if depth and _BROKEN_RECORD.match(inner) else []
    if text.startswith(b"["):
        with suppress(*_UNREADABLE):
            return [inner for each in elements(text) for inner in _deeper(each, depth)]
        return []
    if not depth or not text.startswith(b"{"):
        return []
    return [text] if _is_one(probe(text)) else _in_each_member(text, depth)


def _records_in_members(text: bytes) -> list[bytes]:
    """The records that members hold as strings, as `lookup-events --query` gives them under names
    of the user's choice (`Events[].{time: EventTime, event: CloudTrailEvent}`), or in lists
    (`{events: Events[].CloudTrailEvent}`), or deeper, as `get-query-results` of CloudTrail Lake and
    of Logs Insights gives rows of columns.
    """
    return [
        each
        for each in _in_each_member(text, 0)
        if each[:1] == b'"' or _is_certainly_cloudtrails(probe(each))
    ]


def _in_each_member(text: bytes, depth: int) -> list[bytes]:
    with suppress(*_UNREADABLE):
        if len(text) > _HELD_DECODED:
            return [inner for each in members(text) for inner in _deeper(each, depth)]
        held = map(bytes, _OBJECT.decode(text).values())
        return [inner for each in held if each[:1] in b'"[{' for inner in _deeper(each, depth)]
    return []


def _deeper(text: bytes, depth: int) -> list[bytes]:
    return _records_within(text, depth + 1) if depth < _MOST_WRAPPINGS else []


def _is_one(found: Probe) -> bool:
    return found.is_record or found.is_envelope


def _is_certainly_cloudtrails(found: Probe) -> bool:
    """Services name members of their own events so too (`aws:s3`); logs hold many of those."""
    if text_of(found.detail_type).endswith(VIA_CLOUDTRAIL):
        return True
    return found.is_certainly_a_record and not text_of(found.eventSource).startswith("aws:")


def _holds_object(value: msgspec.Raw | msgspec.UnsetType) -> bool:
    return value is not msgspec.UNSET and text_of(value).lstrip().startswith("{")


def is_control_message(found: Probe) -> bool:
    """Whether this is CloudWatch Logs asking if the subscription's destination is there."""
    return text_of(found.messageType) == "CONTROL_MESSAGE"


def _why_not(found: Probe) -> str:
    if found.digestStartTime is not msgspec.UNSET:
        return "digest: a CloudTrail digest file, which holds hashes of trail files and no events"
    if found.class_uid is not msgspec.UNSET:
        return "ocsf: an OCSF event, as Security Lake writes them; CloudTrail's own files are read"
    if found.configurationItems is not msgspec.UNSET:
        return "config: a history or snapshot file of AWS Config, which holds no events"
    for key, value in (
        ("Records", found.Records),
        ("Events", found.Events),
        ("logEvents", found.log_events),
    ):
        if value is not msgspec.UNSET:
            return f"not_a_list: {key} is {name_of(bytes(value))}, not a list"
    return "not_a_record: an object without any key of a CloudTrail record"
