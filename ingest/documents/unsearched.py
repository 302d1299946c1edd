"""Fields inside free-form objects that are kept in `trail.original`, where nothing is indexed.

Ids that a service makes anew for each call (S3's `x-amz-id-2`, session tokens) are never searched
for, and in a free-form object the engine keeps each four times: as a value and as a path with its
value, in an index and in doc values. Neither product can leave out a path. The record is the same
when `ingest.repair.restore.restore` has put them back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from enrich.view import RecordView

_SHORTEST = len(b'{"a":""}')
_AFTER = rb'[ \t]*+:[ \t]*+("(?:[^"\\]|\\.)*+")'
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


Shortened = tuple[bytes, bytes, bytes]
"""A record without some fields and without its closing brace, in two parts that whoever writes it
joins with more; and the text of these fields for `trail.original`."""


class _Path(NamedTuple):
    mark: bytes
    """The last key as it is written."""
    keys: tuple[str, ...]
    way: bytes
    """How a root begins in which the way to the member comes first: `{"credentials":{`."""
    before: bytes
    """What is written in `trail.original` before a plain value."""


class _Found(NamedTuple):
    pointer: str
    value: str
    mark: bytes


class Unsearched:
    """Takes the fields of some paths (`additionalEventData.x-amz-id-2`) out of records."""

    def __init__(self, paths: Iterable[str]) -> None:
        roots: dict[str, list[_Path]] = {}
        for path in paths:
            root, *keys = path.split(".")
            roots.setdefault(root, []).append(_path(root, keys))
        self._roots = tuple(
            (root, tuple(below), {path.mark: path for path in below}, _any_of(below).findall)
            for root, below in roots.items()
        )
        # In the order of the paths, and so is what `trail.original` holds of a record.
        self._members = {
            path.mark: re.compile(re.escape(path.mark) + _AFTER, re.DOTALL)
            for below in roots.values()
            for path in below
        }

    def shortened(self, view: RecordView, record: bytes) -> Shortened | None:
        """None where the record has none of them, or has them in a form that is left as it is:
        no text, repeated, or alone in its object.
        """
        found = None
        for root, _, by_mark, marks_in in self._roots:
            raw = getattr(view, root)
            if len(raw) >= _SHORTEST and (marks := marks_in(raw)):
                if found is not None or len(marks) > 1:
                    return self._decoded(view, record)
                found = by_mark[marks[0]], raw
        if found is None:
            return None
        return _plainly(record, *found) or self._decoded(view, record)

    def _decoded(self, view: RecordView, record: bytes) -> Shortened | None:
        found: list[_Found] = []
        for root, paths, _, marks_in in self._roots:
            raw = getattr(view, root)
            if len(raw) >= _SHORTEST and marks_in(raw):
                found += _values(root, raw, paths)
        return self._cut(record, found) if found else None

    def _cut(self, record: bytes, found: list[_Found]) -> Shortened | None:
        spans: list[tuple[int, int]] = []
        moved: list[dict[str, str]] = []
        for mark, members in self._members.items():
            wanted = [each for each in found if each.mark == mark]
            there = list(members.finditer(record)) if wanted else []
            try:
                values = [msgspec.json.decode(each[1], type=str) for each in there]
            except _UNREADABLE:
                continue
            # All members of this name in the record are those that were found: none is another's.
            if not wanted or sorted(values) != sorted(each.value for each in wanted):
                continue
            texts = {value: each[1].decode() for value, each in zip(values, there, strict=True)}
            moved += [{"pointer": each.pointer, "json": texts[each.value]} for each in wanted]
            spans += [each.span() for each in there]
        if not spans:
            return None
        for start, end in sorted(spans, reverse=True):
            before, after = record[:start].rstrip(b" \t"), record[end:].lstrip(b" \t")
            if before[-1:] == b",":
                before = before[:-1]
            elif after[:1] == b",":
                after = after[1:]
            else:
                return None
            record = before + after
        return record[:-1], b"", msgspec.json.encode(moved)


def _any_of(paths: list[_Path]) -> re.Pattern[bytes]:
    """Finds the marks of a root in one pass, which takes half the time of one for each."""
    return re.compile(b"|".join(re.escape(path.mark) for path in paths))


def _path(root: str, keys: list[str]) -> _Path:
    pointer, mark = msgspec.json.encode(_pointer(root, keys)), msgspec.json.encode(keys[-1])
    return _Path(
        mark,
        tuple(keys),
        b"{" + b"".join(msgspec.json.encode(key) + b":{" for key in keys[:-1]),
        b'[{"pointer":' + pointer + b',"json":"\\"',
    )


def _plainly(record: bytes, path: _Path, raw: msgspec.Raw) -> Shortened | None:
    """The usual case, read off the text of its root: one member of this name in the whole record,
    its value a text without escapes, and nothing before it that opens an object beside the way.
    None: it must be decoded.
    """
    mark, _, way, before = path
    text = bytes(raw)
    at = text.index(mark)
    if (
        text.rfind(b"{", 0, at) != len(way) - 1
        or text.find(b"}", 0, at) >= 0
        or not text.startswith(way)
        or b"\\" in text  # the value's, or maybe the same name, written otherwise
    ):
        return None
    parts = record.split(mark)
    if len(parts) != 2 or not parts[1].startswith(b':"'):
        return None
    left, right = parts
    end = right.index(b'"', 2)
    if left.endswith(b","):
        left = left[:-1]
    elif left.endswith(b"{") and right.startswith(b",", end + 1):
        return left, right[end + 2 : -1], before + right[2:end] + b'\\""}]'
    else:
        return None
    return left, right[end + 1 : -1], before + right[2:end] + b'\\""}]'


def _values(root: str, raw: msgspec.Raw, paths: Iterable[_Path]) -> list[_Found]:
    try:
        body: Any = msgspec.json.decode(raw)
    except _UNREADABLE:
        return []
    found = []
    for path in paths:
        parent = body
        for key in path.keys[:-1]:
            parent = parent.get(key) if isinstance(parent, dict) else None
        last = path.keys[-1]
        # One that is alone stays: without it the object would be empty, and no longer be found.
        if isinstance(parent, dict) and isinstance(parent.get(last), str) and len(parent) > 1:
            found.append(_Found(_pointer(root, path.keys), parent.pop(last), path.mark))
    return found


def _pointer(root: str, keys: Iterable[str]) -> str:
    """RFC 6901."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in (root, *keys))
