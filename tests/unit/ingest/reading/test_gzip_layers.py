"""The short way for one gzip member gives what the layers give, or leaves it to them."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.reading.gzip_layers import GzipDamage, LayerTooLarge, inflated, one_member

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


@pytest.mark.parametrize("careful", [False, True])
def test_many_small_members_take_linear_work(careful: bool) -> None:
    """20 bytes each: copying the rest of a block for each of them would take minutes."""
    data = gzip.compress(b"") * 100_000 + gzip.compress(JSON)
    assert b"".join(inflated(iter([data]), LIMIT, careful=careful)) == JSON


@pytest.mark.parametrize("careful", [False, True])
def test_members_within_a_layer_count_for_what_they_are(careful: bool) -> None:
    """Firehose compresses what CloudWatch Logs compressed, message by message."""
    contents = [b'{"number":%d,"text":"%s"}' % (number, b"x" * 500) for number in range(2_000)]
    layer = b"".join(map(gzip.compress, contents))
    stored = gzip.compress(layer)
    limit = len(layer) + 2_000 * 1_024
    found = inflated(iter([stored]), limit, careful=careful)
    assert b"".join(found) == b"".join(contents)
    with pytest.raises(LayerTooLarge):
        list(inflated(iter([stored]), limit - 1, careful=careful))


def test_a_layer_of_nothing_but_members_is_too_large_before_it_is_done() -> None:
    bomb = gzip.compress(gzip.compress(b"") * 1_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(LayerTooLarge):
        list(inflated(iter([bomb]), 20 * 1024 * 1024))


@given(
    st.lists(st.tuples(st.binary(max_size=3_000), st.integers(0, 9)), min_size=1, max_size=6),
    st.sampled_from([b"", b"\0", b"\n\n", JSON, b"\n" + JSON]),
    st.lists(st.integers(1, 4_000), max_size=8),
    st.booleans(),
)
def test_blocks_may_end_anywhere(
    members: list[tuple[bytes, int]], after: bytes, sizes: list[int], careful: bool
) -> None:
    data = b"".join(gzip.compress(content, level) for content, level in members) + after
    blocks, at = [], 0
    for size in sizes:
        blocks.append(data[at : at + size])
        at += size
    blocks.append(data[at:])

    def read(pieces: list[bytes]) -> bytes | None:
        try:
            return b"".join(inflated(iter(pieces), LIMIT, careful=careful))
        except GzipDamage:
            return None

    assert read(blocks) == read([data])
