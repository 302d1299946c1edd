"""From one element of a trail file to the record in it, by the list that the element stands in."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ingest.reading.chunk_builder import ChunkBuilder
from ingest.reading.sanitize import diagnose, sanitize
from ingest.reading.shapes import (
    NoRecord,
    Probe,
    bridge_event,
    log_event,
    lookup_event,
    name_of,
    probe,
    text_of,
)
from ingest.reading.values import Broken, Cut, balanced_end, end_of_value

CONTROL_MESSAGE = b'"CONTROL_MESSAGE"'

_ENVELOPES: dict[str, Callable[[Probe], bytes]] = {
    "lookup_events": lookup_event,
    "cloudwatch_logs": log_event,
    "eventbridge": bridge_event,
}


class Items:
    """Takes values whose grammar was checked (or, with `broken`, found wanting) into a gathering.

    `strict` is set after damage: then only what is surely a record counts as one.
    """

    def __init__(self, gathering: ChunkBuilder) -> None:
        self.strict = False
        self._gathering = gathering

    def take(self, form: str, text: bytes, found: Probe | None = None, broken: str = "") -> None:
        """One element of a list of this form: a container's name, or `array` or `objects`."""
        clean = text
        if broken:
            if not text.startswith(b"{") or diagnose(text) == "unmendable":
                self._gathering.fault(text, broken)
                return
            clean = sanitize(text)
        if form == "records" and not self.strict:
            if broken:
                self._gathering.suspect(text)
            else:
                self._gathering.record(text)
            return
        if not text.startswith(b"{"):
            self._gathering.fault(
                text, f"not_an_object: {name_of(text)} stands where a record should"
            )
            return
        found = found or probe(clean)
        shape = form if form in _ENVELOPES else self._shape(form, found)
        if shape in _ENVELOPES:
            self._gathering.recognise(shape)
            self._unwrap(text, found, _ENVELOPES[shape])
        elif shape:
            self._gathering.recognise(shape)
            if broken:
                self._gathering.suspect(text)
            else:
                self._gathering.record(text)
        elif not is_control_message(found):
            self._gathering.fault(text, _why_not(found))

    def _shape(self, form: str, found: Probe) -> str:
        if found.is_surely_a_record or (found.is_record and not self.strict):
            return form
        if found.CloudTrailEvent is not msgspec.UNSET:
            return "lookup_events"
        return "eventbridge" if found.is_envelope else ""

    def _unwrap(self, text: bytes, found: Probe, unwrap: Callable[[Probe], bytes]) -> None:
        try:
            inner = unwrap(found).strip()
        except NoRecord as error:
            self._gathering.fault(text, str(error))
            return
        if not inner.startswith(b"{"):
            self._gathering.fault(text, "no_record_inside: the text inside is no JSON object")
            return
        try:
            whole = end_of_value(inner, 0) == len(inner)
            reason = "" if whole else "broken_json: more than one value where a record should be"
        except Cut:
            reason = "broken_json: the record breaks off"
        except Broken as error:
            reason = str(error)
        if not reason:
            self._gathering.record(inner)
        elif balanced_end(inner, 0) == len(inner) and diagnose(inner) != "unmendable":
            self._gathering.suspect(inner)
        else:
            self._gathering.fault(inner, reason)


def is_control_message(found: Probe) -> bool:
    """Whether this is CloudWatch Logs asking if the subscription's destination is there."""
    return text_of(found.messageType) == "CONTROL_MESSAGE"


def _why_not(found: Probe) -> str:
    if found.digestStartTime is not msgspec.UNSET:
        return "digest: a CloudTrail digest file, which vouches for trail files and holds no events"
    for key, value in (
        ("Records", found.Records),
        ("Events", found.Events),
        ("logEvents", found.log_events),
    ):
        if value is not msgspec.UNSET:
            return f"not_a_list: {key} is {name_of(bytes(value))}, not a list"
    return "not_a_record: an object without any key of a CloudTrail record"
