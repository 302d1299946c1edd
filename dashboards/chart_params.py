"""How each kind of chart is drawn: the `params` of a visState.

Written out in full, as Dashboards itself saves them: a server fills in no defaults on import.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from dashboards.aggregation import Measure

ChartType = Literal["bars", "rows", "line", "area", "ring", "table", "numbers"]

VIS_TYPE: dict[ChartType, str] = {
    "bars": "histogram",
    "rows": "horizontal_bar",
    "line": "line",
    "area": "area",
    "ring": "pie",
    "table": "table",
    "numbers": "metric",
}
"""Type of a `Chart` → Dashboards' name of the visualization type."""

SCHEMAS: dict[ChartType, tuple[str, str]] = {
    "bars": ("segment", "group"),
    "rows": ("segment", "group"),
    "line": ("segment", "group"),
    "area": ("segment", "group"),
    "ring": ("segment", "segment"),
    "table": ("bucket", "bucket"),
    "numbers": ("group", "group"),
}
"""The roles that Dashboards gives to `by` and to `split`."""


def params(
    kind: ChartType, measures: Sequence[Measure], *, split: bool, rows: int
) -> dict[str, Any]:
    """The params of a panel. `rows` is how many a table shows on a page."""
    if kind == "table":
        return _table(rows)
    if kind == "numbers":
        return _NUMBERS
    if kind == "ring":
        return {
            "type": "pie",
            "addTooltip": True,
            "addLegend": True,
            "legendPosition": "right",
            "isDonut": True,
            "labels": {"show": False, "values": True, "last_level": True, "truncate": 100},
        }
    return _axes(kind, measures, split=split)


def _table(rows: int) -> dict[str, Any]:
    return {
        "perPage": rows,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
    }


_NUMBERS: dict[str, Any] = {
    "type": "metric",
    "addTooltip": True,
    "addLegend": False,
    "metric": {
        "percentageMode": False,
        "useRanges": False,
        "colorSchema": "Blues",
        "metricColorMode": "None",
        "colorsRange": [{"from": 0, "to": 10_000_000}],
        "labels": {"show": True},
        "invertColors": False,
        "style": {
            "bgFill": "#000",
            "bgColor": False,
            "labelColor": False,
            "subText": "",
            "fontSize": 30,
        },
    },
}


def _axes(kind: ChartType, measures: Sequence[Measure], *, split: bool) -> dict[str, Any]:
    """Bars, rows, lines and areas: one value axis, every measure a series on it."""
    lying = kind == "rows"
    shape = "histogram" if kind in ("bars", "rows") else kind
    stacked = "stacked" if kind in ("bars", "rows", "area") else "normal"
    return {
        "type": VIS_TYPE[kind],
        "grid": {"categoryLines": False, "valueAxis": "ValueAxis-1"},
        "categoryAxes": [
            {
                "id": "CategoryAxis-1",
                "type": "category",
                "position": "left" if lying else "bottom",
                "show": True,
                "style": {},
                "scale": {"type": "linear"},
                "labels": {"show": True, "rotate": 0, "filter": not lying, "truncate": 200},
                "title": {},
            }
        ],
        "valueAxes": [
            {
                "id": "ValueAxis-1",
                "name": "BottomAxis-1" if lying else "LeftAxis-1",
                "type": "value",
                "position": "bottom" if lying else "left",
                "show": True,
                "style": {},
                "scale": {"type": "linear", "mode": "normal"},
                "labels": {"show": True, "rotate": 0, "filter": True, "truncate": 100},
                "title": {"text": measures[0].label},
            }
        ],
        "seriesParams": [
            {
                "show": True,
                "type": shape,
                "mode": stacked,
                "data": {"label": measure.label, "id": str(number)},
                "valueAxis": "ValueAxis-1",
                "drawLinesBetweenPoints": True,
                "lineWidth": 2,
                "interpolate": "linear",
                "showCircles": True,
            }
            for number, measure in enumerate(measures, 1)
        ],
        "addTooltip": True,
        "addLegend": split or len(measures) > 1 or measures[0].kind == "percentiles",
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
        "labels": {"show": False},
        "thresholdLine": {
            "show": False,
            "value": 10,
            "width": 1,
            "style": "full",
            "color": "#98A2B3",
        },
    }
