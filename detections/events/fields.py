"""Reads field values from hits: from doc values if the field has them, else from `_source`.

Fields with doc values can be grouped by in the engine. Those inside a `flat_object`, and those
that the mapping doesn't name, can't (a terms aggregation on a `flat_object`'s leaf gives garbage
keys); they are read from the stored record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from detections.compiled import has_moved
from detections.matcher.event_values import text, values_at
from detections.matcher.moved import put_back
from trailhound.cluster.mappings import EVENT

GROUPED = frozenset({"keyword", "ip", "byte", "integer", "long", "float"})
"""Types whose doc values are the text of the group."""

Hit = Mapping[str, Any]
_REPAIRED = "trail.repaired"


@lru_cache(maxsize=1024)
def field_type(path: str) -> str | None:
    """The type of a field in the mapping, aliases followed; None where it has no field.

    >>> field_type("source.address"), field_type("requestParameters.userName")
    ('keyword', 'flat_object')
    """
    node: Mapping[str, Any] = EVENT
    for name in path.split("."):
        if node.get("type") == "flat_object":
            return "flat_object"
        found = node.get("properties", {}).get(name)
        if found is None:
            return None
        node = found
    if node.get("type") == "alias":
        return field_type(node["path"])
    kind = node.get("type")
    return None if kind is None else str(kind)


def groupable(path: str) -> bool:
    """Whether the engine can group by the field.

    >>> groupable("userIdentity.arn"), groupable("requestParameters.userName")
    (True, False)
    """
    return field_type(path) in GROUPED


class FieldReader:
    """Reads the values of some fields, as text, from hits of a search with `request()`.

    `decided`: fetches the whole stored record, for a matcher.
    """

    def __init__(self, paths: Collection[str], *, decided: bool = False) -> None:
        self._stored = [path for path in dict.fromkeys(paths) if groupable(path)]
        self._read = {path: values_at(path) for path in paths if not groupable(path)}
        self._decided = decided

    def request(self) -> dict[str, Any]:
        """The part of a search body that fetches what is read."""
        source: Any = self._decided
        if not source and self._read:
            # Only the first name: a key may contain dots.
            roots = {path.split(".", 1)[0] + "*" for path in self._read}
            source = sorted({*roots, "trail.original"})  # what was moved from there
        return {"_source": source, "docvalue_fields": [*self._stored, _REPAIRED]}

    def must_be_entire(self, hit: Hit) -> bool:
        """Whether a matcher needs the complete event and the hit has only a part: a repair moved
        values of it."""
        return not self._decided and self.must_be_decided(hit)

    def must_be_decided(self, hit: Hit) -> bool:
        """Whether the matcher has to decide, not only the query."""
        return self._decided or _REPAIRED in hit.get("fields", {})

    def values(self, hit: Hit, path: str) -> tuple[str, ...]:
        """The different values of a field in one event, as text; empty if there are none.

        Inside a free-form object, a value that was moved to `trail.original` is where it was sent.
        """
        if path in self._read:
            source = hit.get("_source") or {}
            found = self._read[path](put_back(source) if has_moved(source) else source)
        else:
            found = hit.get("fields", {}).get(path, ())
            if len(found) == 1 and type(found[0]) is str:  # nearly always
                return (found[0],)
        return tuple(dict.fromkeys(text(value) for value in found))
