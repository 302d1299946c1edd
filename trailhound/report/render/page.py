"""The report as one self-contained HTML file, which can be read without network and script.

The template engine escapes every value, after `visible` has replaced active and invisible
characters. The page's policy (CSP) allows its one style and its one script, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from trailhound.posture import SEVERITIES
from trailhound.report.event import Event, band_of
from trailhound.report.render import charts, network
from trailhound.report.render.breaks import breakable
from trailhound.report.render.notes import calls, graph_of, places_note, timeline_note
from trailhound.report.render.strip import strip
from trailhound.report.render.visible import visible
from trailhound.report.render.words import count, listed, name, share, span, when, without_alerts
from trailhound.report.value import Report

_HERE = Path(__file__).parent
_TICKS = re.compile(r"`([^`]+)`")
SHOWN_EVENTS = 8
"""The most events of a finding that are shown; the JSON has all that are known."""
SHOWN_ALERTS = 10_000
"""The most rows of the list of all alerts, for the sake of browsers; the JSON has all."""


def as_html(report: Report) -> str:
    """The page. Raises `ReportError` if the charts can't be drawn."""
    style = (_HERE / "assets" / "report.css").read_text("utf-8")
    script = (_HERE / "assets" / "sort.js").read_text("utf-8")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=page_policy(style, script),
            drawn=_charts(report),
            graph=network.layout(report.graph),
            network=network,
            shown_events=SHOWN_EVENTS,
            shown_alerts=SHOWN_ALERTS,
        )
    )


def most_informative(evidence: Sequence[Event], most: int) -> list[Event]:
    """The most informative events: the first of each call and outcome, then the earliest, by
    time."""
    firsts: dict[tuple[str, str, str], Event] = {}
    for event in evidence:
        firsts.setdefault((event.source, event.call, event.outcome), event)
    chosen = list(firsts.values())[:most]
    chosen += [event for event in evidence if event not in chosen][: most - len(chosen)]
    return sorted(chosen, key=lambda event: (event.time, event.id))


def _charts(report: Report) -> dict[str, Markup]:
    """The charts by name; empty without events."""
    if not report.totals.events or not report.timeline.slots:
        return {}
    nothing = Markup()
    return {
        "events": charts.events_over_time(report.timeline),
        "risk": charts.risk_histogram(report.risk),
        "failures": charts.failures_over_time(report.timeline) if report.totals.failed else nothing,
        "alerts": charts.alerts_over_time(report.timeline) if report.findings.total else nothing,
        "map": charts.world_map(report.spots) if report.spots else nothing,
    }


@cache
def environment() -> Environment:
    """The template engine with our filters; it escapes every value. It keeps what it compiled."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_fit_to_be_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "number": lambda value: f"{value:,}",
        "moment": _moment,
        "until": _until,
        "iso": lambda value: value.astimezone(UTC).isoformat(timespec="seconds"),
        "band": band_of,
        "breakable": breakable,
        "name": name,
        "cut": _cut,
        "kind": lambda leaf: leaf.replace("_", " "),
        "upper_first": lambda value: value[:1].upper() + value[1:],
        "ticks": _ticks,
    }
    made.filters |= filters
    made.globals |= {
        "calls": calls,
        "count": count,
        "graph_of": graph_of,
        "listed": listed,
        "places_note": places_note,
        "severities": SEVERITIES,
        "share": share,
        "span": span,
        "strip": strip,
        "telling": most_informative,
        "timeline_note": timeline_note,
        "when": when,
        "without_alerts": without_alerts,
    }
    return made


def _fit_to_be_seen(value: Any) -> Any:
    """Applied by the engine to every value before it is escaped."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return ""
    return visible(str(value), 1_000) if isinstance(value, str) else value


def _cut(text: str, longest: int = 120) -> str:
    """A name cut to fit a cell. The JSON has the full name."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _ticks(text: str) -> Markup:
    """A sentence as HTML, with names between backquotes shown as code. It is escaped first."""
    return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(visible(text, 1_000)))))  # noqa: S704


def _moment(value: datetime | None, between: str = " ") -> Markup:
    """A time as the tables show it, to the second, in UTC."""
    if value is None:
        return Markup()
    utc = value.astimezone(UTC)
    gap = Markup("<br>") if between == "<br>" else " "
    return Markup('<time datetime="{}">{}{}{}</time>').format(
        utc.isoformat(timespec="seconds"), f"{utc:%Y-%m-%d}", gap, f"{utc:%H:%M:%S}"
    )


def _until(last: datetime, first: datetime) -> Markup:
    """The later of two times, shown below the earlier one; without its date if that is the same."""
    if last == first:
        return Markup()
    utc, since = last.astimezone(UTC), first.astimezone(UTC)
    if utc.date() != since.date():
        return Markup("<br>") + _moment(last)
    return Markup('<br><time datetime="{}">to {}</time>').format(
        utc.isoformat(timespec="seconds"), f"{utc:%H:%M:%S}"
    )


def page_policy(style: str, *scripts: str) -> str:
    """The page's own policy: this style and these scripts, and nothing from elsewhere."""
    allowed = " ".join(map(_hash, scripts)) or "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    """A source of the policy: the digest of the exact text between the tags."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
