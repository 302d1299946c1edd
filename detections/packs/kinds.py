"""The kinds of rule that Sigma lacks: which key under `trailhound:` is read by which module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from detections.rule import Kind

Parser = Callable[[Mapping[str, Any]], Any]
"""A mapping as it stands in a rule → the kind's own dataclass. Raises `RuleError`."""

KINDS: Mapping[str, str] = {
    "new_terms": "detections.new_terms",
    "anomaly": "detections.anomaly",
    "impossible_travel": "detections.travel",
}
"""The key, which is the kind's name, → the module whose `parse` reads what stands under it."""


def parsed(key: str, content: Mapping[str, Any]) -> tuple[Kind, Any]:
    """The kind, and the definition that its module makes of `content`. Raises `RuleError`."""
    parse: Parser = import_module(KINDS[key]).parse
    return cast("Kind", key), parse(content)
