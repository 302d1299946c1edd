"""The report's charts: Vega-Lite specifications, drawn to SVG without a browser or a network."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from dashboards import world
from trailhound.errors import ReportError
from trailhound.report.event import BANDS, band_of
from trailhound.report.render.palette import BAND, GREY, INK, LAND, OUTCOME, QUIET, RED, RULE
from trailhound.report.render.svg import sanitized_svg
from trailhound.report.render.visible import visible
from trailhound.report.render.words import count, listed, when
from trailhound.report.value import Bar, CountryPoint, TimeBucket, Timeline

Spec = dict[str, Any]

WIDTH = 900
"""The width of a chart in its own units; the page scales it to its column."""

_CONFIG: Spec = {
    "aria": False,  # the drawing is one image, with our title and description
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelColor": QUIET,
        "titleColor": QUIET,
        "gridColor": RULE,
        "domainColor": GREY,
        "tickColor": GREY,
    },
    # Room between entries: the reader's font may be wider than the measured one.
    "legend": {
        "labelFontSize": 11,
        "labelColor": INK,
        "title": None,
        "orient": "top",
        "columnPadding": 40,
    },
    "text": {"fontSize": 11, "color": INK},
}

_ALIGNED = {"minExtent": 44, "maxExtent": 44}
"""Aligns charts of the same time, one above the other."""

_FEW = 5
_DAY = timedelta(days=1)


def events_over_time(timeline: Timeline) -> Markup:
    """Bars of events, stacked by outcome."""
    parts = {"success": "success", "failure": "failure", "other": "unknown"}
    total = sum(slot.success + slot.failure + slot.other for slot in timeline.slots)
    return _over_time(
        "events-time", "Events over time, by outcome", timeline, parts, OUTCOME, "event", total, 170
    )


def failures_over_time(timeline: Timeline) -> Markup:
    """Bars of failed calls, on their own scale, so that they are visible."""
    total = sum(slot.failure for slot in timeline.slots)
    parts, colours = {"failure": "failure"}, {"failure": OUTCOME["failure"]}
    return _over_time(
        "failures-time",
        "Failed calls over time",
        timeline,
        parts,
        colours,
        "failed call",
        total,
        90,
    )


def alerts_over_time(timeline: Timeline) -> Markup:
    """Bars of alerts, stacked by band, at the time of their first event."""
    parts: dict[str, str] = {name: name for name in reversed(BANDS)}
    total = sum(slot.high + slot.medium + slot.low for slot in timeline.slots)
    return _over_time(
        "alerts-time", "Alerts over time, by level", timeline, parts, BAND, "alert", total, 110
    )


def risk_histogram(bars: Sequence[Bar]) -> Markup:
    """Events by risk score. The scale is logarithmic, since most events are harmless."""
    values = [
        {"score": bar.score, "events": bar.events, "band": band_of(bar.score)} for bar in bars
    ]
    top = max((bar.events for bar in bars), default=0)
    encoding: Spec = {
        "x": {
            "field": "score",
            "type": "ordinal",
            "axis": {"title": "risk score", "labelAngle": 0, "ticks": False},
        },
        "y": {
            "field": "events",
            "type": "quantitative",
            "scale": {"type": "symlog", "domain": [0, max(1, top) * 2]},
            "axis": {
                "title": "events (logarithmic)",
                "values": [10**power for power in range(len(str(top)))],
                "format": ",d",
            },
        },
    }
    spec = {
        "width": 380,
        "height": 260,
        "data": {"values": values},
        "encoding": encoding,
        "layer": [
            {
                "mark": {"type": "bar", "width": {"band": 0.8}},
                "encoding": {"color": _colours(BAND, legend=True)},
            },
            {
                "mark": {"type": "text", "dy": -7, "fontSize": 10},
                "encoding": {"text": {"field": "events", "format": ",d"}},
            },
        ],
    }
    counts = [f"{bar.score}: {bar.events:,}" for bar in bars]
    return _draw(
        spec,
        "risk",
        "Events by risk score",
        f"Bars from score 1 to {len(bars)}. Events by score: {'; '.join(counts)}.",
    )


def world_map(spots: Sequence[CountryPoint]) -> Markup:
    """A circle for each country, its area by events, with a red rim if any has a high risk."""
    places = [
        {
            "longitude": spot.longitude,
            "latitude": spot.latitude,
            "events": spot.events,
            "rim": "with events of high risk" if spot.high_risk else "without",
        }
        for spot in spots
    ]
    rims = {"with events of high risk": RED, "without": "#1f4e79"}
    circles: Spec = {
        "data": {"values": places},
        "mark": {"type": "circle", "fill": OUTCOME["success"], "fillOpacity": 0.55},
        "encoding": {
            "longitude": {"field": "longitude", "type": "quantitative"},
            "latitude": {"field": "latitude", "type": "quantitative"},
            "size": {
                "field": "events",
                "type": "quantitative",
                "scale": {"type": "sqrt", "rangeMin": 25, "rangeMax": 900},
                "legend": None,
            },
            "stroke": _colours(rims, field="rim", legend=True),
            "strokeWidth": {
                "condition": {"test": f"datum.rim === '{next(iter(rims))}'", "value": 2.4},
                "value": 0.8,
            },
            "order": {"field": "events", "sort": "descending"},
        },
    }
    land: Spec = {
        "data": {
            "values": world.topology(),
            "format": {"type": "topojson", "feature": "countries"},
        },
        "mark": {"type": "geoshape", "fill": LAND, "stroke": "white", "strokeWidth": 0.6},
    }
    spec = {
        "width": 620,
        "height": 285,
        # Set so that the shapes from Cape Horn to Greenland fill the width.
        "projection": {"type": "naturalEarth1", "scale": 113, "translate": [310, 165]},
        "layer": [land, circles],
    }
    counts = listed([f"{spot.country} {spot.events:,}" for spot in spots], 12) if spots else "none"
    red = [spot.country for spot in spots if spot.high_risk]
    risky = f" Of high risk are some of {listed(red, 12)}." if red else ""
    return _draw(
        spec, "map", "Where events came from", f"A world map. Events by country: {counts}.{risky}"
    )


def _over_time(
    name: str,
    title: str,
    timeline: Timeline,
    parts: Mapping[str, str],
    colours: Mapping[str, str],
    noun: str,
    total: int,
    height: int,
) -> Markup:
    """Bars stacked in the order of `parts`: attributes of a time bucket and their names."""
    wide = timedelta(seconds=timeline.seconds)
    values = list(_stacked(timeline.slots, parts, wide))
    present = {each["part"] for each in values if each["top"] > each["bottom"]}
    shown = {key: colour for key, colour in colours.items() if key in present}
    start, end = timeline.slots[0].start, timeline.slots[-1].start + wide
    spec = {
        "width": WIDTH,
        "height": height,
        "data": {"values": [each for each in values if each["top"] > each["bottom"]]},
        "mark": {"type": "rect", "stroke": "white", "strokeWidth": 0.4},
        "encoding": {
            "x": {
                "field": "from",
                "type": "temporal",
                "scale": {"type": "utc", "domain": [_iso(start), _iso(end)]},
                "axis": {
                    "title": None,
                    "format": "%-d %b" if end - start > 3 * _DAY else "%-d %b %H:%M",
                    "grid": False,
                    "tickCount": 8,
                    "labelOverlap": True,
                },
            },
            "x2": {"field": "to"},
            "y": {
                "field": "bottom",
                "type": "quantitative",
                "axis": {"title": f"{noun}s", **_steps(values), **_ALIGNED},
            },
            "y2": {"field": "top"},
            "color": _colours(shown or dict(colours), field="part", legend=len(parts) > 1),
        },
    }
    return _draw(spec, name, title, _in_words(timeline, parts, noun, total))


def _steps(values: Iterable[Mapping[str, Any]]) -> Spec:
    """The ticks of the axis of counts: at each whole number if counts are small."""
    top = max((each["top"] for each in values), default=0)
    if top <= _FEW:
        return {"values": list(range(top + 1)), "format": "d"}
    return {"tickCount": 4, "format": "~s"}


def _stacked(
    slots: Iterable[TimeBucket], parts: Mapping[str, str], wide: timedelta
) -> Iterable[dict[str, Any]]:
    for slot in slots:
        bottom = 0
        for attribute, called in parts.items():
            top = bottom + getattr(slot, attribute)
            yield {
                "from": _iso(slot.start),
                "to": _iso(slot.start + wide),
                "bottom": bottom,
                "top": top,
                "part": called,
            }
            bottom = top


def _in_words(timeline: Timeline, parts: Mapping[str, str], noun: str, total: int) -> str:
    sums = {
        called: sum(getattr(slot, attribute) for slot in timeline.slots)
        for attribute, called in parts.items()
    }
    peak = max(timeline.slots, key=lambda slot: sum(getattr(slot, part) for part in parts))
    most = sum(getattr(peak, part) for part in parts)
    split = f" ({', '.join(f'{called} {n:,}' for called, n in sums.items())})" if sums else ""
    return (
        f"Bars of {_width(timeline.seconds)} each, from {when(timeline.slots[0].start)}: "
        f"{count(total, noun)}{split}. The tallest begins on {when(peak.start)}, with {most:,}."
    )


def _width(seconds: int) -> str:
    """The width of a time bucket in words.

    >>> _width(10800), _width(86400)
    ('3 hours', '1 day')
    """
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return count(seconds // size, unit)
    return count(seconds, "second")


def _colours(of: Mapping[str, str], *, field: str = "band", legend: bool) -> Spec:
    made: Spec = {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(of), "range": list(of.values())},
    }
    return made if legend else made | {"legend": None}


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _draw(spec: Spec, name: str, title: str, description: str) -> Markup:
    """A specification as an inline SVG. Raises `ReportError` without the library."""
    try:
        library = importlib.import_module("vl_convert")
    except ImportError:
        raise ReportError(
            "the charts can't be drawn: vl-convert-python is not installed",
            hint="install Trailhound with its extra `report`",
        ) from None
    # The library would end the process at a character that XML lacks, so those are removed.
    clean = _clean({"$schema": "https://vega.github.io/schema/vega-lite/v5.json", **spec})
    drawn: str = library.vegalite_to_svg(
        clean, config=_CONFIG, show_warnings=False, allowed_base_urls=[]
    )
    return sanitized_svg(drawn, f"chart-{name}", title, description)


def _clean(value: Any) -> Any:
    match value:
        case str():
            return visible(value)
        case list():
            return [_clean(each) for each in value]
        case dict():
            return {key: _clean(each) for key, each in value.items()}
        case _:
            return value
