"""A map of where calls come from, drawn by Vega from country shapes in the specification.

It queries the cluster itself (with the dashboard's query, filters and time), shades countries by
their number of events and puts a circle at the middle of each country's addresses, which also shows
the places that are too small for a shape. A click filters the dashboard by that country.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboards import world
from dashboards.data_view import EVENTS, DataView
from dashboards.palette import BLUE, RED
from dashboards.saved_object import SavedObject
from dashboards.vega import add_filter, asked, vega_object

_CODE, _NAME, _PLACE = "geolocation.country_code", "geolocation.country", "geolocation.location"
_LINE = "rgba(128,128,128,0.5)"
_LAND = "rgba(128,128,128,0.22)"
MOST_COUNTRIES = 250


def aggregations() -> dict[str, Any]:
    """The map's query: events of each country, how many failed, and the centre of their
    locations."""
    return {
        "countries": {
            "terms": {"field": _CODE, "size": MOST_COUNTRIES},
            "aggs": {
                "name": {"terms": {"field": _NAME, "size": 1}},
                "middle": {"geo_centroid": {"field": _PLACE}},
                "failed": {"filter": {"term": {"event.outcome": "failure"}}},
            },
        }
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldMap:
    """The map as a panel."""

    id: str
    title: str
    question: str
    view: DataView = EVENTS

    @property
    def views(self) -> tuple[DataView, ...]:
        return (self.view,)

    def saved_object(self) -> SavedObject:
        return vega_object(self.id, self.title, self.question, specification(self.view))


def specification(view: DataView) -> dict[str, Any]:
    """The Vega specification."""
    pick = add_filter(view, _CODE, "picked")
    return {
        "padding": 0,
        "signals": [
            {
                "name": "picked",
                "value": "",
                "on": [
                    {
                        "events": "@circle:click, @country:click",
                        "update": "datum.events ? datum.code : ''",
                        "force": True,
                    }
                ],
            },
            {
                "name": "filtered",
                "on": [{"events": {"signal": "picked"}, "update": f"picked ? {pick} : null"}],
            },
        ],
        "data": [_shapes_alone(), _events(view), _countries()],
        "projections": [
            {
                "name": "world",
                "type": "equalEarth",
                "fit": {"signal": "data('shapes')"},
                "size": {"signal": "[width, height]"},
            }
        ],
        "scales": [
            {
                "name": "shade",
                "type": "log",
                "domain": {"signal": "[1, max(10, extent ? extent[1] : 0)]"},
                "range": ["rgba(58,135,200,0.25)", "rgba(58,135,200,0.8)"],
            },
            {
                "name": "area",
                "type": "sqrt",
                "domain": {"signal": "[0, max(10, extent ? extent[1] : 0)]"},
                "range": [20, 500],
            },
        ],
        "marks": [_shapes(), _circles()],
    }


def _events(view: DataView) -> dict[str, Any]:
    return {
        "name": "events",
        "url": asked(view, aggregations()),
        "format": {"property": "aggregations.countries.buckets"},
        "transform": [
            {"type": "formula", "as": "code", "expr": "datum.key"},
            {"type": "formula", "as": "events", "expr": "datum.doc_count"},
            {"type": "formula", "as": "bad", "expr": "datum.failed.doc_count"},
            {
                "type": "formula",
                "as": "country",
                "expr": "length(datum.name.buckets) ? datum.name.buckets[0].key : datum.key",
            },
            {"type": "filter", "expr": "datum.middle.location"},
            {
                "type": "geopoint",
                "projection": "world",
                "fields": [
                    {"expr": "datum.middle.location.lon"},
                    {"expr": "datum.middle.location.lat"},
                ],
            },
            {"type": "extent", "field": "events", "signal": "extent"},
        ],
    }


def _shapes_alone() -> dict[str, Any]:
    """The shapes that the projection is fitted to; they must not depend on projected data."""
    return {
        "name": "shapes",
        "values": world.topology(),
        "format": {"type": "topojson", "feature": "countries"},
    }


def _countries() -> dict[str, Any]:
    return {
        "name": "countries",
        "source": "shapes",
        "transform": [
            {
                "type": "lookup",
                "from": "events",
                "key": "code",
                "fields": ["id"],
                "values": ["events", "bad", "code", "country"],
            }
        ],
    }


_TOOLTIP = (
    "datum.events ? {title: datum.country, Events: format(datum.events, ','), "
    "Failed: format(datum.bad, ',')} : null"
)
_CURSOR = "datum.events ? 'pointer' : 'default'"


def _shapes() -> dict[str, Any]:
    return {
        "name": "country",
        "type": "shape",
        "from": {"data": "countries"},
        "encode": {
            "enter": {"stroke": {"value": _LINE}, "strokeWidth": {"value": 0.5}},
            "update": {
                "fill": [
                    {"test": "datum.events > 0", "scale": "shade", "field": "events"},
                    {"value": _LAND},
                ],
                "tooltip": {"signal": _TOOLTIP},
                "cursor": {"signal": _CURSOR},
            },
        },
        "transform": [{"type": "geoshape", "projection": "world"}],
    }


def _circles() -> dict[str, Any]:
    """Red where more calls fail than succeed."""
    return {
        "name": "circle",
        "type": "symbol",
        "from": {"data": "events"},
        "encode": {
            "update": {
                "x": {"field": "x"},
                "y": {"field": "y"},
                "size": {"scale": "area", "field": "events"},
                "fill": {"signal": f"2 * datum.bad > datum.events ? '{RED}' : '{BLUE}'"},
                "fillOpacity": {"value": 0.75},
                "stroke": {"value": "white"},
                "strokeWidth": {"value": 0.75},
                "tooltip": {"signal": _TOOLTIP},
                "cursor": {"signal": _CURSOR},
            }
        },
    }
