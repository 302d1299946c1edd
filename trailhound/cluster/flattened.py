"""Queries inside the free-form objects of events, for Elasticsearch's `flattened` fields.

On a keyed leaf (`root.a.b`) of such a field only `term`, `terms`, `prefix` and `exists` work, and
they see exactly that leaf, not what lies below it; `wildcard` and `regexp` are rejected. So a query
on a leaf becomes one on the root, which finds the value under any key: a superset, of which the
rule's matcher decides each hit. Under a negation it becomes a subset: the leaf alone, or nothing.

Events whose free-form objects hold no objects are marked when they are indexed (`trail.flat`). In
these nothing lies below a leaf, so a query for presence or for a short value on the leaf is exact.
Events without the mark (of another tool, repaired, or with objects) are queried at the root.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from enrich.view import FREE_FORM
from trailhound.cluster import mappings

Query = Mapping[str, Any]

EVERYTHING: Final[Query] = {"match_all": {}}
_NOTHING: Final[Query] = {"match_none": {}}
_IS_FLAT: Final[Query] = {"term": {"trail.flat": {"value": True}}}
_ROOTS: Final = frozenset(mappings.free_form_fields())
_MARKED: Final = frozenset(FREE_FORM)
"""The roots that the mark covers."""
_LEAST: Final = "minimum_should_match"
_ANY_OF: Final = frozenset({"should", _LEAST})
_LEAF_CLAUSES: Final = frozenset({"regexp", "wildcard", "term", "terms", "prefix", "exists"})


class _Inside(NamedTuple):
    """The queries that replace a clause on a path inside a free-form object."""

    root: str
    whole: Query
    """A query on the root: a superset."""
    is_presence: bool
    leaf: Query | None
    """A query on exactly the leaf: a subset. None if the product has none."""

    def superset(self, whole: Query) -> Query:
        """The leaf for marked events, and `whole` for the others."""
        if self.leaf is None or self.root not in _MARKED:
            return whole
        others = {} if whole == EVERYTHING else {"filter": [whole]}
        return {
            "bool": {
                "should": [
                    {"bool": {"filter": [_IS_FLAT, self.leaf]}},
                    {"bool": {**others, "must_not": [_IS_FLAT]}},
                ],
                _LEAST: 1,
            }
        }


def translated(query: Query, *, wider: bool) -> Query:
    """The query translated; `wider`: to a superset of the events, otherwise to a subset."""
    found = _clause(query)
    if isinstance(found, _Inside):
        return found.superset(found.whole) if wider else found.leaf or _NOTHING
    if len(found) == 1:
        ((kind, body),) = found.items()
        if kind == "constant_score":
            return {kind: {**body, "filter": translated(body["filter"], wider=wider)}}
        if kind == "bool":
            return {kind: _bool(body, wider=wider)}
    return found


def superset(query: Query) -> Query:
    """A query for a superset without expressions on a root; it may match everything."""
    found = _clause(query)
    if isinstance(found, _Inside):
        whole = found.whole if found.is_presence and found.leaf else EVERYTHING
        return found.superset(whole) if found.root in _MARKED else EVERYTHING
    if query == translated(query, wider=True) == translated(query, wider=False):
        return query
    inner = query.get("bool")
    if not isinstance(inner, Mapping):
        return EVERYTHING
    if inner.keys() == _ANY_OF and inner[_LEAST] == 1:
        should = [superset(each) for each in inner["should"]]
        return EVERYTHING if EVERYTHING in should else {"bool": {**inner, "should": should}}
    if not inner.keys() <= {"filter", "must_not"}:
        return EVERYTHING
    kept = [superset(each) for each in inner.get("filter", ())]
    barred = [translated(each, wider=False) for each in inner.get("must_not", ())]
    made = {
        "filter": [each for each in kept if each != EVERYTHING],
        "must_not": [each for each in barred if each != _NOTHING],
    }
    made = {name: clauses for name, clauses in made.items() if clauses}
    return {"bool": made} if made else EVERYTHING


def _bool(body: Mapping[str, Any], *, wider: bool) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, clauses in body.items():
        if name not in ("filter", "must", "should", "must_not"):
            made[name] = clauses
            continue
        inside = wider if name != "must_not" else not wider
        many = clauses if isinstance(clauses, list) else [clauses]
        made[name] = [translated(each, wider=inside) for each in many]
    return made


def _clause(query: Query) -> Query | _Inside:
    """The replacement of a clause inside a free-form object; any other query unchanged."""
    if len(query) != 1:
        return query
    ((kind, body),) = query.items()
    if kind not in _LEAF_CLAUSES or not isinstance(body, Mapping):
        return query
    path = str(body["field"] if kind == "exists" else next(iter(body), ""))
    root = next((each for each in _ROOTS if path == each or path.startswith(f"{each}.")), None)
    if root is None:
        return query
    anything = kind == "exists" or _is_anything(kind, body[path])
    whole = _present(root) if anything else {kind: {root: body[path]}}
    if path == root:
        return _present(root) if anything else query
    leaf = _on_leaf(kind, body.get(path), root, path[len(root) + 1 :])
    return _Inside(root, whole, anything, leaf)


def _present(root: str) -> Query:
    return {"exists": {"field": root}}


def _is_anything(kind: str, asked: Any) -> bool:
    """Whether any value matches. Presence on the root is equivalent and costs less."""
    value = asked if kind in ("regexp", "wildcard") else None
    text = value.get("value") if isinstance(value, Mapping) else value
    return text in ((".*",) if kind == "regexp" else ("*",))


_WRITTEN: Final = re.compile(r"\(\\\.\[\^=\]\*\)\?$")
"""The end of a path that also means everything below it: see `detections.backend.strings`."""


def _on_leaf(kind: str, asked: Any, root: str, below: str) -> Query | None:
    """A query on exactly the leaf, if the product has one."""
    written = _WRITTEN.sub("", below)
    leaf = ".".join((root, _ESCAPED.sub(r"\1", written)))
    if kind in ("term", "terms", "prefix"):
        folded = isinstance(asked, Mapping) and asked.get("case_insensitive")  # the path as well
        return {kind: {leaf: asked}} if written == below and not folded else None
    if kind == "regexp" and not _PLAIN.fullmatch(written):
        return None
    if _is_anything(kind, asked):
        return _present(leaf)
    if kind == "regexp" and (texts := _spellings(asked)):
        return {"terms": {leaf: texts}}
    return None


_ESCAPED: Final = re.compile(r"\\(.)")
_PLAIN: Final = re.compile(r"(?:[\w-]|\\.)+")
"""A regular expression that matches one text only."""
_LETTER: Final = re.compile(r"\[(\w)(\w)\]|\\(.)|([\w-])")
_MOST_SPELLINGS: Final = 512


def _spellings(asked: Any) -> list[str]:
    """All texts that an expression like `[yY][eE][sS]` matches; empty for other expressions."""
    expression = asked.get("value") if isinstance(asked, Mapping) else asked
    found = [""]
    at = 0
    for letter in _LETTER.finditer(str(expression)):
        if letter.start() != at:
            return []
        at = letter.end()
        found = [text + each for text in found for each in letter.groups() if each]
        if len(found) > _MOST_SPELLINGS:
            return []
    return found if at == len(str(expression)) and at else []
