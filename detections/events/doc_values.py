"""The values of an event's mapped fields as the engine's doc values have them, without an engine.

`FieldReader` reads them from a hit; `holds` decides the few kinds of clauses that choose events by
them (`detections.events.principal`). tests/integration/test_offline.py compares both with the
engine.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from detections.compiled import Query
from detections.event_fields import named
from detections.events.fields import field_type, groupable
from detections.matcher.event_values import Record, text, values_at
from trailhound.errors import RuleError


class DocValues(Mapping[str, list[Any]]):
    """Field → its values, each once, in order; no member where an event has none."""

    def __init__(self, source: Record) -> None:
        self._source = source

    def __getitem__(self, path: str) -> list[Any]:
        found = _values(path)(self._source) if groupable(path) else []
        if not found:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("fields are read by name")

    def __len__(self) -> int:
        raise NotImplementedError("fields are read by name")


@lru_cache(maxsize=1024)
def _values(path: str) -> Callable[[Record], list[Any]]:
    collect = values_at(named(path))
    kind = field_type(path)
    if kind == "ip":
        return lambda source: sorted({_address(text(each)) for each in collect(source)})
    if kind == "keyword":
        return lambda source: sorted({text(each) for each in collect(source)})
    return lambda source: sorted({each for each in collect(source) if not isinstance(each, str)})


def _address(written: str) -> str:
    """An address as the engine gives it back: IPv6 in its short form, IPv4 within it bare."""
    try:
        found = ipaddress.ip_address(written)
    except ValueError:
        return written
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def holds(query: Query, values: Mapping[str, list[Any]]) -> bool:
    """Whether an event with these values passes a clause: `bool`, `exists`, `term`, `terms`,
    `wildcard` and `regexp` on keywords. Raises `RuleError` for any other kind.

    >>> holds({"bool": {"must_not": [{"term": {"a": "x"}}]}}, {"a": ["y"]})
    True
    """
    ((kind, body),) = query.items()
    match kind:
        case "bool":
            must = [*body.get("filter", ()), *body.get("must", ())]
            should = body.get("should", ())
            return (
                all(holds(each, values) for each in must)
                and not any(holds(each, values) for each in body.get("must_not", ()))
                and (not should or any(holds(each, values) for each in should))
            )
        case "exists":
            return bool(values.get(body["field"]))
        case "term" | "terms" | "regexp" | "wildcard":
            ((path, wanted),) = body.items()
            found = values.get(path, [])
            if kind == "wildcard":
                wanted = re.escape(wanted).replace(r"\*", ".*").replace(r"\?", ".")
                return any(re.fullmatch(wanted, each, re.DOTALL) for each in found)
            if kind == "regexp":
                return any(re.fullmatch(wanted, each) for each in found)
            return any(each in found for each in ([wanted] if kind == "term" else wanted))
    raise RuleError(
        f"a clause {kind!r} can be decided by the cluster only", hint="report the rule, please"
    )
