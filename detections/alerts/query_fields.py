"""The fields of alerts that a Lucene query can name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from detections.alerts.document import PRIVATE
from detections.suggestions import did_you_mean
from trailhound.cluster.mappings import ALERT


def alert_field_fault(path: str) -> tuple[str, str] | None:
    """(what is wrong, what may be meant) with a field that no alert has.

    >>> alert_field_fault("rule.nam")[1], alert_field_fault("calls.name")
    ("did you mean 'rule.name'?", None)
    """
    known, named = _searched()
    if path in known:
        return None
    return (
        f"the index does not search the field {path!r}: no alert has it",
        did_you_mean(path, named, "see docs/alerts.md"),
    )


@cache
def _searched() -> tuple[frozenset[str], tuple[str, ...]]:
    """All fields that are searched, with the objects that they are in; those of them that
    messages name."""
    known = frozenset(_paths(ALERT["properties"]))
    return known, tuple(sorted(each for each in known if each.partition(".")[0] not in PRIVATE))


def _paths(properties: Any, before: str = "") -> Iterator[str]:
    for name, field in properties.items():
        if field.get("index") is False or field.get("enabled") is False:
            continue
        yield before + name
        yield from _paths(field.get("properties", {}), f"{before}{name}.")
