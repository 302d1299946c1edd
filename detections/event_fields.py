"""The fields of an event that a rule can use, and how the index stores each.

The index has the mapping of `trailhound.cluster.mappings` only: a field that is not in it is stored
and not searched, so a rule on such a field would silently find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from trailhound.cluster.mappings import ADDED, EVENT, RAW
from trailhound.errors import RuleError
from trailhound.settings.cluster import UNSEARCHED

FieldType = Literal["keyword", "flat", "number", "date", "ip"]

_KINDS: dict[str, FieldType] = {
    "keyword": "keyword",
    "flat_object": "flat",
    "byte": "number",
    "integer": "number",
    "long": "number",
    "float": "number",
    "date": "date",
    "ip": "ip",
}
"""Types that can be searched by value, unlike a geo_point or a field that is only stored."""


@dataclass(frozen=True, slots=True)
class Field:
    """A place that a query can search.

    `path` is the whole of it; for a free-form object (`flat`), `root` is the mapped object and
    `below` the rest of the path, empty for the object as a whole.
    """

    path: str
    kind: FieldType
    root: str = ""
    below: str = ""


def _walk(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, mapped in properties.items():
        path = prefix + name
        if "properties" in mapped:
            yield from _walk(mapped["properties"], f"{path}.")
        else:
            yield path, mapped


_ALL = dict(_walk(EVENT["properties"]))
ALIASES: Mapping[str, str] = {
    path: mapped["path"] for path, mapped in _ALL.items() if mapped.get("type") == "alias"
}
"""ECS names → the raw fields that they are aliases of."""

LEAVES: Mapping[str, FieldType] = {
    path: _KINDS[mapped["type"]] for path, mapped in _ALL.items() if mapped.get("type") in _KINDS
}
"""Every mapped field that can be searched by value → its kind. Aliases are not among them."""


def named(path: str) -> str:
    """A field's own name: the raw field where `path` is an alias.

    >>> named("event.action"), named("awsRegion")
    ('eventName', 'awsRegion')
    """
    return ALIASES.get(path, path)


def _leaf(path: str, kind: FieldType) -> Field:
    return Field(path, kind, root=path if kind == "flat" else "")


def fields_at(path: str) -> list[Field]:
    """Where to look for a value at `path`: one place, or every leaf of a mapped object.

    Empty where the index has nothing searchable there.

    >>> [field.kind for field in fields_at("requestParameters.a.b")]
    ['flat']
    >>> len(fields_at("tlsDetails"))
    4
    """
    path = named(path)
    if path in LEAVES:
        return [_leaf(path, LEAVES[path])]
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        root = ".".join(parts[:end])
        if LEAVES.get(root) == "flat":
            return [Field(path, "flat", root=root, below=".".join(parts[end:]))]
    return [_leaf(leaf, kind) for leaf, kind in LEAVES.items() if leaf.startswith(f"{path}.")]


def is_unsearched(path: str) -> bool:
    """Whether the index doesn't search the field: it has none, or keeps its value apart.

    The fields that `index.unsearched` lists by default always count as not searched: a query also
    covers days that were indexed under another setting, and the matcher decides correctly for all.

    >>> is_unsearched("additionalEventData.x-amz-id-2"), is_unsearched("eventName")
    (True, False)
    """
    return path in UNSEARCHED or not fields_at(path)


def unsearchable(path: str) -> RuleError:
    """The error for a rule whose only condition is on a field that the index doesn't search."""
    near = get_close_matches(path, [*LEAVES, *ALIASES], n=1, cutoff=0.8)
    return RuleError(
        f"the index does not search the field {path!r}, and the rule has no other condition",
        hint=f"is {near[0]!r} meant?" if near else "add a condition on eventSource or eventName",
    )


RAW_LEAVES: tuple[Field, ...] = tuple(
    _leaf(path, kind)
    for path, kind in LEAVES.items()
    if path.partition(".")[0] in RAW and path.partition(".")[0] not in ADDED
)
"""All searchable fields of CloudTrail's own, in which a keyword is searched."""


def around(path: str) -> tuple[list[str], bool]:
    """Paths from which a repair may have moved a value of `path`: the path and its parents.

    Also whether it may have children.
    """
    parts = named(path).split(".")
    upward = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return upward, LEAVES.get(named(path)) in (None, "flat")
