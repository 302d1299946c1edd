"""One text for one record, however it was written down."""

from __future__ import annotations

import json
import tracemalloc
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.canonical import canonical, comparable, digest, parse, write
from tests.unit.ingest.json_values import records, typed, without_nulls


def shuffled(value: Any) -> Any:
    """The same value with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


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


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        # What an earlier form wrote for repeated keys and numbers beyond a float.
        (b'{"a":{"b":1,"b":2}}', b'{"a":{"\\u0000pairs":[["b",1],["b",2]]}}', False),
        (b'{"a":1e400}', b'{"a":["\\u0000float","1e400"]}', False),
        (b'{"a":NaN}', b'{"a":["\\u0000constant","NaN"]}', False),
        (b'{"a":' + b"9" * 5000 + b"}", b'{"a":["\\u0000integer","' + b"9" * 5000 + b'"]}', False),
        (b'{"a":"\xff"}', b'{"a":"\\udcff"}', False),
        (b'{"a":"\xff"}', b'{"a":"\\\\xff"}', False),
        (b'{"\xff":1}', b'{"\\udcff":1}', False),
        (b'{"a":"\\ud83d\x80"}', b'{"a":"\\ud83d\\udc80"}', False),
        (b'{"a":"\\ud83d\\ude00"}', '{"a":"\U0001f600"}'.encode(), True),
        (b'{"a":"\xff","b":1}', b'{ "b": 1.0, "a": "\xff" }', True),
        (b'{"a":Infinity}', b'{"a":"Infinity"}', False),
        (b'{"a":Infinity}', b'{"a":1e999}', False),
        # Numbers by value, all of it.
        (b'{"a":1e400}', b'{"a":10E+399}', True),
        (b'{"a":1e22}', b'{"a":10000000000000000000000}', True),
        (b'{"a":1e-400}', b'{"a":0}', False),
        (b'{"a":-0.0}', b'{"a":0}', True),
        (b'{"a":0.1}', b'{"a":0.10000000000000000}', True),
        (b'{"a":0.1}', b'{"a":0.1000000000000000055}', False),
        (b'{"a":1.5e300}', b'{"a":1.50000000000000000000000000001e300}', False),
        (b'{"a":1e99999}', b'{"a":1e99998}', False),
        (b'{"a":1e99999}', b'{"a":10e99998}', True),
        (b'{"a":1e-99999}', b'{"a":1e-99998}', False),
        (b'{"a":1e' + b"9" * 5000 + b"}", b'{"a":1e' + b"9" * 5001 + b"}", False),
        # Repeated keys, in any place among the others, but in their own order.
        (b'{"a":1,"b":2,"a":3}', b'{"b":2,"a":1,"a":3}', True),
        (b'{"a":1,"b":2,"a":3}', b'{"b":2,"a":3,"a":1}', False),
        (b'{"a":1,"\\u0061":2}', b'{"a":1,"a":2}', True),
        # Depth.
        (b'{"b":1,"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
         b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b', "b": 1.0}', True),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"a":' * 5000 + b"2" + b"}" * 5000, False),
        # No JSON: only the same text is the same.
        (b'{"a":01}', b'{"a":1}', False),
        (b'{"a":1,}', b'{"a":1}', False),
        (b'{"a" 1}', b'{"a":1}', False),
        (b'["a":1]', b'{"a":1}', False),
        (b'{"a":[1}}', b'{"a":[1]}', False),
        (b'{"a":1}}', b'{"a":1}', False),
        (b'{"a":1}{', b'{"a":1}', False),
        (b'{"a":1', b'{"a":1}', False),
        (b'{"a":"\n"}', b'{"a":"\\n"}', False),
        (b'\xef\xbb\xbf{"a":1}', b'{"a":1}', False),
    ],
)  # fmt: skip
def test_no_value_imitates_another(one: bytes, two: bytes, same: bool) -> None:
    assert (canonical(one) == canonical(two)) is same


# JSON texts as a hostile writer makes them: every text has a value, computed beside it by hand.

_digits = st.text("0123456789", min_size=1, max_size=25)


@st.composite
def _numbers(draw: st.DrawFn) -> tuple[str, Any]:
    whole = str(int(draw(_digits)))
    fraction, exponent = draw(st.just("") | _digits), draw(st.integers(-500, 500))
    sign = draw(st.sampled_from(["", "-"]))
    text = f"{sign}{whole}" + (f".{fraction}" if fraction else "")
    if exponent:
        text += draw(st.sampled_from(["e", "E"])) + str(exponent)
    return text, ("number", Fraction(Decimal(text)))


@st.composite
def _strings(draw: st.DrawFn) -> tuple[str, Any]:
    """Characters, surrogates, raw bytes that are no UTF-8 (as `surrogateescape` has them)."""
    parts = draw(
        st.lists(
            st.text(max_size=3).map(lambda text: (json.dumps(text)[1:-1], text))
            | st.sampled_from(["ud800", "udcff", "udc80", "ud83d", "ude00"]).map(
                lambda name: ("\\" + name, chr(int(name[1:], 16)))
            )
            | st.sampled_from(["\udcff", "\udc80"]).map(lambda raw: (raw, ["byte", ord(raw)]))
            | st.sampled_from([("\\\\xff", "\\xff"), ("\\u0000pairs", "\0pairs")]),
            max_size=4,
        )
    )
    runs: list[Any] = []
    for _, value in parts:
        if isinstance(value, str) and runs and isinstance(runs[-1], str):
            runs[-1] += value
        elif value:
            runs.append(value)
    joined = [
        run.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        if isinstance(run, str)
        else tuple(run)
        for run in runs
    ]
    return '"' + "".join(text for text, _ in parts) + '"', ("text", tuple(joined))


_words = st.sampled_from(["true", "false", "null", "NaN", "Infinity", "-Infinity"])


def _nested(inner: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    @st.composite
    def objects(draw: st.DrawFn) -> tuple[str, Any]:
        pairs = draw(st.lists(st.tuples(_strings() | _names, inner), max_size=3))
        space = draw(st.sampled_from(["", " ", "\n"]))
        text = ",".join(f"{space}{key[0]}:{space}{value[0]}" for key, value in pairs)
        members: dict[Any, list[Any]] = {}
        for key, value in pairs:
            members.setdefault(key[1], []).append(value[1])
        kept = frozenset((key, tuple(values)) for key, values in members.items())
        return "{" + text + "}", ("object", kept)

    lists = st.lists(inner, max_size=3).map(
        lambda items: (
            "[" + ", ".join(text for text, _ in items) + "]",
            ("list", tuple(value for _, value in items)),
        )
    )
    return objects() | lists


_names = st.sampled_from(['"a"', '"\\u0061"', '"b"']).map(
    lambda text: (text, ("text", (json.loads(text),)))
)
texts = st.recursive(
    _numbers() | _strings() | _words.map(lambda word: (word, ("word", word))),
    _nested,
    max_leaves=8,
)


@given(texts, texts)
def test_canonical_texts_are_equal_exactly_where_the_values_are(
    one: tuple[str, Any], two: tuple[str, Any]
) -> None:
    raw, other = (text.encode("utf-8", "surrogateescape") for text, _ in (one, two))
    assert (canonical(raw) == canonical(other)) == (one[1] == two[1])


@given(texts)
def test_both_ways_of_reading_write_the_same_text(made: tuple[str, Any]) -> None:
    raw = made[0].encode("utf-8", "surrogateescape")
    assert write(parse(raw)) == canonical(raw)
    assert write(parse(raw), nulls=False) == comparable(raw)


@given(records, records)
def test_a_key_with_null_counts_as_absent_when_records_are_compared(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    for each in (one, two):
        dropped = json.dumps(without_nulls(each)).encode()
        assert comparable(json.dumps(each).encode()) == canonical(dropped)
    same = typed(without_nulls(one)) == typed(without_nulls(two))
    assert (comparable(json.dumps(one).encode()) == comparable(json.dumps(two).encode())) == same


def test_ids_in_existing_indices_stay_valid() -> None:
    record = (
        b'{"eventName":"CreateUser","requestParameters":{"userName":"\xc3\xa9","n":1.50,'
        b'"big":18446744073709551615,"none":null,"list":[1,2.0,true]},"responseElements":null}'
    )
    other = b'{"b":1e-7,"a":"\\ud83d\\ude00","c":-0.0}'
    assert digest(record).startswith("9bc13a7658503945b266c42c7c3b63b2eb3b34fdd1b9")
    assert digest(other).startswith("1bcba845ddb0ad159e64367f2b84796a1abd670dd19d79043a")


def test_bytes_that_are_not_utf8_take_memory_as_text_does() -> None:
    record = b'{"a":"' + b"\xff" * 100_000 + b'"}'
    tracemalloc.start()
    try:
        digest(record)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * len(record)
