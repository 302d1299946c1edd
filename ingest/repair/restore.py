"""Puts a stored document back into the record that it was made from: the reverse of a repair."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

from ingest import canonical
from ingest.repair.record import OUR_NAMES


def restore(source: bytes, *, nulls: bool = True) -> bytes:
    """The canonical text of the record that a stored document was made from.

    Without its keys that are `null` where `nulls` is false, as `canonical.comparable`.
    Raises `ValueError`, `KeyError`, `TypeError` or `IndexError` for a document of another tool.
    """
    known = canonical.plain(source, nulls=nulls)
    if isinstance(known, dict):
        whole = {key: value for key, value in known.items() if key not in OUR_NAMES}
        with suppress(RecursionError):
            if _put_plain(whole, (known.get("trail") or {}).get("original") or []):
                return canonical.write_plain(whole)
    text = canonical.canonical if nulls else canonical.comparable
    document = canonical.parse(source)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    record: canonical.Value = {
        key: values for key, values in document.items() if key.text not in OUR_NAMES
    }
    for trail in document.get(canonical.Key.of("trail"), []):
        members = json.loads(canonical.write(trail)) or {}
        for moved in members.get("original") or []:
            value = (
                base64.b64decode(moved["base64"]) if "base64" in moved else moved["json"].encode()
            )
            if moved["pointer"] == "":
                return text(value)
            _put(record, moved["pointer"], canonical.parse(value))
    return canonical.write(record, nulls=nulls)


def _put_plain(record: dict[str, Any], original: list[dict[str, str]]) -> bool:
    """Put moved texts back into a record of Python's values; False where one is anything else."""
    for moved in original:
        value = (
            canonical.plain(moved["json"].encode()) if moved.get("json", "")[:1] == '"' else None
        )
        if value is None or moved["pointer"] == "":
            return False
        *parents, last = _parts(moved["pointer"])
        at: Any = record
        for part in parents:
            at = at[int(part)] if isinstance(at, list) else at[part]
        at[last] = value
    return True


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _put(record: canonical.Value, pointer: str, value: canonical.Value) -> None:
    *parents, last = _parts(pointer)
    at = record
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else _object(at)[canonical.Key.of(part)][0]
    _object(at)[canonical.Key.of(last)] = [value]


def _object(value: canonical.Value) -> dict[canonical.Key, list[canonical.Value]]:
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    return value
