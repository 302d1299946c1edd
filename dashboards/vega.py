"""Common parts of Vega panels: they query the cluster themselves, and filter by click."""

from __future__ import annotations

from typing import Any

from dashboards.data_view import DataView
from dashboards.panel import visualization
from dashboards.saved_object import SavedObject, compact, search_source


def vega_object(name: str, title: str, question: str, spec: dict[str, Any]) -> SavedObject:
    """The saved object, for Vega 5, which later versions of Vega accept as well.

    The specification names the data view by its title.
    """
    head = {
        "$schema": "https://vega.github.io/schema/vega/v5.json",
        "usermeta": {"opensearchDashboards": {"hideWarnings": True}},
        "config": {},
        "autosize": {"type": "fit", "contains": "padding"},
    }
    return visualization(
        name,
        title,
        question,
        {"type": "vega", "aggs": [], "params": {"spec": compact({**head, **spec})}},
        {},
        search_source("", "lucene", view=False),
        (),
    )


def asked(view: DataView, aggregations: dict[str, Any]) -> dict[str, Any]:
    """A request with the dashboard's query, filters and time range."""
    return {
        "%context%": True,
        "%timefield%": view.time_field,
        "index": view.title,
        "body": {"size": 0, "aggs": aggregations},
    }


def add_filter(view: DataView, field: str, value: str) -> str:
    """The expression that filters the dashboard by `value`, itself an expression."""
    return (
        f"opensearchDashboardsAddFilter({{match_phrase: {{'{field}': {value}}}}}, '{view.title}')"
    )
