"""The canonical text of a record, however it was written: the basis of ids and of comparison.

The same event comes as a trail file, as `lookup-events` output or through CloudWatch Logs, with
different white space and key order. Its canonical text has sorted keys, no white space, ASCII
escapes and numbers by value. The text is written token by token, so that no value of a record can
imitate another: a repeated key is repeated, NaN is written bare, a number is written with all its
digits, a byte that is no UTF-8 as `\\xHH`, which is no JSON escape.

Most records go through Python's own JSON reader and writer. Whatever those would change (repeated
keys, numbers beyond a float, invalid UTF-8, depth) is read here, without recursion.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

_LONGEST_INTEGER = 4_000
"""Digits; Python refuses to convert more than 4,300."""

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?")
_TOKEN = re.compile(
    rb"[ \t\n\r]*+(?:"
    rb'(?P<string>"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*+")'
    rb"|(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)"
    rb"|(?P<word>true|false|null|NaN|-?Infinity)"
    rb"|(?P<mark>[{}\[\],:]))"
)
_NOT_UTF8 = re.compile("[\udc80-\udcff]+")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number or literal, as its canonical token."""

    token: str


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of a member: sorted by its characters, compared by its canonical token."""

    text: str
    token: str

    @classmethod
    def of(cls, name: str) -> Key:
        return cls(name, json.dumps(name))


Value = Scalar | list["Value"] | dict[Key, list["Value"]]
"""A JSON value. An object maps each key to all its values in order: two where it is repeated."""

_NULL = Scalar("null")


class _NeedsCare(Exception):
    """Python's JSON reader would change this record."""


def canonical(record: bytes) -> bytes:
    """The canonical text of a JSON value; other bytes unchanged.

    Two texts have the same canonical text if and only if they are the same value: objects with
    the same members in any order (values of a repeated key in the same order), numbers of the
    same mathematical value, texts of the same characters.

    >>> canonical(b'{"b": 1.0, "a": "\\\\u00e9"}') == canonical('{"a":"é","b":1.0}'.encode())
    True
    """
    return _text(record, nulls=True)


def comparable(record: bytes) -> bytes:
    """The canonical text without the keys whose value is `null`, at any depth.

    Some routes drop them. A repeated key keeps all its values, nulls too.

    >>> comparable(b'{"a":{"b":null,"c":[null]}}')
    b'{"a":{"c":[null]}}'
    """
    return _text(record, nulls=False)


def digest(record: bytes) -> str:
    """SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(canonical(record)).hexdigest()


def plain(record: bytes, *, nulls: bool = True) -> Any:
    """The record as Python's values; None where they would not be all of it. Then use `parse`."""
    try:
        return (_plain if nulls else _plain_without_nulls).decode(record.decode())
    except (_NeedsCare, RecursionError, ValueError):
        return None


def write_plain(value: Any) -> bytes:
    """The canonical text of what `plain` returned. Raises `RecursionError` where it is deep."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _text(record: bytes, *, nulls: bool) -> bytes:
    try:
        if (value := plain(record, nulls=nulls)) is not None:
            return write_plain(value)
    except RecursionError:
        pass
    try:
        return write(parse(record), nulls=nulls)
    except ValueError:
        return record.strip()


def parse(record: bytes) -> Value:
    """The value of a JSON text of any depth. Raises `ValueError` where it is none."""
    tokens = _tokens(record)
    root: list[Value] = []
    stack: list[list[Value] | dict[Key, list[Value]]] = [root]
    expect = _VALUE
    key: Key | None = None
    for kind, text in tokens:
        if expect not in _MAY_FOLLOW.get(text if kind == "mark" else kind, ""):
            raise ValueError(f"unexpected {text[:20]!r}")
        top = stack[-1]
        if text == "," and kind == "mark":
            expect = _KEY if isinstance(top, dict) else _VALUE
        elif text == ":" and kind == "mark":
            expect = _VALUE
        elif expect in (_KEY, _FIRST_KEY) and kind == "string":
            key, expect = _key(text), _COLON
        elif kind == "mark" and text in "}]":
            if len(stack) == 1 or (text == "}") is not isinstance(top, dict):
                raise ValueError(f"unexpected {text!r}")
            stack.pop()
            expect = _COMMA if len(stack) > 1 else _END
        else:
            value = _opened(text) if kind == "mark" else _scalar(kind, text)
            if isinstance(top, dict):
                assert key is not None  # noqa: S101 - a colon follows a key alone
                top.setdefault(key, []).append(value)
            else:
                top.append(value)
            if isinstance(value, Scalar):
                expect = _COMMA if len(stack) > 1 else _END
            else:
                stack.append(value)
                expect = _FIRST_KEY if isinstance(value, dict) else _FIRST_VALUE
    if expect != _END:
        raise ValueError("it ends early")
    return root[0]


def write(value: Value, *, nulls: bool = True) -> bytes:
    """The canonical text of a value; without its members that are `null` where `nulls` is false."""
    out: list[str] = []
    stack: list[Iterator[str | Value]] = [iter((value,))]
    while stack:
        for part in stack[-1]:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, Scalar):
                out.append(part.token)
            else:
                stack.append(_members(part, nulls) if isinstance(part, dict) else _items(part))
                break
        else:
            stack.pop()
    return "".join(out).encode()


_VALUE, _FIRST_VALUE, _KEY, _FIRST_KEY, _COLON, _COMMA, _END = "vfkgcme"
"""What may come next while reading; `first` where the bracket may close at once."""

_MAY_FOLLOW = {
    "string": _VALUE + _FIRST_VALUE + _KEY + _FIRST_KEY,
    "number": _VALUE + _FIRST_VALUE,
    "word": _VALUE + _FIRST_VALUE,
    "{": _VALUE + _FIRST_VALUE,
    "[": _VALUE + _FIRST_VALUE,
    "]": _FIRST_VALUE + _COMMA,
    "}": _FIRST_KEY + _COMMA,
    ",": _COMMA,
    ":": _COLON,
}


def _tokens(record: bytes) -> Iterator[tuple[str, str]]:
    record = record.rstrip(b" \t\n\r")
    at = 0
    while at < len(record):
        found = _TOKEN.match(record, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"no JSON at byte {at}")
        at = found.end()
        yield found.lastgroup, found[found.lastgroup].decode("utf-8", "surrogateescape")


def _opened(text: str) -> Value:
    return {} if text == "{" else []


def _scalar(kind: str, text: str) -> Scalar:
    if kind == "number":
        return Scalar(_number(text))
    return Scalar(_string(text)) if kind == "string" else Scalar(text)


def _key(text: str) -> Key:
    token = _string(text)
    return Key(text if _NOT_UTF8.search(text) else json.loads(token), token)


def _string(text: str) -> str:
    """A JSON string as its canonical token; what follows from `surrogateescape` as `\\xHH`."""
    if _NOT_UTF8.search(text) is None:
        return json.dumps(json.loads(text))
    made, done, end = StringIO(), 1, len(text) - 1
    made.write('"')
    # Of one list with each byte as a text, 48 MB of them would take three gigabytes.
    for found in _NOT_UTF8.finditer(text, 1, end):
        if found.start() > done:
            made.write(json.dumps(json.loads(f'"{text[done : found.start()]}"'))[1:-1])
        code = found[0].encode("utf-8", "surrogateescape").hex(":")
        made.write("\\x" + code.replace(":", "\\x"))
        done = found.end()
    if done < end:
        made.write(json.dumps(json.loads(f'"{text[done:end]}"'))[1:-1])
    made.write('"')
    return made.getvalue()


def _members(value: dict[Key, list[Value]], nulls: bool) -> Iterator[str | Value]:
    before = "{"
    for key in sorted(value):
        values = value[key]
        if not nulls and values == [_NULL]:
            continue
        for each in values:
            yield before + key.token + ":"
            yield each
            before = ","
    yield "}" if before == "," else "{}"


def _items(value: list[Value]) -> Iterator[str | Value]:
    before = "["
    for each in value:
        yield before
        yield each
        before = ","
    yield "]" if before == "," else "[]"


# Numbers. Each value has one token, which denotes exactly that value.


def _number(text: str) -> str:
    """The canonical token of a JSON number.

    >>> _number("1.0"), _number("-0"), _number("1.50"), _number("1e400")[:4], _number("1e9999")
    ('1', '0', '1.5', '1000', '1e9999')
    """
    sign, digits, exponent = _value(text)
    if not digits:
        return "0"
    if isinstance(exponent, int):
        if 0 <= exponent <= _LONGEST_INTEGER - len(digits):
            return sign + digits + "0" * exponent
        if exponent < 0:
            short = repr(float(text))
            if _value(short) == (sign, digits, exponent):
                return short
    return f"{sign}{digits}e{exponent}"


def _value(text: str) -> tuple[str, str, int | str]:
    """Sign, digits without zeros at either end, and exponent: the same for equal numbers.

    An exponent of over 4,000 digits is kept as it is written.
    """
    found = _NUMBER.fullmatch(text)
    if found is None:  # `inf`, from a float that was too large
        return "", text, 0
    sign, whole, fraction, exponent_sign, exponent = found.groups("")
    all_digits = (whole + fraction).lstrip("0")
    digits = all_digits.rstrip("0")
    if not digits:
        return "", "", 0
    exponent = exponent.lstrip("0")
    if len(exponent) > _LONGEST_INTEGER:
        return sign, whole + "." + fraction, exponent_sign.strip("+") + exponent
    power = int(exponent_sign + (exponent or "0"))
    return sign, digits, power - len(fraction) + len(all_digits) - len(digits)


# The fast way: Python's own reader and writer, for what they leave as it is.


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _NeedsCare
    return made


def _unique_without_nulls(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = _unique(pairs)
    return {key: value for key, value in made.items() if value is not None}


def _integer(text: str) -> int:
    if len(text) >= _LONGEST_INTEGER:
        raise _NeedsCare
    return int(text)


def _float(text: str) -> int | float:
    value = float(text)
    if value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if repr(value) != _number(text):
        raise _NeedsCare
    return value


def _constant(_name: str) -> Any:
    raise _NeedsCare


def _decoder(pairs: Any) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=pairs,
        parse_int=_integer,
        parse_float=_float,
        parse_constant=_constant,
    )


_plain = _decoder(_unique)
_plain_without_nulls = _decoder(_unique_without_nulls)
