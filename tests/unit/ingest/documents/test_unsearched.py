"""Texts that are kept in `trail.original`: taken out of a record, and put back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detections.matcher.moved import put_back
from enrich.view import view_of
from ingest.bulk.conflicts import same_record
from ingest.canonical import canonical
from ingest.documents.unsearched import Unsearched
from ingest.repair.restore import restore
from trailhound.settings.cluster import UNSEARCHED

ID = "8Zg2Yq0L5kQv1Jt9xX3b7NcR+fHs4DpWmEaUoTyIi6B="
TAKING = Unsearched(UNSEARCHED)


def taken_out(written: bytes, taking: Unsearched = TAKING) -> tuple[bytes, bytes] | None:
    """The record without the fields, and the text of `trail.original`."""
    short = taking.shortened(view_of(written), written)
    return None if short is None else (short[0] + short[1] + b"}", short[2])


def text(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("record", "left"),
    [
        ({"additionalEventData": {"x-amz-id-2": ID, "a": 1}}, {"additionalEventData": {"a": 1}}),
        ({"additionalEventData": {"a": 1, "x-amz-id-2": ID}}, {"additionalEventData": {"a": 1}}),
        (
            {"additionalEventData": {"a": 1, "x-amz-id-2": ID, "b": {}}, "eventID": "x"},
            {"additionalEventData": {"a": 1, "b": {}}, "eventID": "x"},
        ),
        (
            {
                "additionalEventData": {"x-amz-id-2": ID, "a": 1},
                "responseElements": {"x-amz-request-id": "R", "x-amz-id-2": ID, "b": "é~/"},
            },
            {"additionalEventData": {"a": 1}, "responseElements": {"b": "é~/"}},
        ),
        (
            {"responseElements": {"credentials": {"sessionToken": 'a"\\', "accessKeyId": "ASIA"}}},
            {"responseElements": {"credentials": {"accessKeyId": "ASIA"}}},
        ),
        # The object would be empty without its last member, and no longer count as present.
        (
            {"responseElements": {"x-amz-id-2": ID, "x-amz-request-id": "R"}},
            {"responseElements": {"x-amz-request-id": "R"}},
        ),
    ],
)
def test_a_text_is_taken_out_and_put_back(record: dict[str, Any], left: dict[str, Any]) -> None:
    written = text(record)
    short = taken_out(written)
    assert short is not None
    assert json.loads(short[0]) == left
    original = json.loads(short[1])
    source = text(left | {"risk_score": 1, "trail": {"object": "o", "original": original}})
    assert restore(source) == canonical(written)
    assert same_record(source, written)
    assert not same_record(source, text(left))
    assert {name: put_back(json.loads(source))[name] for name in record} == record


def test_what_is_taken_out_is_in_the_order_of_the_paths() -> None:
    record = {
        "responseElements": {"requestId": "R", "b": 1, "x-amz-request-id": "Q", "x-amz-id-2": ID}
    }
    for paths in (UNSEARCHED, UNSEARCHED[::-1]):
        written = text(record)
        short = taken_out(written, Unsearched(paths))
        assert short is not None
        taken = [each["pointer"].rpartition("/")[2] for each in json.loads(short[1])]
        assert taken == [name for name in _last_keys(paths) if name in record["responseElements"]]


def _last_keys(paths: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(path.rpartition(".")[2] for path in paths))


def test_white_space_changes_nothing() -> None:
    record = {"additionalEventData": {"a": 1, "x-amz-id-2": ID}, "responseElements": {}}
    for written in (
        json.dumps(record).encode(),
        b'{"additionalEventData":{"x-amz-id-2" :\t"a" , "b":1}}',
    ):
        short = taken_out(written)
        assert short is not None
        trail = {"trail": {"original": json.loads(short[1])}}
        assert restore(text(json.loads(short[0]) | trail)) == canonical(written)


@pytest.mark.parametrize(
    "written",
    [
        b'{"additionalEventData":{"x-amz-id-2":"a"}}',  # alone
        b'{"additionalEventData":{"x-amz-id-2":1,"a":1}}',
        b'{"additionalEventData":{"x-amz-id-2":null,"a":1}}',
        b'{"additionalEventData":{"x-amz-id-2":"a","x-amz-id-2":"b","c":1}}',
        b'{"additionalEventData":{"b":{"x-amz-id-2":"a"},"c":1}}',  # elsewhere
        b'{"additionalEventData":{"x-amz-id-2":"a","b":{"x-amz-id-2":"a"}}}',  # which one?
        b'{"additionalEventData":{"b":"\\"x-amz-id-2\\":\\"a\\"","c":1}}',
        b'{"additionalEventData":["x-amz-id-2",{"x-amz-id-2":"a","b":1}]}',
        b'{"additionalEventData":null,"x-amz-id-2":"a"}',
        b'{"eventName":"x"}',
    ],
)
def test_what_is_in_another_form_stays(written: bytes) -> None:
    assert taken_out(written) is None


_NAMES = ["x-amz-id-2", "credentials", "sessionToken", 'a"x-amz-id-2', 'a"credentials', "b"]
_VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.sampled_from(["", "v", "é", '"', "\\", "\n", "x-amz-id-2", '"x-amz-id-2":"v"', "}", "{"]),
)
_BODIES = st.recursive(
    _VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4),
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["additionalEventData", "responseElements", "x-amz-id-2"]), _BODIES
    ),
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_a_record_is_the_same_when_put_back(
    record: dict[str, Any], ascii_alone: bool, separators: tuple[str, str]
) -> None:
    written = json.dumps(record, separators=separators, ensure_ascii=ascii_alone).encode()
    short = taken_out(written)
    if short is None:
        return
    left, original = map(json.loads, short)
    for each in original:
        *way, last = each["pointer"].split("/")[1:]
        there, before = left, record
        for key in way:
            there, before = there[key], before[key]
        assert last not in there
        assert before[last] == json.loads(each["json"])
    trail = {"trail": {"object": "o", "original": original}}
    assert restore(text(left | trail)) == canonical(written)


MEMBERS = (
    '"x-amz-id-2":"v"', '"x-amz-id-2":"é"', '"x-amz-id-2":"a\\\\"', '"x-amz-id-2":"v\\u0022"',
    '"a":1', '"a":["x-amz-id-2"]', '"b":"}"', '"c":{}', '"sessionToken":"t"',
    '"credentials":{"a":1,"sessionToken":"t","b":2}', '"credentials":{"sessionToken":"t"}',
)  # fmt: skip
OTHERS = ('"eventID":"x"', '"x-amz-id-2":"v"', '"x-amz-id-2" : 1', '"a":{"sessionToken":"t"}')


@given(
    st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=4),
    st.sampled_from(["responseElements", "additionalEventData"]),
    st.sampled_from(OTHERS),
)
@settings(max_examples=400)
def test_what_is_read_off_the_text_is_what_decoding_gives(
    members: list[str], root: str, other: str
) -> None:
    written = f'{{{other},"{root}":{{{",".join(members)}}}}}'.encode()
    decoded = TAKING._decoded(view_of(written), written)
    assert taken_out(written) == (decoded and (decoded[0] + decoded[1] + b"}", decoded[2]))


def test_no_path_takes_nothing() -> None:
    written = text({"additionalEventData": {"x-amz-id-2": ID, "a": 1}})
    assert Unsearched(()).shortened(view_of(written), written) is None
