"""One member of a stored document is changed, whatever the record in it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.integrity.marking import with_integrity

OURS = b'"trail":{"object":"358fa8d4c258db6d","account":"1","position":7,"integrity":"unverified"'


@pytest.mark.parametrize(
    "record",
    [
        b'{"a":1.10,"b":1e400',
        b'{"x":{"trail":{"object":"358fa8d4c258db6d","position":7,"integrity":"unverified"}}',
        b'{"x":"\\"trail\\":{\\"object\\":\\"1\\",\\"position\\":7,\\"integrity\\":\\"a\\"}"',
        b'{"x":{' + OURS + b"}}",
    ],
    ids=["numbers", "the same within", "the same as text", "to the letter"],
)
@pytest.mark.parametrize(
    "more",
    [
        b"}",
        b',"flat":true}',
        b',"original":{"x":{"trail":{"object":"a","position":1,"integrity":"unverified"}}}}',
        b',"original":{' + OURS + b"}}}",
    ],
    ids=["plain", "flat", "moved", "moved to the letter"],
)
def test_it_is_ours_that_is_changed_and_nothing_else(record: bytes, more: bytes) -> None:
    after = b',"user":{"name":"trail"},"event":{"ingested":null}}'
    stored = record + b"," + OURS + more + after
    changed = with_integrity(stored, "tampered")
    marked = OURS.replace(b"unverified", b"tampered")
    assert changed == record + b"," + marked + more + after


@given(st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b'{"trail":[]}', b'{"trail":{}}']))
def test_what_is_not_ours_is_left(source: bytes) -> None:
    assert with_integrity(source, "corrupt") is None


def test_a_verdict_may_be_changed_again() -> None:
    stored = b"{" + OURS + b"}}"
    once = with_integrity(stored, "corrupt")
    assert once is not None
    again = with_integrity(once, "tampered")
    assert again is not None
    assert json.loads(again)["trail"]["integrity"] == "tampered"
