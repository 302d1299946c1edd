"""The events of a finding over time, as an image of one row of dots."""

from __future__ import annotations

from markupsafe import Markup

from trailhound.report.findings import DetailedAlert
from trailhound.report.render.palette import BLUE, GREY, ORANGE
from trailhound.report.render.visible import visible
from trailhound.report.render.words import count, when

WIDTH, HEIGHT, MARGIN = 900, 22, 8


def strip(finding: DetailedAlert, name: str) -> Markup:
    """Dots at the times of the known events, orange for failed ones; empty if all have the same
    time."""
    times = [event.time for event in finding.evidence]
    if not times or times[0] == times[-1]:
        return Markup()
    first, length = times[0], (times[-1] - times[0]).total_seconds()
    y = HEIGHT / 2
    dots = [
        Markup('<circle cx="{:g}" cy="{:g}" r="5" fill="{}" fill-opacity="0.75"/>').format(
            round(
                MARGIN + (WIDTH - 2 * MARGIN) * (event.time - first).total_seconds() / length,
                1,
            ),
            y,
            ORANGE if event.outcome == "failure" else BLUE,
        )
        for event in finding.evidence
    ]
    failed = sum(event.outcome == "failure" for event in finding.evidence)
    summary = (
        f"{count(len(times), 'event')} from {when(times[0])} to {when(times[-1])}, "
        f"{failed:,} of them failed."
    )
    head = Markup(
        '<svg class="strip" role="img" viewBox="0 0 {w} {h}" '
        'aria-labelledby="{n}-title"><title id="{n}-title">{t}</title>'
        '<line x1="{m}" x2="{e}" y1="{y:g}" y2="{y:g}" stroke="{g}" stroke-width="2"/>'
    ).format(w=WIDTH, h=HEIGHT, n=name, t=visible(summary), m=MARGIN, e=WIDTH - MARGIN, y=y, g=GREY)
    return head + Markup().join(dots) + Markup("</svg>")
