"""A time line as one self-contained HTML file. Its script only filters lines; folds open without
it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from detections.investigation.timeline import Line, Timeline, in_order
from detections.span import Span
from trailhound import __version__
from trailhound.report.atomic_file import write_atomically
from trailhound.report.render.page import environment, page_policy

_HERE = Path(__file__).parent
MOST_LINES = 5_000
"""The most lines on the page, the latest ones, for the sake of browsers; the JSON has all."""


def write_timeline(path: Path, found: Timeline, span: Span | None, *, namespace: str) -> None:
    """Write the page atomically. Raises `ReportError`."""
    write_atomically(path, timeline_page(found, span, namespace=namespace).encode())


def timeline_page(found: Timeline, span: Span | None, *, namespace: str = "") -> str:
    """The page."""
    assets = _HERE / "assets"
    style = "".join((assets / name).read_text("utf-8") for name in ("report.css", "timeline.css"))
    script = (assets / "timeline.js").read_text("utf-8")
    rows = [_row(each) for each in in_order(found, joined=True)]
    return (
        environment()
        .get_template("timeline.html.j2")
        .render(
            found=found,
            rows=rows[-MOST_LINES:],
            left_out=max(0, len(rows) - MOST_LINES),
            since=_bound(span.since) if span else None,
            until=_bound(span.until) if span else None,
            namespace=namespace,
            version=__version__,
            made=datetime.now(UTC),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=page_policy(style, script),
        )
    )


def _row(each: Line | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(each, Line):
        return {"line": each, "alert": None, "time": each.first}
    return {"line": None, "alert": each, "time": datetime.fromisoformat(each["first_seen"])}


def _bound(moment: datetime) -> datetime | None:
    """An end of the span; None if there is none."""
    return moment if 1970 < moment.year < 2200 else None
