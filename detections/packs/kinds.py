"""The kinds of rule that Sigma lacks: which key under `trailhound:` is read by which parser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from detections.kinds import anomaly, new_terms, travel
from detections.rule import Kind

Parser = Callable[[Mapping[str, Any]], Any]
"""A mapping as it stands in a rule → the kind's own dataclass. Raises `RuleError`."""

KINDS: Mapping[Kind, Parser] = MappingProxyType(
    {
        "new_terms": new_terms.parse,
        "anomaly": anomaly.parse,
        "impossible_travel": travel.parse,
    }
)
"""The key, which is the kind's name, → what reads what stands under it."""

OPTIONS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "sigma": (),
        "correlation": ("timespan", "threshold"),
        "new_terms": ("field", "per", "days", "learn"),
        "anomaly": (
            *("per", "measure", "field", "baseline", "minutes", "deviations", "least"),
            *("weeks", "learn"),
        ),
        "impossible_travel": ("per", "max_kmh", "min_km"),
    }
)
"""What settings may change of a rule of each kind; of our own kinds, all that they take."""
