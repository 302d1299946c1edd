"""What differs between a template or index as it is in the cluster and as this release makes it.

The marks of `trailhound.cluster.templates` say which release made it, not whether somebody has
changed it since. Engines return settings as texts, nested or dotted, and leave defaults out: both
sides are compared in one form.

Some of a template is its user's: component templates, further settings, aliases and members of
`_meta`, and a higher priority. They are no differences, and are kept where the template is put
again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trailhound.cluster import mappings
from trailhound.plural import plural

Body = Mapping[str, Any]

_OURS: Final = frozenset(
    {
        *("auto_expand_replicas", "number_of_replicas", "number_of_shards"),
        *("refresh_interval", "codec"),
    }
)
_OURS_BELOW: Final = "sort."
"""Settings of an index that a template of ours has, or must not have: each release and each of the
settings `index.*` has some of them."""
_OF_THE_ENGINE: Final = ("created_date", "modified_date")
"""Members that Elasticsearch 9 returns and does not take."""
_NAMED = 5
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """One value. `there` and `wanted` are shown texts; None where there is no value."""

    path: str
    there: str | None
    wanted: str | None
    stays: bool = False
    """Whether the mapping of an existing index cannot be changed so."""

    def describe(self, verb: str = "is") -> str:
        """In words.

        >>> Difference("dynamic", "strict", "false").describe("was")
        'dynamic was strict, not false'
        >>> Difference("event.outcome", None, "keyword").describe()
        'event.outcome is missing'
        """
        if self.there is None:
            return f"{self.path} {verb} missing"
        if self.wanted is None:
            return f"{self.path} {verb} {self.there}, not unset"
        return f"{self.path} {verb} {self.there}, not {self.wanted}"


def described(found: Sequence[Difference], verb: str = "is") -> str:
    """Differences in words; of many, the first ones and the number of the others."""
    text = "; ".join(each.describe(verb) for each in found[:_NAMED])
    more = len(found) - _NAMED
    return f"{text}; and {plural(more, 'more difference')}" if more > 0 else text


def template_differences(wanted: Body, there: Body) -> list[Difference]:
    """How an index template differs from the wanted one, but for what is its user's."""
    asked, found = _comparable(wanted), _comparable(there)
    if _priority(there) > _priority(wanted):
        asked.pop("priority")
        found.pop("priority")
    found["aliases"] = {name: found["aliases"].get(name) for name in asked["aliases"]}
    for side in (asked, found):
        side["settings"] = {
            f"index.{name}": value for name, value in side["settings"].items() if _is_ours(name)
        }
    return list(_between(asked, found))


def keep_user_changes(wanted: Body, there: Body) -> dict[str, Any]:
    """The wanted template, with what a user has added to the one that is there."""
    left_out = ("data_stream", *_OF_THE_ENGINE)
    added = {name: value for name, value in there.items() if not name.startswith(left_out)}
    body, inside = {**added, **wanted}, there.get("template") or {}
    body["_meta"] = {**(there.get("_meta") or {}), **wanted["_meta"]}
    body["priority"] = max(_priority(wanted), _priority(there))
    settings = {
        f"index.{name}": value
        for name, value in _flat(inside.get("settings") or {}).items()
        if not _is_ours(name)
    }
    body["template"] = {
        **wanted["template"],
        "settings": {**settings, **wanted["template"]["settings"]},
    }
    aliases = {**(inside.get("aliases") or {}), **(wanted["template"].get("aliases") or {})}
    if aliases:
        body["template"]["aliases"] = aliases
    return body


def mapping_differences(wanted: Body, there: Body) -> list[Difference]:
    """How the mapping of an index differs, where that changes what it accepts, stores or finds.

    Fields that only it has do no harm, and other parameters of a field of the same type may be of
    an earlier release or of other settings.
    """
    found = []
    if (dynamic := _plain(there.get("dynamic", "true"))) != _plain(wanted["dynamic"]):
        found.append(Difference("dynamic", dynamic, _plain(wanted["dynamic"])))
    found += [
        Difference(name, _shown(there[name]), None, stays=True)
        for name in ("_source", "_routing")
        if there.get(name)
    ]
    return [*found, *_of_fields(wanted["properties"], there.get("properties") or {})]


def missing(wanted: Body, there: Body) -> dict[str, Any]:
    """What the mapping of an index can be given to differ less: the body of a request."""
    return {**wanted, "properties": _missing(wanted["properties"], there.get("properties") or {})}


def _missing(wanted: Body, there: Body) -> dict[str, Any]:
    """The wanted fields that are not there. No other parameters can be given to one that is."""
    made = {}
    for name, field in wanted.items():
        known = there.get(name)
        if known is None:
            made[name] = field
        elif "properties" in field and "properties" in known:
            inner = {"properties": _missing(field["properties"], known["properties"])}
            own = {"dynamic": False} if _own_dynamic(known) else {}
            if inner["properties"] or own:
                made[name] = {**own, **inner}
    return made


def _own_dynamic(field: Body) -> str:
    """The `dynamic` of an object, where it is not that of ours; empty otherwise."""
    own = _plain(field.get("dynamic", "false"))
    return "" if own == "false" else str(own)


def _of_fields(wanted: Body, there: Body, before: str = "") -> Iterator[Difference]:
    for name, field in wanted.items():
        path, known = f"{before}{name}", there.get(name)
        if known is None:
            yield Difference(path, None, field.get("type", "object"))
        elif "properties" in field and "properties" in known:
            if own := _own_dynamic(known):
                yield Difference(f"{path}.dynamic", own, "false")
            if _plain(known.get("enabled", "true")) == "false":
                yield Difference(f"{path}.enabled", "false", "true", stays=True)
            yield from _of_fields(field["properties"], known["properties"], f"{path}.")
        elif (kind := known.get("type", "object")) != (ours := field.get("type", "object")):
            yield Difference(path, kind, ours, stays=True)
        else:
            yield from _of_parameters(path, field, known)


def _of_parameters(path: str, field: Body, known: Body) -> Iterator[Difference]:
    """Those by which a field is not found that is found otherwise."""
    for name in ("index", "doc_values"):
        lost = _plain(known.get(name, "true")) == "false"
        by_choice = name == "index" and path in mappings.DOC_VALUES_ONLY
        if lost and not by_choice and _plain(field.get(name, "true")) != "false":
            yield Difference(f"{path}.{name}", "false", "true", stays=True)
    if field.get("path") != known.get("path"):
        yield Difference(f"{path}.path", str(known.get("path")), str(field.get("path")), stays=True)


def _comparable(body: Body) -> dict[str, Any]:
    inside = body.get("template") or {}
    made = {
        "index_patterns": sorted(body["index_patterns"]),
        "priority": _priority(body),
        "aliases": inside.get("aliases") or {},
        "mappings": inside.get("mappings") or {},
        "settings": _flat(inside.get("settings") or {}),
    }
    return made | ({"data_stream": body["data_stream"]} if "data_stream" in body else {})


def _priority(body: Body) -> int:
    return int(body.get("priority") or 0)


def _is_ours(setting: str) -> bool:
    return setting in _OURS or setting.startswith(_OURS_BELOW)


def _flat(settings: Body, before: str = "") -> dict[str, Any]:
    """Settings by their dotted names, without `index.`.

    >>> _flat({"index": {"sort": {"field": ["a"]}}, "index.codec": "default"})
    {'sort.field': ['a'], 'codec': 'default'}
    """
    made: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping):
            made |= _flat(value, f"{path}.")
        else:
            made[path.removeprefix("index.")] = value
    return made


def _between(asked: Any, found: Any, path: str = "") -> Iterator[Difference]:
    """The values that differ, by their paths. Of what is missing whole, only its own."""
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        for name in sorted({*_members(asked), *_members(found)}):
            inner = path if name == "properties" else f"{path}.{name}".removeprefix(".")
            yield from _between(_members(asked).get(name), _members(found).get(name), inner)
    elif _plain(asked) != _plain(found):
        yield Difference(path, _shown(found), _shown(asked))


def _members(value: Body) -> Body:
    """The members of an object; that it is one is the default where it has fields, and of the
    settings and aliases an absent one is the same as none."""
    if "properties" in value and value.get("type") == "object":
        value = {name: each for name, each in value.items() if name != "type"}
    return {name: each for name, each in value.items() if each is not None}


def _plain(value: Any) -> Any:
    """A value as engines return it: a list of one as that one, and a scalar as text."""
    if isinstance(value, list):
        return _plain(value[0]) if len(value) == 1 else [_plain(each) for each in value]
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, Mapping) else str(value)


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Mapping) and "type" in value:
        return str(value["type"])
    plain = _plain(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
