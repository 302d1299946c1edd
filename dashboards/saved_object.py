"""A saved object of OpenSearch Dashboards, and the lines of an `.ndjson` file that hold some."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

SavedObjectType = Literal["index-pattern", "visualization", "search", "dashboard"]

MIGRATION_VERSION: dict[SavedObjectType, str] = {
    "index-pattern": "7.6.0",
    "visualization": "7.10.0",
    "search": "7.9.3",
    "dashboard": "7.9.3",
}
"""Format version of each kind: the latest that all Dashboards from 1.0 to 3.x support. A server
rejects an object in a later format than its own, and migrates an earlier one."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference from an object to another, by a `name` that the object's attributes use."""

    name: str
    kind: SavedObjectType
    id: str


@dataclass(frozen=True, slots=True)
class SavedObject:
    """One object; two of the same kind and id are the same object."""

    kind: SavedObjectType
    id: str
    attributes: dict[str, Any]
    references: tuple[Reference, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """In the form of the import and export APIs."""
        return {
            "type": self.kind,
            "id": self.id,
            "attributes": self.attributes,
            "references": [
                {"name": each.name, "type": each.kind, "id": each.id} for each in self.references
            ],
            "migrationVersion": {self.kind: MIGRATION_VERSION[self.kind]},
        }


def compact(value: Any) -> str:
    """JSON on one line, as in attributes that hold JSON in a string.

    >>> compact({"a": [1, "é"]})
    '{"a":[1,"é"]}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def ndjson(objects: Iterable[SavedObject]) -> str:
    """The file: an object a line, each before those that refer to it."""
    return "".join(compact(each.as_json()) + "\n" for each in objects)


def search_source(query: str, language: str, *, view: bool = True) -> str:
    """`searchSourceJSON`. It names the data view by a reference."""
    source: dict[str, Any] = {
        "query": {"query": query, "language": language},
        "filter": [],
    }
    if view:
        source["indexRefName"] = VIEW_REFERENCE
    return compact(source)


VIEW_REFERENCE = "kibanaSavedObjectMeta.searchSourceJSON.index"
"""Dashboards' name of the reference from an object to the data view that it searches."""

SEARCH_REFERENCE = "search_0"
"""Dashboards' name of the reference from a visualization to its saved search."""
