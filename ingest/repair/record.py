"""Repairs a record that the engine would reject, without losing a byte of it.

Only what cannot stay is moved: a value of the wrong kind for its place in the mapping, a text or
key beyond Lucene's term limit, a name that is Trailhound's own, a number of over 1,000 digits.
What moves goes to `trail.original` as `{pointer, json}` (RFC 6901 pointer, JSON text), its path to
`trail.repaired`, and texts to `trail.text` as `path=value`, for who searches there. A record whose
very text is at fault (repeated keys, invalid UTF-8, NaN, depth) is kept whole, at pointer `""`. So
is one of which too much would move value by value: each has its path beside it, and a path of 30 KB
with a hundred thousand values below it would make gigabytes of one small record.

`engine_limits` beside it says what the engine accepts, `restore` puts back what was moved.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ingest.reading.sanitize import diagnose, sanitize
from ingest.repair.engine_limits import (
    DEEPEST,
    LONGEST_KEY,
    TooDeep,
    depth_of,
    exact_number,
    fits_flat_list,
    fits_keyword,
    is_readable,
    is_refused_name,
    size_of,
)
from ingest.repair.shallow import members
from trailhound.cluster.mappings import ADDED, EVENT, IMMENSE_TERM, RAW
from trailhound.errors import RecordError

OUR_NAMES = frozenset(ADDED)
"""Top-level names that Trailhound adds."""

_MAPPED_OBJECTS = OUR_NAMES | {
    name for name, kind in RAW.items() if "properties" in kind or kind["type"] == "flat_object"
}

MOST_MOVED = 1_000
MOST_POINTED = 1024 * 1024
"""Values that are moved one by one from a field of the record, and characters of their paths. With
more, the field moves as a whole: rules look at the record put together again all the same."""
MOST_PATHS = 10_000
"""Of a record, in `trail.repaired`."""
LONGEST_PATH = 1_024
MOST_TEXTS = 10_000
MOST_TEXT = 1024 * 1024
"""Texts of a record in `trail.text`, and their characters, paths included."""


@dataclass(slots=True)
class Repaired:
    """A record made acceptable, and what it took."""

    record: bytes
    paths: list[str] = field(default_factory=list)
    original: list[dict[str, str]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def trail(self) -> dict[str, Any]:
        """The members that mark the document, for its `trail` object."""
        members = {"repaired": self.paths, "original": self.original, "text": self.text}
        return {name: value for name, value in members.items() if value}


def collides(key: str) -> bool:
    """Whether a top-level key of a record would land in a field of ours, or forge a mapped one.

    >>> collides("risk_score"), collides("source.ip"), collides("sourceIPAddress")
    (True, True, False)
    """
    first, dot, _ = key.partition(".")
    return first in OUR_NAMES or (bool(dot) and first in _MAPPED_OBJECTS)


def repair(raw: bytes, *, thorough: bool = False) -> Repaired:
    """The record with everything moved that the engine is known to refuse.

    `thorough` moves every free-form object too: the last repair level before the dead letters.
    Raises `RecordError` where the text cannot be read as a JSON object at all.
    """
    try:
        return _Repair(raw, thorough=thorough).run()
    except RecursionError:
        return _Repair(raw, thorough=thorough, deep=True).run()


class _TooMuch(Exception):
    """Too much of one field would move."""


class _Repair:
    def __init__(self, raw: bytes, *, thorough: bool, deep: bool = False) -> None:
        self._moved = self._pointed = 0
        """Of the field at hand."""
        self._text = 0
        """Characters in `trail.text`."""
        self._raw = raw
        self._thorough = thorough
        self._deep = deep
        self._repeated: list[str] = []
        self._out = Repaired(b"")

    def run(self) -> Repaired:
        out = self._out
        text = sanitize(self._raw).decode()
        if text.encode() != self._raw:
            out.paths.append(diagnose(self._raw))
            out.original.append(_kept_whole(self._raw))
        record = self._loads(text)
        out.paths += sorted({key[:LONGEST_PATH] for key in self._repeated})[:MOST_MOVED]
        if (self._repeated or self._deep) and not out.original:
            out.original.append(_kept_whole(self._raw))
        # What is moved from a record that is kept whole need not be kept again.
        self._kept_whole = bool(out.original)
        for key in list(record):
            self._field(record, key)
        out.record = _encode(record)
        return out

    def _field(self, record: dict[str, Any], key: str) -> None:
        """A field of the record: as little of it moved as possible."""
        out = self._out
        before = len(out.paths), len(out.original)
        self._moved = self._pointed = 0
        try:
            self._member(record, key, EVENT["properties"], ())
        except _TooMuch:
            del out.paths[before[0] :], out.original[before[1] :]
            record.pop(key)
            out.paths.append(key[:LONGEST_PATH])
            self._keep_whole()

    def _keep_whole(self) -> None:
        """Keep the record's own text, instead of what has been moved so far."""
        if not self._kept_whole:
            self._kept_whole = True
            self._out.original = [_kept_whole(self._raw)]

    def _loads(self, text: str) -> dict[str, Any]:
        try:
            record = self._parse_by_field(text) if self._deep else self._parse(text)
        except ValueError as error:
            raise RecordError(f"the record is not JSON: {error}", reason="broken_json") from None
        if not isinstance(record, dict):
            raise RecordError("the record is not a JSON object", reason="not_an_object")
        return record

    def _parse(self, text: str) -> Any:
        return json.loads(
            text,
            object_pairs_hook=self._pairs,
            parse_int=exact_number,
            parse_float=exact_number,
        )

    def _parse_by_field(self, text: str) -> dict[str, Any]:
        """For a record too deep to read at once: the fields that are too deep stay as text."""
        pairs: list[tuple[str, Any]] = []
        for key, value in members(text.encode()):
            try:
                parsed = self._parse(value.decode())
            except RecursionError:
                parsed = None
            too_deep = parsed is None and value != b"null"
            pairs.append(
                (key, TooDeep(value) if too_deep or depth_of(parsed) > DEEPEST else parsed)
            )
        return self._pairs(pairs)

    def _pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            seen: set[str] = set()
            self._repeated += [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
        return made

    # One method a kind of place in the mapping. Each moves what cannot stay.

    def _object(
        self, record: dict[str, Any], schema: dict[str, Any], path: tuple[str, ...]
    ) -> None:
        for key in list(record):
            self._member(record, key, schema, path)

    def _member(
        self, record: dict[str, Any], key: str, schema: dict[str, Any], path: tuple[str, ...]
    ) -> None:
        here = (*path, key)
        value = record[key]
        kind = schema.get(key, {})
        if is_refused_name(key) or (not path and collides(key)):
            self._move(record, key, here)
        elif "properties" in kind:
            self._mapped(record, key, kind["properties"], here)
        elif kind.get("type") == "flat_object":
            if value is not None and (not isinstance(value, dict) or self._thorough):
                self._move(record, key, here)
            elif value is not None:
                self._flat(value, here, here)
        elif kind:
            if not fits_keyword(value):
                self._move(record, key, here)
        elif self._thorough or not is_readable(value, 0):
            self._move(record, key, here)

    def _mapped(
        self, record: dict[str, Any], key: str, schema: dict[str, Any], here: tuple[str, ...]
    ) -> None:
        value = record[key]
        items = value if isinstance(value, list) else [value]
        if value is None:
            return
        if not all(isinstance(item, dict) for item in items):
            self._move(record, key, here)
            return
        for index, item in enumerate(items):
            self._object(item, schema, (*here, str(index)) if isinstance(value, list) else here)

    def _flat(self, record: dict[str, Any], here: tuple[str, ...], path: tuple[str, ...]) -> None:
        """Below a flat_object: every leaf is a term of its own path and value."""
        for key in list(record):
            value = record[key]
            below = (*path, key)
            room = IMMENSE_TERM - sum(len(part.encode()) + 1 for part in below)
            if (
                is_refused_name(key)
                or len(key.encode()) > LONGEST_KEY
                or room <= 0
                or len(below) > DEEPEST
                or not is_readable(value, len(below))
                or (isinstance(value, str) and size_of(value) >= room)
                or (isinstance(value, list) and not fits_flat_list(value, room))
            ):
                self._move(record, key, below)
            elif isinstance(value, dict):
                self._flat(value, here, below)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, dict):
                        self._flat(item, here, (*below, str(index)))

    def _move(self, record: dict[str, Any], key: str, path: tuple[str, ...]) -> None:
        self._moved += 1
        self._pointed += sum(map(len, path))
        if self._moved > 1 and (self._moved > MOST_MOVED or self._pointed > MOST_POINTED):
            raise _TooMuch
        value = record.pop(key)
        if len(self._out.paths) >= MOST_PATHS:
            self._keep_whole()
            return
        dotted = ".".join(part for part in path if not part.isdigit())[:LONGEST_PATH] or '""'
        self._out.paths.append(dotted)
        self._search(dotted, value)
        if not self._kept_whole:
            pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
            self._out.original.append({"pointer": pointer, "json": _encode(value).decode()})

    def _search(self, path: str, value: Any) -> None:
        """Put the texts of a moved value into `trail.text`, as far as there is room."""
        out = self._out.text
        for text in _texts(value):
            if len(out) >= MOST_TEXTS:
                return
            entry = f"{path}={text}"
            if self._text + len(entry) <= MOST_TEXT:
                self._text += len(entry)
                out.append(entry)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, for the search on its path."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if each:
                yield each
        elif isinstance(each, dict):
            waiting += reversed(each.values())
        elif isinstance(each, list):
            waiting += reversed(each)


def _encode(value: Any) -> bytes:
    """JSON text; what was too deep under its own."""
    return value.raw if isinstance(value, TooDeep) else msgspec.json.encode(value)


def _kept_whole(raw: bytes) -> dict[str, str]:
    """The entry of `trail.original` for a record whose very text is at fault."""
    try:
        return {"pointer": "", "json": raw.decode()}
    except UnicodeDecodeError:
        return {"pointer": "", "base64": base64.b64encode(raw).decode()}
