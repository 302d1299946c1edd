"""Files that are no trail, too large, or hold what no record should: each ends in a reason."""

from __future__ import annotations

import io
import json
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from ingest.reading import ReadLimits, TrailReader, sanitize
from ingest.reading.chunk import FAULT_RAW
from tests.unit.ingest.reading.formats import TINY, Reading, compact, gzipped
from trailhound.errors import CorruptFileError, FileTooLargeError, NotATrailFileError

LIMITS = pytest.mark.parametrize("limits", [ReadLimits(), TINY], ids=["whole", "window"])
GOOD = {"eventVersion": "1", "eventTime": "t", "eventID": "1"}
TEXT = compact(GOOD)
MIB = 1024 * 1024

NO_TRAILS = {
    "empty": (b"", "empty"),
    "gzip of nothing": (gzipped(b""), "empty"),
    "blanks": (b" \n\t\r\n ", "empty"),
    "a number": (b"42", "a number"),
    "text": (b"not gzip, not JSON", "broken_json"),
    "HTML": (b"<html><body>403</body></html>", "broken_json"),
    "Records missing": (b"{}", "not_a_record"),
    "Records null": (b'{"Records":null}', "Records is null"),
    "Records no list": (b'{"Records":{"a":[{}]}}', "Records is an object"),
    "another kind of JSON": (b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}', "not_a"),
    "a list of strings": (b'["a","b"]', "a string"),
    "a digest": (b'{"awsAccountId":"1","digestStartTime":"t","logFiles":[]}', "digest"),
    "UTF-16": ('\ufeff{"Records":[]}'.encode("utf-16-le"), "UTF-16"),
    "UTF-16 unmarked": ('{"Records":[]}'.encode("utf-16-le"), "UTF-16"),
    "zip": (b"PK\x03\x04" + bytes(30), "zip"),
    "zstandard": (b"\x28\xb5\x2f\xfd" + bytes(30), "zstandard"),
}


@LIMITS
@pytest.mark.parametrize("name", NO_TRAILS)
def test_what_is_no_trail_is_refused_with_the_reason(name: str, limits: ReadLimits) -> None:
    data, reason = NO_TRAILS[name]
    reading = Reading(data, limits)
    assert isinstance(reading.error, NotATrailFileError)
    assert reason in str(reading.error)
    assert reading.error.hint
    assert reading.texts == []
    assert reading.faults == []


@LIMITS
def test_no_records_is_a_trail(limits: ReadLimits) -> None:
    for data in (b'{"Records":[]}', b'{ "Records" : [ ] }\n', gzipped('{"Records":[]}')):
        reading = Reading(data, limits)
        assert reading.error is None
        assert reading.texts == []
        assert reading.reader.kind == "records"


@LIMITS
def test_only_a_wrapper_breaks_off(limits: ReadLimits) -> None:
    for data in (b'{"Records":[', b'{"Records":[' + TEXT.encode(), b'{"Rec', b"[", b'{"Records"'):
        reading = Reading(data, limits)
        assert isinstance(reading.error, CorruptFileError)
        assert len(reading.texts) == data.count(b"eventID")


@LIMITS
def test_line_breaks_that_look_like_bulk_actions_are_taken_out(limits: ReadLimits) -> None:
    record = '{"eventID":"x","a":\n{"delete":{"_index":"x","_id":"y"}}\r\n,"n":1.0,"s":"a  b"}'
    for wrapped in (f'{{"Records":[{record}]}}', record, f"[{record},{record}]"):
        reading = Reading(wrapped.encode(), limits)
        assert set(reading.texts) == {record.replace("\n", "").replace("\r", "").encode()}
    message = compact({"messageType": "DATA_MESSAGE", "logEvents": [{"message": record}]})
    assert b"\n" not in Reading(message.encode(), limits).texts[0]


@LIMITS
def test_numbers_stay_as_they_are_written(limits: ReadLimits) -> None:
    numbers = ["1.0", "1e400", "-0", "1E+2", "9" * 2000, "0.1000000000000000055511151231257827"]
    record = '{"eventID":"1",\n"n":[' + ",\n ".join(numbers) + "]}"
    (text,) = Reading(f'{{"Records":[{record}]}}'.encode(), limits).texts
    assert text == record.replace("\n ", "").replace("\n", "").encode()


SUSPECTS = {
    b'{"eventID":"1","a":"\xff\xfe"}': ("invalid_utf8", '{"eventID":"1","a":"\ufffd\ufffd"}'),
    b'{"eventID":"1","\xc3":"x"}': ("invalid_utf8", '{"eventID":"1","\ufffd":"x"}'),
    b'{"eventID":"1","a":"\xed\xa0\x80"}': ("invalid_utf8", None),
    rb'{"eventID":"1","a":"\ud800"}': ("lone_surrogate", r'{"eventID":"1","a":"\ufffd"}'),
    rb'{"eventID":"1","a":"\udc00\ud83d\ude00\\ud800"}': (
        "lone_surrogate",
        r'{"eventID":"1","a":"\ufffd\ud83d\ude00\\ud800"}',
    ),
    b'{"eventID":"1","a":NaN,"b":"NaN"}': (
        "not_a_number",
        '{"eventID":"1","a":"NaN","b":"NaN"}',
    ),
    b'{"eventID":"1","a":[-Infinity,Infinity]}': (
        "not_a_number",
        '{"eventID":"1","a":["-Infinity","Infinity"]}',
    ),
}


@LIMITS
@pytest.mark.parametrize("text", SUSPECTS)
def test_what_the_engine_would_refuse_is_a_suspect_with_its_bytes(
    text: bytes, limits: ReadLimits
) -> None:
    reason, mended = SUSPECTS[text]
    files = [
        b'{"Records":[%s,%s]}' % (text, TEXT.encode()),
        b'{"Records":[%s,%s]}' % (TEXT.encode(), text),
        b"%s\n%s\n" % (TEXT.encode(), text),
        b"[%s]" % text,
    ]
    for data in files:
        reading = Reading(data, limits)
        assert reading.error is None
        assert reading.faults == []
        assert reading.suspects == [(text, reason)]
        assert text in reading.texts
    json.loads(sanitize(text).decode(), parse_constant=pytest.fail)
    if mended:
        assert sanitize(text) == mended.encode()


@LIMITS
def test_embedded_records_can_be_suspects_too(limits: ReadLimits) -> None:
    inner = r'{"eventID":"1","a":"\ud800"}'
    data = compact({"Events": [{"CloudTrailEvent": inner}]}).encode()
    assert Reading(data, limits).suspects == [(inner.encode(), "lone_surrogate")]
    data = data.replace(rb"\\ud800", b"\xff")
    assert Reading(data, limits).suspects == [(b'{"eventID":"1","a":"\xff"}', "invalid_utf8")]


FAULTS = {
    "not_an_object": [b"1", b'"text"', b"[{}]", b"null", b"true"],
    "broken_json": [
        b'{"a":"raw\nbreak"}',
        b'{"a":"\x01"}',
        rb'{"a":"\q"}',
        b'{"a":01}',
        b'{"a":1,}',
        b"{a:1}",
        b'{"a" 1}',
        b"nul",
        b"{'a':1}",
    ],
    "too_deep": [b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
}


@LIMITS
@pytest.mark.parametrize(
    ("reason", "bad"), [(reason, bad) for reason, all_ in FAULTS.items() for bad in all_]
)
def test_what_is_no_record_is_a_fault_and_the_rest_is_read(
    reason: str, bad: bytes, limits: ReadLimits
) -> None:
    for rest in ([TEXT.encode()], []):
        body = b",".join([TEXT.encode(), bad, *rest])
        reading = Reading(b'{"Records":[%s]}' % body, limits)
        assert reading.error is None
        assert reading.reasons == [reason]
        assert reading.faults[0].raw == bad
        assert reading.faults[0].position == 1
        assert reading.records == [GOOD] * (1 + len(rest))
        assert reading.positions == [0, 2][: 1 + len(rest)]


ENVELOPES = [
    ({"CloudTrailEvent": 5}, "no_record_inside"),
    ({"CloudTrailEvent": "[1]"}, "no_record_inside"),
    ({"CloudTrailEvent": '{"a":'}, "broken_json"),
    ({"CloudTrailEvent": "{} {}"}, "broken_json"),
    ({"detail-type": "EC2 Instance State-change Notification", "detail": {"x": 1}}, "not_a_record"),
    ({"detail-type": "AWS API Call via CloudTrail", "detail": None}, "no_record_inside"),
]


@LIMITS
@pytest.mark.parametrize(("envelope", "reason"), ENVELOPES)
def test_envelopes_without_a_record_are_faults(
    envelope: object, reason: str, limits: ReadLimits
) -> None:
    reading = Reading(f"{TEXT}\n{compact(envelope)}\n{TEXT}".encode(), limits)
    assert reading.records == [GOOD, GOOD]
    assert reading.reasons == [reason]


@LIMITS
def test_duplicate_keys_in_a_record_are_kept(limits: ReadLimits) -> None:
    text = b'{"eventID":"1","eventID":"2"}'
    assert Reading(b'{"Records":[%s]}' % text, limits).texts == [text]


@LIMITS
def test_an_escaped_key_is_a_key(limits: ReadLimits) -> None:
    data = rb'{"\u0052ecords":[%s],"Records":[%s]}' % (TEXT.encode(), TEXT.encode())
    assert Reading(data, limits).records == [GOOD, GOOD]


def test_large_records_are_read() -> None:
    large = {**GOOD, "requestParameters": {"x": "y" * (10 * MIB)}}
    for limits in (ReadLimits(), ReadLimits(slice_whole=MIB)):
        reading = Reading(gzipped(compact({"Records": [GOOD, large, GOOD]})), limits)
        assert [len(text) for text in reading.texts] == [len(TEXT), len(compact(large)), len(TEXT)]


def test_a_record_over_the_limit_is_a_fault() -> None:
    limits = ReadLimits(slice_whole=MIB, window=MIB, max_record=4 * MIB)
    large = {**GOOD, "requestParameters": {"x": 'y"}{' * (3 * MIB), "z": [[], {}]}}
    for write in ('{"Records":[%s]}', "[%s]"):
        data = (write % ",".join([TEXT, compact(large), TEXT])).encode()
        reading = Reading(gzipped(data), limits)
        assert reading.records == [GOOD, GOOD]
        assert reading.reasons == ["record_too_large"]
        assert f"{len(compact(large)):,} bytes" in reading.faults[0].reason
        assert len(reading.faults[0].raw) == FAULT_RAW
        assert reading.positions == [0, 2]


def test_a_bomb_of_records_gives_those_within_the_limit() -> None:
    text = compact({"Records": [GOOD] * 20_000})
    for limits in (
        ReadLimits(max_uncompressed=100_000),
        ReadLimits(max_uncompressed=100_000, slice_whole=1000, window=1000),
    ):
        reading = Reading(gzipped(text), limits)
        assert isinstance(reading.error, FileTooLargeError)
        assert len(reading.texts) == text[:100_000].count(TEXT)
        assert reading.reader.bytes_out == 100_000


class _Bomb(io.RawIOBase):
    """A GiB of one byte, about a MB gzipped, made as it is read."""

    def __init__(self, byte: bytes) -> None:
        super().__init__()
        self._blocks = self._compressed(byte)

    @staticmethod
    def _compressed(byte: bytes) -> Iterator[bytes]:
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        for _ in range(1025):
            yield packer.compress(byte * MIB)
        yield packer.flush()

    def read(self, _size: int = -1, /) -> bytes:
        return next((block for block in self._blocks if block), b"")


@pytest.mark.parametrize(
    ("byte", "error"), [(b" ", FileTooLargeError), (b"\0", NotATrailFileError)]
)
def test_a_bomb_takes_neither_memory_nor_its_full_size(byte: bytes, error: type) -> None:
    reader = TrailReader(
        _Bomb(byte),  # type: ignore[arg-type]
        ReadLimits(max_uncompressed=256 * MIB, slice_whole=16 * MIB),
        name="a-bomb",
    )
    tracemalloc.start()
    try:
        with pytest.raises(error):
            list(reader.chunks())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.bytes_out <= 256 * MIB
    assert peak < 100 * MIB


def test_the_window_keeps_memory_flat() -> None:
    one = compact({**GOOD, "requestParameters": {"x": "y" * 1000}}).encode()

    def peak(count: int) -> int:
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        parts = [packer.compress(b'{"Records":[' + one)]
        parts += [packer.compress(b"," + one) for _ in range(count - 1)]
        stored = b"".join([*parts, packer.compress(b"]}"), packer.flush()])
        reader = TrailReader(io.BytesIO(stored), ReadLimits(slice_whole=MIB), name="a-file")
        tracemalloc.start()
        try:
            assert sum(len(chunk.records) for chunk in reader.chunks()) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(80_000) < peak(20_000) * 1.15 + MIB


class Gone(io.RawIOBase):
    def read(self, _size: int = -1, /) -> bytes:
        raise OSError("connection reset")


def test_what_the_stream_raises_comes_through() -> None:
    with pytest.raises(OSError, match="connection reset"):
        list(TrailReader(Gone(), ReadLimits(), name="x").chunks())  # type: ignore[arg-type]


@LIMITS
def test_a_file_that_was_begun_gives_the_same(limits: ReadLimits) -> None:
    trail = gzipped(compact({"Records": [GOOD, {}, GOOD]}))
    files = {
        **{name: data for name, (data, _) in NO_TRAILS.items()},
        "no records": b'{"Records":[]}',
        "a trail": trail,
        "a trail cut off": trail[:-12],
        "a wrong checksum": trail[:-8] + bytes(8),
        "a fault among records": compact({"Records": [GOOD, 7, GOOD]}).encode(),
        "lines": (TEXT + "\n").encode() * 30,
    }
    for name, data in files.items():
        straight, begun = Reading(data, limits), Reading(data, limits, begun=True)
        assert begun.texts == straight.texts, name
        assert begun.positions == straight.positions, name
        assert begun.reasons == straight.reasons, name
        assert repr(begun.error) == repr(straight.error), name
        assert begun.reader.bytes_in == straight.reader.bytes_in, name


def test_what_a_begun_stream_raises_comes_with_its_chunks() -> None:
    reader = TrailReader(Gone(), ReadLimits(), name="x")  # type: ignore[arg-type]
    reader.begin()
    with pytest.raises(OSError, match="connection reset"):
        list(reader.chunks())
