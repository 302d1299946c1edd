"""What a Sigma rule becomes: a query, and where the query is not exact, who decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detections.matcher import SigmaMatcher

Query = dict[str, Any]
"""A clause of OpenSearch's query DSL."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """`query` matches every event that the rule matches.

    Where it may match more (a comparison of numbers inside a `flat_object`, a field reference, a
    regular expression beyond Lucene's), `decide` is asked of each hit's `_source`; it is None
    where the query is exact.
    """

    query: Query
    decide: SigmaMatcher | None = None
