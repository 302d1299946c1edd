"""Damage at any place: what lies wholly before it is read, and nothing that wasn't there."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from ingest.reading import ReadLimits
from ingest.reading.values import balance, balanced_end
from tests.unit.ingest.reading.formats import FORMATS, TINY, Reading, Record, compact, gzipped
from tests.unit.ingest.reading.random_events import events
from trailhound.errors import CorruptFileError, NotATrailFileError, TrailFileError

BOTH = {"whole": ReadLimits(), "window": TINY}
LIMITS = pytest.mark.parametrize("limits", BOTH.values(), ids=BOTH)
WRITTEN_AS_TEXT = ["records", "records spaced", "records pretty", "lines", "array", "concatenated"]
_records = st.lists(events, min_size=1, max_size=6)


def _canonical(record: Any) -> str:
    return json.dumps(record, sort_keys=True)


def _spans(text: bytes, records: list[Record]) -> list[tuple[int, int]]:
    """Where each record begins and ends, found by the standard library's decoder."""
    decoder = json.JSONDecoder()
    whole = text.decode()
    at = whole.find("[") + 1 if whole.startswith(('{"Records"', '{\n  "Records"', "[")) else 0
    spans = []
    for _ in records:
        start = whole.index("{", at)
        _, at = decoder.raw_decode(whole, start)
        spans.append((len(whole[:start].encode()), len(whole[:at].encode())))
    return spans


# To make up records takes twenty times as long as to read them: each example is tried in all forms.
@given(records=_records, data=st.data())
def test_a_text_cut_off_gives_all_records_before_the_cut(
    records: list[Record], data: st.DataObject
) -> None:
    for name in WRITTEN_AS_TEXT:
        text = FORMATS[name][1](records).encode()
        cut = data.draw(st.integers(0, len(text)), label=f"cut of {name}")
        whole = [
            record
            for record, (_, end) in zip(records, _spans(text, records), strict=True)
            if end <= cut
        ]
        for way, limits in BOTH.items():
            reading = Reading(text[:cut], limits)
            assert reading.records == whole, (name, way)
            assert reading.faults == [], (name, way)


@given(records=_records, data=st.data())
def test_a_byte_changed_costs_the_record_it_is_in_at_most(
    records: list[Record], data: st.DataObject
) -> None:
    for name in WRITTEN_AS_TEXT:
        text = FORMATS[name][1](records).encode()
        spans = _spans(text, records)
        place = data.draw(st.integers(spans[0][0], len(text) - 1), label=f"place in {name}")
        byte = data.draw(st.sampled_from(list(b'{}[]",:\\ \n0x\x00\xff')) | st.integers(0, 255))
        damaged = text[:place] + bytes([byte]) + text[place + 1 :]
        for way, limits in BOTH.items():
            note(f"{name}, {way}")
            _costs_one_record_at_most(Reading(damaged, limits), text, records, place)


def _costs_one_record_at_most(
    reading: Reading, text: bytes, records: list[Record], place: int
) -> None:
    spans = _spans(text, records)
    before = [record for record, (_, end) in zip(records, spans, strict=True) if end <= place]
    read = reading.texts
    known = {_canonical(record) for record in records}
    assert [json.loads(one) for one in read[: len(before)]] == before
    suspect = [one for one, _ in reading.suspects]
    foreign = [one for one in read if one in suspect or _canonical(json.loads(one)) not in known]
    # One byte can turn 1 into 2, or one record with a list of objects into two records, and nobody
    # can tell: but all of it is of the record that holds the byte.
    around = [text[start:end] for start, end in spans if start <= place < end]
    assert bool(around) or not foreign
    assert sum(len(one) for one in foreign) <= sum(len(one) for one in around)


@LIMITS
def test_a_byte_can_divide_a_record_in_two_and_no_more(limits: ReadLimits) -> None:
    reading = Reading(b'{"Records":[{"x":[]},{}]},{"y":1}]}', limits)  # was [{"x":[{},{}]},{"y":1}]

    assert reading.records == [{"x": []}, {}]
    assert [fault.raw for fault in reading.faults] == [b',{"y":1}]}']


@given(records=_records, data=st.data())
def test_gzip_cut_off_gives_all_records_that_still_inflate(
    records: list[Record], data: st.DataObject
) -> None:
    stored = gzipped(compact({"Records": records}))
    cut = data.draw(st.integers(2, len(stored) - 1))
    left = zlib.decompressobj(31).decompress(stored[:cut])
    text = compact({"Records": records}).encode()
    whole = [
        record
        for record, (_, end) in zip(records, _spans(text, records), strict=True)
        if end <= len(left)
    ]
    most = data.draw(st.sampled_from([1, 50, 1 << 20]))

    for way, limits in BOTH.items():
        reading = Reading(stored[:cut], limits, most=most)
        assert isinstance(reading.error, CorruptFileError), way
        assert reading.records == whole, way
        assert reading.faults == [], way


@given(records=_records, data=st.data())
def test_gzip_with_a_byte_changed_keeps_what_lies_before_and_says_so(
    records: list[Record], data: st.DataObject
) -> None:
    text = compact({"Records": records}).encode()
    first, rest = gzipped(text[: len(text) // 2]), gzipped(text[len(text) // 2 :])
    place = data.draw(st.integers(len(first), len(first + rest) - 1))
    byte = data.draw(st.integers(0, 255))
    stored = (first + rest)[:place] + bytes([byte]) + (first + rest)[place + 1 :]
    before = [
        record
        for record, (_, end) in zip(records, _spans(text, records), strict=True)
        if end <= len(text) // 2
    ]

    for way, limits in BOTH.items():
        reading = Reading(stored, limits)
        if reading.error is None:
            # Header fields such as the time, or no change at all.
            assert reading.records == records, way
            continue
        assert isinstance(reading.error, TrailFileError), way
        assert [json.loads(one) for one in reading.texts[: len(before)]] == before, way
        if limits is not TINY:
            assert all(chunk.doubtful for chunk in reading.chunks)


@LIMITS
@given(
    st.binary(max_size=200)
    | st.builds(gzipped, st.binary(max_size=200))
    | st.builds(b"\x1f\x8b\x08".__add__, st.binary(max_size=100))
    | st.lists(
        st.sampled_from(
            [
                b'{"Records":[',
                b"{",
                b"}",
                b"[",
                b"]",
                b",",
                b'"',
                b"\\",
                b"1",
                b"NaN",
                b"\n",
                b"\xff",
                b'{"eventVersion":"1","eventTime":"t"}',
                b'"logEvents":[',
                b'"message":',
                b'"Events":',
                b'"CloudTrailEvent":"{}"',
                b'"detail":{}',
                b'"detail-type":',
                b":",
                b"\\u12",
                b"\\ud800",
            ]
        ),
        max_size=30,
    ).map(b"".join)
)
def test_any_bytes_end_in_records_or_in_an_error_of_ours(limits: ReadLimits, data: bytes) -> None:
    reading = Reading(data, limits)

    for text in reading.texts:
        assert text.startswith(b"{")
        assert b"\n" not in text
        assert b"\r" not in text
    positions = sorted([*reading.positions, *(fault.position for fault in reading.faults)])
    assert positions == list(range(len(positions)))
    if reading.error is not None:
        assert "a-file" in str(reading.error)
        assert reading.error.hint


@LIMITS
def test_after_a_broken_record_the_rest_is_read(limits: ReadLimits) -> None:
    good = [{"eventVersion": "1", "eventTime": "t", "eventID": str(n)} for n in range(6)]
    texts = [compact(one) for one in good]
    texts[1] = texts[1][:-1] + ',"x":01}'
    texts[3] = texts[3][:-1]  # its closing brace is missing
    for write in ('{"Records":[%s]}', "[%s]", '{"a":[{}],"Records":[%s],"b":2}'):
        reading = Reading((write % ",".join(texts)).encode(), limits)
        assert reading.records == [good[0], good[2], good[4], good[5]]
        assert reading.reasons == ["broken_json", "broken_json"]
        assert [fault.raw.decode() for fault in reading.faults] == [texts[1], texts[3]]
        assert reading.positions == [0, 2, 4, 5]
        assert isinstance(reading.error, CorruptFileError)


@LIMITS
def test_a_bad_line_costs_that_line(limits: ReadLimits) -> None:
    good = [{"eventVersion": "1", "eventTime": "t", "eventID": str(n)} for n in range(5)]
    lines = [compact(one) for one in good]
    lines[1] = lines[1][:-9]
    lines[3] = "a line of a log"
    reading = Reading("\n".join(lines).encode(), limits)
    assert reading.records == [good[0], good[2], good[4]]
    assert [fault.raw.decode() for fault in reading.faults] == [lines[1], lines[3]]


@LIMITS
def test_parts_of_a_broken_record_are_no_records(limits: ReadLimits) -> None:
    inner = {"items": [{"eventName": "x"}, {"eventTime": "x"}, {"eventID": "x"}, {}]}
    good = {"eventVersion": "1", "eventTime": "t", "eventID": "1"}
    broken = '{"eventVersion":"1",,"requestParameters":' + compact(inner)
    broken += ',"eventTime":"t"'
    reading = Reading(f'{{"Records":[{broken},{compact(good)}]}}'.encode(), limits)
    assert reading.records == [good]
    assert reading.reasons == ["broken_json"]


def test_a_wrong_checksum_is_told_with_the_records() -> None:
    good = {"eventVersion": "1", "eventTime": "t", "eventID": "1"}
    stored = bytearray(gzipped(compact({"Records": [good]})))
    stored[-6] ^= 1
    reading = Reading(bytes(stored))
    assert reading.records == [good]
    assert isinstance(reading.error, CorruptFileError)
    assert [chunk.doubtful for chunk in reading.chunks] == [True]


def test_a_second_member_that_is_none_is_told() -> None:
    good = {"eventVersion": "1", "eventTime": "t", "eventID": "1"}
    reading = Reading(gzipped(compact({"Records": [good]})) + b"\x1e\x8b" + b"x" * 40)
    assert reading.records == [good]
    assert isinstance(reading.error, CorruptFileError)


def test_hostile_nesting_of_candidates_takes_linear_work() -> None:
    text = b'{"Records":[{"eventVersion"' + b',{"a":[{"b":1}' * 200_000
    reading = Reading(text)
    assert reading.records == []
    assert isinstance(reading.error, CorruptFileError | NotATrailFileError)


@pytest.mark.parametrize("opened", [b",[", b',{"a":[', b',{"a":'])
def test_values_that_are_never_closed_take_linear_work(opened: bytes) -> None:
    """Past some thousand levels each is broken; to follow each to the end would take a minute."""
    good = compact({"eventVersion": "1", "eventTime": "t", "eventID": "1"}).encode()
    reading = Reading(b'{"Records":[' + (good + opened) * 8_000)
    assert isinstance(reading.error, TrailFileError)
    assert good.decode() in map(compact, reading.records)


@pytest.mark.parametrize("lost", [b'{ "NaN', b'"{"x":[1,2[["', b'{"logEvents":[{"message":"{"'])
def test_lost_quotes_by_the_thousand_take_linear_work(lost: bytes) -> None:
    """Each turns texts into structure and structure into texts up to the end of the content."""
    good = compact({"eventVersion": "1", "eventTime": "t", "eventID": "1"}).encode()
    reading = Reading(b'{"Records":[' + (good + lost) * 4_000)
    assert isinstance(reading.error, TrailFileError)
    assert good.decode() in map(compact, reading.records)


def test_a_dozen_lost_quotes_lose_no_more_than_what_lies_between_two() -> None:
    """From one to the next, texts are structure; after the next, all is read again."""
    good = compact({"eventVersion": "1", "eventTime": "t", "eventID": "1"})
    part = ",".join([good] * 400 + [good.replace('"t"', '"t')] + [good] * 3)
    reading = Reading(f'{{"Records":[{",".join([part] * 12)}]}}'.encode())
    assert len(reading.records) == 6 * (400 + 3)


@given(st.lists(st.sampled_from([*"[]{}", '"', "\\", ",", "1", '"a":', "[1]"]), max_size=30))
def test_what_is_open_in_a_value_without_an_end_has_none_either(parts: list[str]) -> None:
    text = b"[" + "".join(parts).encode()
    end, opened = balance(text, 0)
    assert end == balanced_end(text, 0)
    if not end:
        assert {balanced_end(text, at) for at in opened} == {end}


@pytest.mark.parametrize("first", list(b'{["2\0 '))
def test_a_member_whose_first_byte_was_changed_is_damage(first: int) -> None:
    text = compact({"Records": [{"eventVersion": "1", "eventTime": "2024-01-01T00:00:00Z"}]})
    one, other = gzipped(text.encode()), gzipped(text.encode())
    reading = Reading(one + bytes([first]) + other[1:])
    assert len(reading.records) == 1
    assert isinstance(reading.error, TrailFileError)
    assert all(chunk.doubtful for chunk in reading.chunks)
