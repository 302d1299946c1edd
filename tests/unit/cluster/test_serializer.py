"""Replies are decoded as Python's own decoder does, whatever records hold."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opensearchpy.exceptions import SerializationError

from trailhound.cluster.client import Serializer

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.booleans())
def test_any_value_comes_back(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert Serializer().loads(text) == json.loads(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("18446744073709551616", "-9223372036854775809", "9" * 400, "100000000000000000000000"),
        *("1E5", "1e400", "-1e400", "1e-400", "0.1234567890123456789012", "-0", "-0.0", "Infinity"),
        *('{"a": 1, "a": 2}', '"\\ud800"', '"\\ud83d\\ude00"', "[" * 900 + "]" * 900),
    ],
)
def test_what_another_decoder_would_change_or_refuse(text: str) -> None:
    found, wanted = Serializer().loads(f'{{"_source": {text}}}'), json.loads(text)
    assert (type(found["_source"]), repr(found["_source"])) == (type(wanted), repr(wanted))


def test_what_is_no_number_is_one_of_python() -> None:
    assert math.isnan(Serializer().loads("NaN"))


@pytest.mark.parametrize("text", ["", "[1,]", "<html>", '{"a": 1} x', '"\t"'])
def test_what_is_no_json_is_an_error_of_the_client(text: str) -> None:
    with pytest.raises(SerializationError):
        Serializer().loads(text)
