"""The members of an object that is nested too deep to be parsed: found by brackets alone.

Parsers in C stop at Python's recursion limit, the engine's at 1,000 levels. A record beyond that
is still taken apart at its top level, so that only the member at fault has to be moved.
"""

from __future__ import annotations

import json
import re

from ingest.reading.values import KEY, SPACE, balanced_end
from trailhound.errors import RecordError

_COLON = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+")
_BRACKET = re.compile(rb'[{}\[\]]|"(?:[^"\\]|\\.)*+"', re.DOTALL)
_COMMA = re.compile(rb"[ \t\r\n]*+(,|\})[ \t\r\n]*+")


def members(record: bytes) -> list[tuple[str, bytes]]:
    """Key and text of each member of a JSON object, in order, repeated keys included.

    Raises `RecordError` where the top level itself is no JSON.

    >>> members(b'{"a": [[1]], "b": "}"}')
    [('a', b'[[1]]'), ('b', b'"}"')]
    """
    found: list[tuple[str, bytes]] = []
    at = _after(SPACE, record, 0)
    if record[at : at + 1] != b"{":
        raise RecordError("the record is not a JSON object", reason="not_an_object")
    at = _after(SPACE, record, at + 1)
    if record[at : at + 1] == b"}":
        return found
    while True:
        key = KEY.match(record, at)
        if key is None:
            raise _broken()
        start = _after(_COLON, record, key.end())
        end = balanced_end(record, start)
        if not end:
            raise _broken()
        found.append((json.loads(key[0]), record[start:end]))
        mark = _COMMA.match(record, end)
        if mark is None:
            raise _broken()
        if mark[1] == b"}":
            return found
        at = mark.end()


def nesting(record: bytes) -> int:
    """Levels of brackets in a JSON text, those within its strings left out.

    >>> nesting(b'{"a": [[1]], "b": "}{{"}')
    3
    """
    level = deepest = 0
    for mark in _BRACKET.findall(record):
        if mark in b"{[":
            level += 1
            deepest = max(deepest, level)
        elif mark in b"}]":
            level -= 1
    return deepest


def _after(pattern: re.Pattern[bytes], record: bytes, at: int) -> int:
    found = pattern.match(record, at)
    if found is None or found.end() >= len(record):
        raise _broken()
    return found.end()


def _broken() -> RecordError:
    return RecordError("the record is not JSON at its top level", reason="broken_json")
