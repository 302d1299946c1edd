"""Charts and the attack graph: drawn, harmless, and nothing one above another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from markupsafe import Markup

from tests.helpers.reports import ACTIVE, HOSTILE, START, report_of
from trailhound.errors import ReportError
from trailhound.report.render import charts, network
from trailhound.report.render.strip import strip
from trailhound.report.render.svg import sanitized_svg
from trailhound.report.render.visible import visible
from trailhound.report.value import Bar, CountryPoint, Edge, Graph, Node, TimeBucket, Timeline

DAY = Timeline(
    3_600, tuple(TimeBucket(START + timedelta(hours=n), n, n % 3, 0, 1) for n in range(24))
)
ONE = Timeline(60, (TimeBucket(START, 1),))


@pytest.mark.parametrize("timeline", [DAY, ONE])
@pytest.mark.parametrize(
    "draw", [charts.events_over_time, charts.failures_over_time, charts.alerts_over_time]
)
def test_time_is_drawn(draw: Callable[[Timeline], Markup], timeline: Timeline) -> None:
    drawn = draw(timeline)
    assert drawn.startswith('<svg class="chart" role="img" aria-labelledby="')
    assert "viewBox" in drawn
    assert "1 March 2025, 00:00 UTC" in drawn  # of the description


def test_a_bar_stands_for_every_count() -> None:
    drawn = charts.risk_histogram([Bar(1, 90_000), Bar(2, 0), Bar(3, 1)])
    assert "90,000" in drawn
    assert "1: 90,000; 2: 0; 3: 1" in drawn


def test_a_country_with_a_hostile_name_is_a_circle_and_a_text() -> None:
    spots = [
        CountryPoint(HOSTILE, "XX", 10, 20, 5, 1),
        CountryPoint("Iceland", "IS", 64, -18, 2, 0),
    ]
    drawn = str(charts.world_map(spots))
    assert "<script" not in drawn
    assert "&lt;script&gt;alert(1)" in drawn
    assert not set(ACTIVE) & set(drawn)
    assert drawn.count("<path") > 150  # the land


def test_a_text_that_is_no_xml_does_not_end_the_process() -> None:
    """In the library a NUL would abort the interpreter: the cleaning before it is what counts."""
    spec = {
        "data": {"values": [{"name": "a\x00b\ud800"}]},
        "mark": "text",
        "encoding": {"text": {"field": "name"}},
    }
    assert "a⟨U+0000⟩b⟨U+D800⟩" in charts._draw(spec, "x", "t", "d")


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ReportError) as caught:
        charts.risk_histogram([Bar(1, 1)])
    assert "report" in caught.value.hint


def test_only_named_elements_and_attributes_are_let_in() -> None:
    wild = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'viewBox="0 0 1 1" onload="alert(1)" style="x">'
        '<script>alert(1)</script><a xlink:href="javascript:alert(1)"><text>t</text></a>'
        '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">p</p></foreignObject>'
        '<image href="http://evil.example/"/><style>*{}</style>'
        '<rect fill="url(http://evil.example/#a)" width="1" onclick="x"/>'
        '<text font-size="1px">&lt;b&gt;</text></svg>'
    )
    made = str(sanitized_svg(wild, "n", "<t>", 'd"'))
    assert made == (
        '<svg class="chart" role="img" aria-labelledby="n-title n-desc" viewBox="0 0 1 1">'
        '<title id="n-title">&lt;t&gt;</title><desc id="n-desc">d&#34;</desc>'
        '<rect width="1"></rect><text font-size="1px">&lt;b&gt;</text></svg>'
    )
    with pytest.raises(ValueError, match="no SVG"):
        sanitized_svg("<svg", "n", "t", "d")


def test_boxes_stand_apart_and_lines_join_them() -> None:
    nodes = tuple(Node(f"{lane}-{n}", lane, "k", f"n{n}", 1) for lane in range(3) for n in range(9))
    edges = tuple(
        Edge(f"{lane}-{n}", f"{lane + 1}-{(n * 5) % 9}", n + 1, 0)
        for lane in range(2)
        for n in range(9)
    )
    made = network.layout(Graph(nodes, edges))
    assert len(made.boxes) == 27
    assert len(made.curves) == len(made.words) == 18
    for lane in range(3):
        tops = sorted(box.y for box in made.boxes if box.node.lane == lane)
        gaps = [low - high for high, low in pairwise(tops)]
        assert min(gaps) >= network.HEIGHT
    for box in made.boxes:
        assert box.x >= 0
        assert box.x + box.width <= network.WIDTH
        assert box.y + network.HEIGHT <= made.height
    assert network.layout(Graph()).boxes == ()


def crossings(made: network.Layout) -> int:
    y = {box.node.id: box.y for box in made.boxes}
    ends = [(y[c.edge.source], y[c.edge.target], c.edge.source[0]) for c in made.curves]
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for i, a in enumerate(ends)
        for b in ends[:i]
        if a[2] == b[2]
    )


def test_lanes_are_ordered_so_that_lines_need_not_cross() -> None:
    nodes = tuple(Node(f"{lane}-{n}", lane, "k", f"n{n}", 1) for lane in range(3) for n in range(6))
    edges = tuple(
        Edge(f"{lane}-{n}", f"{lane + 1}-{5 - n}", 1, 0) for lane in range(2) for n in range(6)
    )
    assert crossings(network.layout(Graph(nodes, edges))) == 0


def test_a_line_of_time_has_a_dot_an_event() -> None:
    finding = report_of("x").findings.bands[0].top[0]
    first, second = finding.evidence
    later = replace(second, time=first.time + timedelta(hours=1), outcome="failure")
    drawn = str(strip(replace(finding, evidence=(first, later)), "n"))
    assert drawn.count("<circle") == 2
    assert "1 of them failed" in drawn
    assert str(strip(replace(finding, evidence=(first,)), "n")) == ""


def test_what_would_hide_is_made_visible() -> None:
    assert visible("a\u202eb\x1b") == "a⟨U+202E⟩b⟨U+001B⟩"
    assert visible("é ✓ 日本 🐕") == "é ✓ 日本 🐕"
    assert visible("x" * 1_000).startswith("x" * 400 + "… (600")
    assert not set(ACTIVE) & set(visible(HOSTILE, 1_000))
