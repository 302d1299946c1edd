"""One text for one record, however it was written down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bulk.canonical import canonical, digest, loads

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
records = st.dictionaries(st.text(), values, max_size=6)


def shuffled(value: Any) -> Any:
    """The same value with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def typed(value: Any) -> Any:
    """A value that equals another one only where JSON's own value and kind are the same."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (isinstance(value, bool), value)


@given(records)
def test_order_white_space_and_escapes_do_not_matter(record: dict[str, Any]) -> None:
    plain = json.dumps(record).encode()
    spread = json.dumps(shuffled(record), indent=3, ensure_ascii=False)
    try:
        raw = spread.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        raw = json.dumps(shuffled(record), indent=3).encode()
    assert canonical(plain) == canonical(raw)
    assert canonical(canonical(plain)) == canonical(plain)


@given(records, records)
def test_different_records_differ(one: dict[str, Any], two: dict[str, Any]) -> None:
    same = typed(one) == typed(two)
    assert (digest(json.dumps(one).encode()) == digest(json.dumps(two).encode())) == same


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (b'{"a":1}', b'{"a":1.0}', True),
        (b'{"a":1}', b'{"a":1e0}', True),
        (b'{"a":1}', b'{"a":true}', False),
        (b'{"a":0}', b'{"a":false}', False),
        (b'{"a":0}', b'{"a":null}', False),
        (b'{"a":1}', b'{"a":"1"}', False),
        (b'{"a":1,"a":2}', b'{"a":2}', False),
        (b'{"a":1,"a":2}', b'{"a":2,"a":1}', False),
        (b'{"a":1,"a":2}', b'{"a":1,"a":2 }', True),
        (b'{"a":9007199254740993}', b'{"a":9007199254740992}', False),
        (b'{"a":' + b"9" * 5000 + b"}", b'{"a":' + b"9" * 4999 + b"8}", False),
        (b'{"a":1e400}', b'{"a":2e400}', False),
        (b'{"a":1e400}', b'{"a":null}', False),
        (b'{"a":NaN}', b'{"a":null}', False),
        (b'{"a":NaN}', b'{"a":"NaN"}', False),
        (b'{"a":"\xff"}', b'{"a":"\xfe"}', False),
        (b'{"a":"\xff"}', '{"a":"\ufffd"}'.encode(), False),
        (b'{"a":"\\u00e9"}', '{"a":"é"}'.encode(), True),
        (b'{"a":"\\ud800"}', b'{"a":"\\ud801"}', False),
        (b"no json", b" no json\n", True),
        (b"no json", b"nor this", False),
        (b"[" * 5000 + b"]" * 5000, b"[" * 5001 + b"]" * 5001, False),
    ],
)
def test_what_is_one_record_and_what_is_not(one: bytes, two: bytes, same: bool) -> None:
    assert (canonical(one) == canonical(two)) is same
    assert (digest(one) == digest(two)) is same


def test_unequal_texts_stay_unequal_as_values() -> None:
    assert loads(b'{"a":1,"a":2}') != loads(b'{"a":2}')
