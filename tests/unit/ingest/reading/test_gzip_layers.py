"""The short way for one gzip member gives what the layers give, or leaves it to them."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.reading.gzip_layers import GzipDamage, inflated, one_member

LIMIT = 64 * 1024 * 1024
JSON = b'{"Records":[{"eventName":"a"}]}'


def by_layers(data: bytes) -> bytes | None:
    try:
        return b"".join(inflated(iter([data]), LIMIT))
    except GzipDamage:
        return None


MARK = b"\x1f\x8b\x08"
contents = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"", JSON, JSON + gzip.compress(b"x"), b"\x1f\x8b", b"[\x1f", b"{" * 70_000]),
    st.binary(max_size=30).map(lambda inner: JSON + inner),
    st.binary(max_size=30).map(gzip.compress),
    st.lists(st.sampled_from([MARK, MARK[:1], b"}", b" ", b"a"]), max_size=6).map(b"".join),
)


@given(contents, st.binary(max_size=4), st.integers(0, 200), st.booleans())
def test_it_is_the_same_or_left(content: bytes, after: bytes, cut: int, whole: bool) -> None:
    data = gzip.compress(content, 1) + after
    data = data if whole else data[:cut]
    quick = one_member(data, LIMIT)
    assert quick is None or quick == by_layers(data)


@pytest.mark.parametrize("content", [JSON, b"", b"{" * 1_000_000], ids=["json", "none", "large"])
def test_an_ordinary_file_takes_it(content: bytes) -> None:
    assert one_member(gzip.compress(content), 1_000_001) == content


@pytest.mark.parametrize(
    "data",
    [
        JSON,
        gzip.compress(JSON) * 2,
        gzip.compress(gzip.compress(JSON)),
        gzip.compress(JSON + gzip.compress(JSON)),
        gzip.compress(JSON)[:-3],
        gzip.compress(JSON)[:-6] + b"\0\0" + gzip.compress(JSON)[-4:],
        gzip.compress(b" " * (5 * 1024 * 1024)),
    ],
    ids=["plain", "two", "in another", "in its content", "cut off", "wrong checksum", "large"],
)
def test_what_is_not_one_plain_member_is_left(data: bytes) -> None:
    assert one_member(data, 4 * 1024 * 1024) is None
