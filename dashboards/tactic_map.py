"""ATT&CK tactics over time: a heatmap drawn by Vega, with the number in each cell.

The lowest colour of Dashboards' own heatmap is white, like an empty cell. A click on a cell filters
the dashboard by its tactic and its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboards.data_view import ALERTS, DataView
from dashboards.palette import BLUE
from dashboards.saved_object import SavedObject
from dashboards.vega import add_filter, asked, vega_object

TACTICS = (
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
)
"""In the order of MITRE ATT&CK for Enterprise, from top to bottom of the heatmap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TacticMap:
    """The heatmap as a panel."""

    id: str
    title: str
    question: str
    view: DataView = ALERTS

    @property
    def views(self) -> tuple[DataView, ...]:
        return (self.view,)

    def saved_object(self) -> SavedObject:
        return vega_object(self.id, self.title, self.question, specification(self.view))


def aggregations(view: DataView) -> dict[str, Any]:
    """Alerts by time and tactic; every step of the chosen time range, empty ones too."""
    return {
        "time": {
            "date_histogram": {
                "field": view.time_field,
                "interval": {"%autointerval%": 50},
                "min_doc_count": 0,
                "extended_bounds": {
                    "min": {"%timefilter%": "min"},
                    "max": {"%timefilter%": "max"},
                },
            },
            "aggs": {"tactic": {"terms": {"field": "attack.tactic", "size": len(TACTICS)}}},
        }
    }


def specification(view: DataView) -> dict[str, Any]:
    """The Vega specification."""
    tactic = add_filter(view, "attack.tactic", "picked.tactic")
    time = "opensearchDashboardsSetTimeFilter(picked.key, picked.key + step)"
    return {
        "padding": 5,
        "signals": [
            {
                "name": "step",
                "update": "length(data('steps')) > 1 ? data('steps')[1].key - data('steps')[0].key"
                " : 3600000",
            },
            {
                "name": "picked",
                "value": None,
                "on": [{"events": "@cell:click, @count:click", "update": "datum", "force": True}],
            },
            {
                "name": "filtered",
                "on": [
                    {
                        "events": {"signal": "picked"},
                        "update": f"picked ? [{tactic}, {time}] : null",
                    }
                ],
            },
        ],
        "data": _data(view),
        "scales": [
            {
                "name": "x",
                "type": "time",
                "range": "width",
                "domain": {
                    "signal": "length(data('steps')) ? [data('steps')[0].key,"
                    " peek(data('steps')).key + step] : [now() - step, now()]"
                },
            },
            {
                "name": "y",
                "type": "band",
                "range": "height",
                "padding": 0.12,
                "domain": {
                    "data": "cells",
                    "field": "tactic",
                    "sort": {"op": "min", "field": "order"},
                },
            },
            {
                "name": "heat",
                "type": "log",
                "domain": {"signal": "[1, max(10, most ? most[1] : 1)]"},
                "range": [0.45, 1],
            },
        ],
        "axes": [
            {"orient": "bottom", "scale": "x", "labelOverlap": True, "tickCount": 8},
            {"orient": "left", "scale": "y", "domain": False, "ticks": False},
        ],
        "marks": [_cells(), _counts()],
    }


def _data(view: DataView) -> list[dict[str, Any]]:
    order = f"indexof({list(TACTICS)}, datum.tactic)"
    return [
        {
            "name": "steps",
            "url": asked(view, aggregations(view)),
            "format": {"property": "aggregations.time.buckets"},
        },
        {
            "name": "cells",
            "source": "steps",
            "transform": [
                {"type": "flatten", "fields": ["tactic.buckets"], "as": ["found"]},
                {"type": "formula", "as": "tactic", "expr": "datum.found.key"},
                {"type": "formula", "as": "alerts", "expr": "datum.found.doc_count"},
                {"type": "formula", "as": "order", "expr": order},
                {"type": "extent", "field": "alerts", "signal": "most"},
            ],
        },
    ]


_TOOLTIP = {
    "signal": "{title: datum.tactic, Alerts: datum.alerts,"
    " From: timeFormat(datum.key, '%Y-%m-%d %H:%M')}"
}


def _cells() -> dict[str, Any]:
    return {
        "name": "cell",
        "type": "rect",
        "from": {"data": "cells"},
        "encode": {
            "update": {
                "x": {"scale": "x", "field": "key"},
                "x2": {"scale": "x", "signal": "datum.key + step", "offset": -1},
                "y": {"scale": "y", "field": "tactic"},
                "height": {"scale": "y", "band": 1},
                "fill": {"value": BLUE},
                "fillOpacity": {"scale": "heat", "field": "alerts"},
                "tooltip": _TOOLTIP,
                "cursor": {"value": "pointer"},
            }
        },
    }


def _counts() -> dict[str, Any]:
    """The number in a cell, if there is room for it."""
    return {
        "name": "count",
        "type": "text",
        "from": {"data": "cells"},
        "encode": {
            "update": {
                "x": {"scale": "x", "signal": "datum.key + step / 2"},
                "y": {"scale": "y", "field": "tactic", "band": 0.5},
                "align": {"value": "center"},
                "baseline": {"value": "middle"},
                "fontSize": {"value": 10},
                "fill": {"value": "white"},
                "text": {
                    "signal": "bandwidth('y') > 11 && datum.alerts > 1 &&"
                    " scale('x', datum.key + step) - scale('x', datum.key) > 7"
                    " * length('' + datum.alerts) ? datum.alerts : ''"
                },
                "tooltip": _TOOLTIP,
                "cursor": {"value": "pointer"},
            }
        },
    }
