"""Restores the values of a record that were moved so that it could be indexed.

`trail.original` keeps them as `{pointer, json}`: an RFC 6901 pointer and the value's own text.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

from enrich.view import loads
from trailhound.cluster.mappings import ADDED


def put_back(source: Mapping[str, Any]) -> dict[str, Any]:
    """`source` with the moved values in their places. What cannot be restored is left out.

    >>> put_back({"trail": {"original": [{"pointer": "/a", "json": "[1]"}]}})["a"]
    [1]
    """
    record = deepcopy(dict(source))
    trail = source.get("trail") or {}
    for moved in trail.get("original") or []:
        with suppress(ValueError, KeyError, TypeError, IndexError, RecursionError):
            value = loads(moved["json"].encode())
            if moved["pointer"] == "":
                return {name: record[name] for name in ADDED if name in record} | (
                    {name: each for name, each in value.items() if name not in ADDED}
                )
            _put(record, moved["pointer"], value)
    return record


def _put(record: dict[str, Any], pointer: str, value: Any) -> None:
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if not parents and last in ADDED:  # the record has a field with a name that Trailhound adds
        return
    at: Any = record
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at[part]
    at[last] = value
