"""Each format gives the records that went into it, whole or through the window, gzipped or not."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.reading import ReadLimits
from ingest.reading.recognise import may_be_trail
from tests.unit.ingest.reading.formats import FORMATS, TINY, Reading, Record, compact, gzipped
from tests.unit.ingest.reading.random_events import any_json, events
from trailhound.errors import FileTooLargeError, NotATrailFileError


def _bag(records: list[Record]) -> Counter[str]:
    return Counter(json.dumps(record, sort_keys=True) for record in records)


# To make up records takes twenty times as long as to read them: each example is tried in all forms.
@settings(max_examples=30, deadline=None)
@given(st.lists(events, max_size=6), st.data())
def test_the_records_read_are_those_written(records: list[Record], data: st.DataObject) -> None:
    whole = data.draw(st.booleans(), label="whole")
    zipped = data.draw(st.booleans(), label="gzipped")
    most = data.draw(st.sampled_from([1, 7, 100, 1 << 20]), label="read size")
    for name, (kind, write) in FORMATS.items():
        text = write(records)
        stored = gzipped(text) if zipped else text.encode()

        reading = Reading(stored, None if whole else TINY, most=most)

        assert _bag(reading.records) == _bag(records), name
        assert reading.faults == [], name
        assert reading.positions == list(range(len(records))), name
        assert all(b"\n" not in text and b"\r" not in text for text in reading.texts), name
        assert reading.reader.bytes_in == len(stored), name
        if records:
            assert reading.error is None, name
            assert reading.reader.kind == kind
            assert may_be_trail(stored), name


@given(st.lists(any_json, max_size=8))
def test_records_holds_any_json_and_what_is_no_object_is_a_fault(values: list[Any]) -> None:
    for limits in (ReadLimits(), TINY):
        reading = Reading(compact({"Records": values}).encode(), limits)

        assert reading.error is None
        assert reading.records == [value for value in values if isinstance(value, dict)]
        places = {fault.position: json.loads(fault.raw) for fault in reading.faults}
        assert places == {
            place: value for place, value in enumerate(values) if not isinstance(value, dict)
        }
        assert sorted([*places, *reading.positions]) == list(range(len(values)))
        assert set(reading.reasons) <= {"not_an_object"}


def test_the_usual_file_is_one_chunk() -> None:
    records = [{"eventVersion": "1", "eventID": str(n)} for n in range(3)]
    (chunk,) = Reading(gzipped(compact({"Records": records}))).chunks
    assert chunk.positions == range(3)


def _line(data: bytes, number: int) -> bytes:
    """The first line, or all others."""
    at = data.index(b"\n") + 1
    return data[at:] if number else data[:at]


def _mixed(records: list[Record]) -> bytes:
    first, second, third, fourth = records
    parts: list[object] = [
        first,
        {"Records": [second]},
        {"detail-type": "AWS Service Event via CloudTrail", "detail": third},
        {"CloudTrailEvent": json.dumps(fourth, indent=1)},
    ]
    return "\n".join(map(compact, parts)).encode()


@pytest.mark.parametrize("limits", [ReadLimits(), TINY], ids=["whole", "window"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: b"\n \t\r\n" + data + b"\n\n",
        lambda data: gzipped(b"\xef\xbb\xbf" + data),
        lambda data: gzipped(data[:50]) + gzipped(data[50:]),
        lambda data: gzipped(data) + bytes(700),
        lambda data: gzipped(data[:50]) + bytes(9) + gzipped(data[50:]) + bytes(3),
        lambda data: gzipped(data) + b"padding",
        lambda data: gzipped(b"") + gzipped(data) + gzipped(b""),
        lambda data: gzipped(gzipped(data)),
        lambda data: gzipped(gzipped(gzipped(data)) + gzipped(gzipped(b""))),
        lambda data: gzipped(_line(data, 0)) + _line(data, 1),
        lambda data: gzipped(gzipped(_line(data, 0)) + _line(data, 1)),
        lambda data: gzipped(gzipped(gzipped(_line(data, 0)) + _line(data, 1)) + b"\n\n"),
        lambda data: _line(data, 0) + gzipped(_line(data, 1)),
        lambda data: gzipped(_line(data, 0) + gzipped(_line(data, 1))),
        lambda data: gzipped(gzipped(_line(data, 0)) + gzipped(gzipped(_line(data, 1)))),
        lambda data: gzipped(_line(data, 0)) + b"\n" * 40 + gzipped(gzipped(_line(data, 1))),
        lambda data: gzipped(gzipped(data[:50]) + gzipped(gzipped(data[50:]))),
    ],
)
def test_lines_of_several_shapes_in_several_wrappings(
    wrap: Callable[[bytes], bytes], limits: ReadLimits
) -> None:
    records = [{"eventVersion": "1", "eventID": str(n), "eventTime": "t"} for n in range(4)]
    for most in (1, 13, 1 << 20):
        reading = Reading(wrap(_mixed(records)), limits, most=most)
        assert reading.error is None
        assert reading.records == records


def test_a_file_may_change_its_format_on_the_way() -> None:
    records = [
        {"eventVersion": "1", "eventID": str(n), "eventTime": "t"} for n in range(len(FORMATS))
    ]
    parts = [write([one]) for one, (_, write) in zip(records, FORMATS.values(), strict=True)]
    for limits in (ReadLimits(), TINY):
        reading = Reading("\ufeff".join(parts).encode(), limits)
        assert reading.error is None
        assert reading.faults == []
        assert _bag(reading.records) == _bag(records)


def test_gzip_in_gzip_is_bounded_in_depth_and_in_size() -> None:
    data = compact({"Records": [{"eventVersion": "1"}]}).encode()
    for _ in range(6):
        data = gzipped(data)
    deep = Reading(data)
    assert isinstance(deep.error, NotATrailFileError)
    assert may_be_trail(gzipped(b"") + gzipped(compact({"Records": [{"eventVersion": "1"}]})))
    small = ReadLimits(max_uncompressed=10_000)
    assert isinstance(Reading(gzipped(gzipped(bytes(200_000))), small).error, FileTooLargeError)
    random = gzipped(Random(1).randbytes(200_000))
    assert isinstance(Reading(gzipped(random), small).error, FileTooLargeError)


@pytest.mark.parametrize(
    "text",
    [
        '{"events": [{"a": 1}, {"b": 2}]}',
        '["a", "b"]',
        '[["a", "b"]]',
        "2024-03-01T10:05:00.000Z hello\n2024-03-01T10:05:00.000Z world\n",
        '"hello"',
    ],
)
def test_what_only_looks_like_a_format_is_no_trail_file(text: str) -> None:
    reading = Reading(text.encode())
    assert isinstance(reading.error, NotATrailFileError)
    assert reading.records == []


@pytest.mark.parametrize("limits", [ReadLimits(), TINY], ids=["whole", "window"])
def test_a_row_may_hold_several_records(limits: ReadLimits) -> None:
    records = [{"eventVersion": "1", "eventID": str(n), "eventTime": "t"} for n in range(6)]
    one, two, three, four, five, six = map(json.dumps, records)
    text = compact(
        [
            [one, two],
            ["id", three, [four]],
            {"first": five, "second": [six], "note": "{}", "rest": [1, {}]},
        ]
    )
    reading = Reading(text.encode(), limits)
    assert (reading.error, reading.faults) == (None, [])
    assert reading.records == records


def test_a_record_of_a_row_that_cannot_be_read_is_a_fault_beside_the_others() -> None:
    good = {"eventVersion": "1", "eventID": "1", "eventTime": "t"}
    half = json.dumps(good)[:-5]
    for text in (
        compact([[json.dumps(good), half]]).encode(),
        compact([{"a": json.dumps(good), "b": half}]).encode(),
    ):
        reading = Reading(text)
        assert reading.error is None
        assert reading.records == [good]
        assert len(reading.faults) == 1


def test_what_base64_holds_beside_records_is_a_fault() -> None:
    good = {"eventVersion": "1", "eventID": "1", "eventTime": "t"}
    packed = gzipped(compact({"logEvents": [{"message": compact(good)}]}))
    torn = gzip.compress(Random(7).randbytes(3000))[:-200]
    parts = [packed, torn, b'{"no": "record of CloudTrail at all"}']
    text = compact({"records": [{"data": base64.b64encode(each).decode()} for each in parts]})
    reading = Reading(text.encode())
    assert reading.error is None
    assert reading.records == [good]
    assert [fault.reason.partition(":")[0] for fault in reading.faults] == [
        "broken_json",
        "not_a_record",
    ]
    alone = Reading(compact({"data": base64.b64encode(parts[2]).decode()}).encode())
    assert isinstance(alone.error, NotATrailFileError)


def test_base64_is_read_within_the_limit_and_in_no_other_one() -> None:
    """A small text can hold very much, and hold texts of that kind again."""
    good = {"eventVersion": "1", "eventID": "1", "eventTime": "t", "x": "y" * 5_000}
    packed = base64.b64encode(gzipped(compact(good))).decode()
    lines = "".join(compact({"rawData": packed}) + "\n" for _ in range(4)).encode()
    reading = Reading(lines, ReadLimits(max_uncompressed=3 * len(compact(good))))
    assert reading.records == [good] * 3
    assert len(reading.faults) == 1
    twice = base64.b64encode(compact({"rawData": packed}).encode()).decode()
    assert Reading(compact({"rawData": twice}).encode()).records == []


def test_objects_of_other_services_within_others_are_no_records() -> None:
    noted = {"eventVersion": "2.1", "eventTime": "t", "eventSource": "aws:s3", "eventName": "Put"}
    reading = Reading(compact({"level": "info", "event": {"notes": [noted]}}).encode())
    assert isinstance(reading.error, NotATrailFileError)


@pytest.mark.parametrize(
    "text",
    [
        '"eventJson"\n"{""eventVersion"":""1.08"",""eventTime"":""t""}"\n',
        'eventTime,eventJson\nt,"{""eventVersion"":""1.08""}"\n',
        "Event ID,Event time,User name,Event name\n1,t,ada,ListUsers\n",
        '@timestamp,@message\r\nt,"{""eventVersion"":""1.08""}"\r\n',
    ],
    ids=["Lake, one column", "Lake", "the console", "Logs Insights"],
)
def test_an_export_as_csv_is_named(text: str) -> None:
    assert not may_be_trail(text.encode())
    reading = Reading(gzipped(text))
    assert isinstance(reading.error, NotATrailFileError)
    assert reading.error.kind.startswith("CSV export")


LONG = "y" * 300
"""More than the window of `TINY`."""


@pytest.mark.parametrize("key", ["Records", "Events", "logEvents", "events"])
@pytest.mark.parametrize("items", [[], [{"a": 1}]], ids=["empty", "items"])
@pytest.mark.parametrize("most", [1, 7, 1 << 20])
def test_a_record_with_a_list_of_an_envelopes_name_is_a_record(
    key: str, items: list[Any], most: int
) -> None:
    record = {"eventVersion": "1.08", "eventTime": "2024-01-01T00:00:00Z", key: items, "x": LONG}
    reading = Reading((compact(record) + "\n").encode() * 2, TINY, most=most)
    assert reading.records == [record] * 2
    assert reading.faults == []


@pytest.mark.parametrize("most", [1, 7, 1 << 20])
def test_an_empty_list_first_does_not_make_an_envelope(most: int) -> None:
    record = {"Events": [], "eventVersion": "1.08", "eventTime": "2024-01-01T00:00:00Z", "x": LONG}
    reading = Reading((compact(record) + "\n").encode() * 2, TINY, most=most)
    assert reading.records == [record] * 2
    assert reading.faults == []


def test_a_record_that_was_taken_for_an_envelope_is_a_fault() -> None:
    record = {"Events": [{"a": LONG}], "eventVersion": "1", "eventTime": "2024-01-01T00:00:00Z"}
    reading = Reading(compact(record).encode(), TINY, most=7)
    assert reading.records == []
    assert reading.faults[-1].reason.startswith("not_a_record: a record with records of its own")
    assert reading.faults[-1].raw.startswith(b'{"Events":[')


@pytest.mark.parametrize("key", ["Records", "Events", "events"])
def test_an_empty_list_before_the_one_with_records_is_passed(key: str) -> None:
    text = f'{{"events":[],"{key}":[],"Records":[{compact(RECORD)},{compact(RECORD)}]}}'
    reading = Reading(text.encode(), TINY)
    assert reading.records == [RECORD] * 2
    assert reading.faults == []


RECORD = {"eventVersion": "1.08", "eventTime": "2024-01-01T00:00:00Z", "x": LONG}
