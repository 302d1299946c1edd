"""Hits made of doc values alone, where nothing else of the stored record is needed.

The stored record and the `_id` of an event lie in compressed blocks of many events, one of which
has to be decompressed for nearly every hit: that is most of what a search with many hits costs. Doc
values of a dozen fields cost a tenth of it. They give the `_id` too: it is the eventID, unless that
is no UUID (`ingest.documents.document_id`), or the event is in conflict with another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from detections.span import moment
from enrich.uuids import is_uuid
from trailhound.cluster.mappings import EVENT
from trailhound.cluster.reader import Hit

_TIME: Final = "@timestamp"
_ID: Final = "eventID"
_CONFLICT: Final = "trail.conflict"
_BESIDE: Final = (_ID, _CONFLICT, {"field": _TIME, "format": "epoch_millis"})
_TYPES: Final = frozenset({"keyword", "ip", "byte", "integer", "long"})
_ROOTS: Final = frozenset(
    {
        *("userIdentity", "user", "user_type", "user_agent", "recipientAccountId", "awsRegion"),
        *("eventSource", "eventName", "errorCode", "sharedEventID", "event", "sourceIPAddress"),
        *("source", "resource", "grants", "risk_score", "trail", _TIME),
    }
)
"""Members whose doc values are what the record has: texts and whole numbers, in no array of
objects."""
_LISTS: Final = frozenset({"resource"})
"""Members whose values are always in a list."""


class Mapped(list[str]):
    """As `_source` of a request: members of the record of which what the mapping names is enough.
    Of an object, what it does not name may be missing."""


def light_search(request: Mapping[str, Any]) -> LightEvents | None:
    """The search by doc values in place of `_source`, where that is `Mapped` or not requested; None
    if these do not have all that is requested."""
    source = request.get("_source", True)
    if set(request) - {"_source", "docvalue_fields"}:
        return None
    if source and not isinstance(source, Mapped):
        return None
    members = tuple(source or ())
    paths = _leaves(members)
    if paths is None:
        return None
    wanted = [*request.get("docvalue_fields", ()), *(path for path in paths if path != _TIME)]
    texts = dict.fromkeys(each for each in (*wanted, *_BESIDE) if isinstance(each, str))
    others = [each for each in (*wanted, *_BESIDE) if not isinstance(each, str)]
    return LightEvents([*texts, *others], _places(members))


class LightEvents:
    """Such a search of the daily indices; a `trailhound.cluster.snapshot.LightSearch`."""

    def __init__(self, fields: Sequence[Any], places: Mapping[str, _Place]) -> None:
        """`fields`: the doc values to request. `places`: where in `_source` their values belong;
        empty if `_source` was not requested."""
        self._places = places
        self._body = {"_source": False, "stored_fields": "_none_", "docvalue_fields": list(fields)}

    @property
    def body(self) -> Mapping[str, Any]:
        """Asks for doc values alone."""
        return self._body

    def hits(self, found: Sequence[Hit]) -> list[Hit] | None:
        """With `_id`, and with `_source` where that was requested. None if the `_id` of one is not
        its eventID."""
        made: list[Hit] = []
        for hit in found:
            values = hit.get("fields", {})
            name = (values.get(_ID) or [""])[0]
            if _CONFLICT in values or not is_uuid(name):
                return None
            full = {**hit, "_id": name}
            if self._places:
                full["_source"] = _source(values, self._places)
            made.append(full)
        return made

    def ordered(self, hits: Sequence[Hit]) -> list[Hit]:
        """As `detections.events.index.SORT` has them: of one time and one eventID there is but one
        event, since it is the `_id`, and a day has one index."""
        made: list[Hit] = [
            {**hit, "sort": [int(hit["fields"][_TIME][0]), hit["_id"]]} for hit in hits
        ]
        made.sort(key=_in_order)
        return made


_in_order = itemgetter("sort")


@lru_cache(maxsize=64)
def _leaves(paths: tuple[str, ...]) -> tuple[str, ...] | None:
    """The fields under some paths; None if one of them has no doc values that say the same."""
    found: list[str] = []
    for path in paths:
        if path.split(".")[0] not in _ROOTS:
            return None
        node: Mapping[str, Any] = EVENT
        for name in path.split("."):
            node = node.get("properties", {}).get(name, {})
        below = _below(path, node)
        if not below:
            return None
        found += below
    return tuple(dict.fromkeys(found))


def _below(path: str, node: Mapping[str, Any]) -> list[str]:
    if "properties" in node:
        return [
            leaf
            for name, inner in node["properties"].items()
            for leaf in _below(f"{path}.{name}", inner)
        ]
    kind = node.get("type")
    return [path] if kind in _TYPES or path == _TIME else []


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the value of a field is in the record."""

    above: tuple[str, ...]
    name: str
    listed: bool


@lru_cache(maxsize=64)
def _places(paths: tuple[str, ...]) -> Mapping[str, _Place]:
    """By field, for all fields under some paths."""
    made: dict[str, _Place] = {}
    for path in _leaves(paths) or ():
        *above, name = path.split(".")
        made[path] = _Place(tuple(above), name, path.split(".")[0] in _LISTS)
    return made


def _source(values: Mapping[str, Any], places: Mapping[str, _Place]) -> dict[str, Any]:
    """The record's members at some places."""
    made: dict[str, Any] = {}
    for path, found in values.items():
        place = places.get(path)
        if place is None:
            continue
        at = made
        for name in place.above:
            at = at.setdefault(name, {})
        if path == _TIME:
            at[place.name] = _written(int(found[0]))
        else:
            at[place.name] = found if place.listed or len(found) > 1 else found[0]
    return made


def _written(milliseconds: int) -> str:
    exact = "milliseconds" if milliseconds % 1000 else "seconds"
    return moment(milliseconds).isoformat(timespec=exact).replace("+00:00", "Z")
