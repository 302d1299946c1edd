"""One text for one record, however it was written down: the ground for ids and for comparison.

The same event comes as a trail file, as `lookup-events` output or through CloudWatch Logs, with
other white space and key order. Canonical JSON (sorted keys, no white space, numbers by value)
makes them equal, and keeps apart what is not: repeated keys and numbers beyond a float are told.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

_LONGEST_INT = 4_000  # Python refuses to convert more than 4,300 digits


def canonical(record: bytes) -> bytes:
    """The canonical text of a JSON object; of anything unparsable, its own bytes.

    >>> canonical(b'{"b": 1.0, "a": "\\\\u00e9"}') == canonical('{"a":"é","b":1.0}'.encode())
    True
    """
    try:
        value = loads(record)
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError, TypeError):
        return record.strip()


def loads(record: bytes) -> Any:
    """The record as Python values in which unequal texts stay unequal."""
    text = record.decode("utf-8", "surrogateescape")
    return json.loads(
        text,
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=_float,
        parse_constant=lambda name: ["\0constant", name],
    )


def digest(record: bytes) -> str:
    """SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(canonical(record)).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> Any:
    made = dict(pairs)
    return made if len(made) == len(pairs) else {"\0pairs": [list(pair) for pair in pairs]}


def _integer(text: str) -> Any:
    return int(text) if len(text) < _LONGEST_INT else ["\0integer", text]


def _float(text: str) -> Any:
    value = float(text)
    if math.isinf(value):
        return ["\0float", text]
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
