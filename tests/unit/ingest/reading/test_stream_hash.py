"""The hash that the reader keeps is the one by which a digest verifies the stored object."""

from __future__ import annotations

import gzip
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.integrity.store import hashed, unpacked
from ingest.reading import ReadLimits, TrailReader
from trailhound.errors import CorruptFileError, TrailFileError

JSON = b'{"Records":[{"eventName":"a"},{"eventName":"b"}]}'
LIMIT = 64 * 1024 * 1024
MIB = 1024 * 1024
SMALL = ReadLimits(slice_whole=MIB, window=256 * 1024)


def kept(stored: bytes, limits: ReadLimits | None = None) -> str:
    """What the reader says of an object, damaged or not."""
    reader = TrailReader(io.BytesIO(stored), limits or ReadLimits(), name="x", hashes=True)
    try:
        for _ in reader.chunks():
            pass
    except TrailFileError:
        pass
    return reader.sha256


def verified(stored: bytes) -> str:
    """What a verification finds where the object is one whole gzip stream; else nothing."""
    try:
        unpacked(io.BytesIO(stored), "x", LIMIT)
        return hashed(io.BytesIO(stored), "x", LIMIT)
    except CorruptFileError:
        return ""


contents = st.one_of(
    st.sampled_from([b"", JSON, b"[" + JSON + b"]", JSON * 2, JSON + gzip.compress(b"x")]),
    st.binary(max_size=60),
    st.binary(max_size=30).map(lambda more: JSON + more),
    st.sampled_from([JSON, b""]).map(gzip.compress),
    st.just(JSON[:-2] + b',{"eventName":"%b"}' % (b"c" * 2 * MIB) + b"]}"),
)


@given(
    contents,
    st.sampled_from([b"", b"\0", b"\n", b"\0" * 30, JSON, gzip.compress(JSON), b"\x1f\x8b"]),
    st.integers(0, 200),
    st.booleans(),
    st.sampled_from([ReadLimits(), SMALL]),
)
def test_it_is_what_a_verification_finds(
    content: bytes, after: bytes, cut: int, whole: bool, limits: ReadLimits
) -> None:
    stored = gzip.compress(content, 1) + after
    stored = stored if whole else stored[:cut]
    known = kept(stored, limits)
    assert known in ("", verified(stored)), "an unknown hash has the object read"


@pytest.mark.parametrize("limits", [ReadLimits(), SMALL], ids=["whole", "in a window"])
@pytest.mark.parametrize("copies", [1, 50_000], ids=["small", "large"])
def test_it_is_kept_of_a_trail_file(copies: int, limits: ReadLimits) -> None:
    content = b'{"Records":[' + b",".join([b'{"eventName":"a"}'] * copies) + b"]}"
    known = kept(gzip.compress(content), limits)
    assert known == hashlib.sha256(content).hexdigest()


def test_nothing_is_hashed_unless_asked_for() -> None:
    reader = TrailReader(io.BytesIO(gzip.compress(JSON)), ReadLimits(), name="x")
    assert list(reader.chunks())
    assert not reader.sha256


@pytest.mark.parametrize(
    "stored",
    [
        gzip.compress(JSON) + gzip.compress(JSON),
        gzip.compress(JSON) + b"\0\0",
        gzip.compress(JSON)[:-1],
        gzip.compress(JSON)[:-6] + b"\0\0" + gzip.compress(JSON)[-4:],
        JSON,
    ],
    ids=["a member appended", "padding", "cut off", "wrong checksum", "not compressed"],
)
def test_none_is_kept_of_anything_else(stored: bytes) -> None:
    assert not kept(stored)
