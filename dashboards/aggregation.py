"""The aggregations of a panel: metrics (`Measure`) and buckets (`Grouping`), under Dashboards'
names.

A measure is a number for each group (`count`, `unique`, `total`, …); a grouping forms the groups
(`by_time`, `terms`, `steps`, `cases`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Measure:
    """A number for each group."""

    kind: str
    label: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How documents are divided into groups. `params` are those of the aggregation `kind`."""

    kind: str
    label: str
    params: Mapping[str, Any] = field(default_factory=dict)


def count(label: str = "Events") -> Measure:
    """How many documents."""
    return Measure("count", label)


def unique(field: str, label: str) -> Measure:
    """The approximate number of different values."""
    return Measure("cardinality", label, {"field": field})


def total(field: str, label: str) -> Measure:
    """The sum of a number."""
    return Measure("sum", label, {"field": field})


def highest(field: str, label: str) -> Measure:
    """The greatest number, or the latest date."""
    return Measure("max", label, {"field": field})


def lowest(field: str, label: str) -> Measure:
    """The least number, or the earliest date."""
    return Measure("min", label, {"field": field})


def percentiles(field: str, label: str) -> Measure:
    """The median, and the 95th percentile."""
    return Measure("percentiles", label, {"field": field, "percents": [50, 95]})


def latest(field: str, label: str, *, by: str = "last_seen") -> Measure:
    """The value or values of the latest document, by the field `by`: for tables of single
    documents."""
    return Measure(
        "top_hits",
        label,
        {
            "field": field,
            "aggregate": "concat",
            "size": 1,
            "sortField": by,
            "sortOrder": "desc",
        },
    )


def by_time(field: str = "@timestamp") -> Grouping:
    """Intervals of time, whose length depends on the chosen time range."""
    return Grouping(
        "date_histogram",
        "Time",
        {
            "field": field,
            "useNormalizedOpenSearchInterval": True,
            "scaleMetricValues": False,
            "interval": "auto",
            "drop_partials": False,
            "min_doc_count": 1,
            "extended_bounds": {},
        },
    )


def steps(field: str, width: int, label: str, *, low: int, high: int) -> Grouping:
    """Steps of a number, each `width` wide; those from `low` to `high` show even if empty."""
    return Grouping(
        "histogram",
        label,
        {
            "field": field,
            "interval": width,
            "min_doc_count": True,
            "has_extended_bounds": True,
            "extended_bounds": {"min": low, "max": high},
        },
    )


def terms(field: str, size: int, label: str, *, by: int = 0) -> Grouping:
    """The `size` values with the highest measure (`by`: its position)."""
    return Grouping(
        "terms",
        label,
        {
            "field": field,
            "orderBy": str(by + 1),
            "order": "desc",
            "size": size,
            "otherBucket": False,
            "otherBucketLabel": "others",
            "missingBucket": False,
            "missingBucketLabel": "none",
        },
    )


def by_severity() -> Grouping:
    """Alerts by their severity, the most severe first."""
    grouping = terms("severity", 10, "Severity")
    return Grouping(grouping.kind, grouping.label, {**grouping.params, "orderBy": "_key"})


def cases(**queries: str) -> Grouping:
    """A group for each query: label → Lucene query. A group without documents shows 0.

    Underscores in a label become spaces.
    """
    return Grouping(
        "filters",
        "",
        {
            "filters": [
                {"label": name.replace("_", " "), "input": {"query": query, "language": "lucene"}}
                for name, query in queries.items()
            ]
        },
    )


def levels() -> Grouping:
    """Alerts by level, always in this order."""
    names = ("critical", "high", "medium", "low", "informational")
    return cases(**{name: f"level:{name}" for name in names})


def numbered(measures: Sequence[Measure], groupings: Sequence[tuple[str, Grouping]]) -> list[Any]:
    """`aggs` of a visState: ids from 1, measures first; groupings come with their schema."""
    made: list[dict[str, Any]] = [
        _entry(str(number), measure.kind, "metric", measure.label, measure.params)
        for number, measure in enumerate(measures, 1)
    ]
    for number, (schema, grouping) in enumerate(groupings, len(measures) + 1):
        params = grouping.params
        made.append(_entry(str(number), grouping.kind, schema, grouping.label, params))
    return made


def _entry(
    number: str, kind: str, schema: str, label: str, params: Mapping[str, Any]
) -> dict[str, Any]:
    named = {**params, "customLabel": label} if label else dict(params)
    return {"id": number, "enabled": True, "type": kind, "schema": schema, "params": named}
