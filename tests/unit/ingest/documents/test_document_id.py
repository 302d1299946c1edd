"""A record's `_id`."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents.document_id import conflict_id, document_id

UUID = "3038ebd2-c98a-4c65-9b6e-e22506292313"
LONGEST_ID = 512
"""Bytes of an `_id`, the engine's limit."""


@given(st.uuids())
def test_a_uuid_stands_for_itself(value: uuid.UUID) -> None:
    assert document_id(str(value), b"{}") == str(value)
    assert document_id(str(value).upper(), b'{"a":1}') == str(value).upper()


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "redacted",
        UUID[:-1],
        UUID + "0",
        f" {UUID}",
        f"{UUID}\n",
        UUID.replace("-", ""),
        "é" * 9,
    ],
)
def test_anything_else_is_told_apart_by_the_content(value: str) -> None:
    one, two = document_id(value, b'{"a":1}'), document_id(value, b'{"a":2}')
    assert one != two
    assert one == document_id(value, b'{ "a" : 1 }')
    assert one.startswith(f"{value[:64]}-")


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_event_id_it_is_the_hash(value: str | None) -> None:
    assert re.fullmatch("[0-9a-f]{64}", document_id(value, b"{}"))


@given(st.text(), st.dictionaries(st.text(), st.integers()))
def test_an_id_is_never_empty_and_never_too_long(value: str, record: dict[str, int]) -> None:
    raw = json.dumps(record).encode()
    for made in (document_id(value, raw), conflict_id(document_id(value, raw), raw)):
        assert 0 < len(made.encode("utf-8", "surrogatepass")) <= LONGEST_ID


def test_a_conflict_gets_an_id_by_its_content() -> None:
    one, two = conflict_id(UUID, b'{"a":1}'), conflict_id(UUID, b'{"a":2}')
    assert one.startswith(f"{UUID}-")
    assert one != two
    assert one == conflict_id(UUID, b'{"a": 1}')
