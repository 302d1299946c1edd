"""Pages of activity graphs made by hand, without an index, and the graph library for them."""

from __future__ import annotations

import runpy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detections.investigation.evidence import (
    CallCount,
    EdgeEvidence,
    GraphEvidence,
    NamedEvent,
    SpanCount,
)
from detections.investigation.graph import ActivityGraph, Edge
from detections.investigation.nodes import Node, shown
from detections.investigation.paths import Path as ProvenPath
from detections.investigation.paths import Step
from detections.investigation.surroundings import surroundings
from trailhound.report.render.activity import ActivityPage

HOUR = 3_600_000
BEGIN = 1_740_826_800_000
"""2025-03-01T11:00:00Z."""
_SCRIPT = Path(__file__).parents[2] / "requirements" / "graph_library.py"


def need_library() -> None:
    """The graph library where the page looks for it, by npm if it is missing; an error where that
    is not possible, since a page without it can't be tried."""
    runpy.run_path(str(_SCRIPT))["fetch"]()


@dataclass(slots=True)
class Drawn:
    """An edge: its events are in the first `hours`, one each at least; the last `failed` failed."""

    one: Node
    other: Node
    call: str = "GetObject"
    count: int = 1
    failed: int = 0
    risk: int = 1
    hours: Sequence[int] = (0,)
    text: str = "plain"
    more: list[str] = field(default_factory=list)


def page_of(
    edges: Sequence[Drawn], routes: Sequence[tuple[Node, ...]] = (), title: str = "Paths"
) -> ActivityPage:
    """The page of these edges; each route is a path, proven by the first event of its edges."""
    graph, found = ActivityGraph(), GraphEvidence(start=BEGIN, length=HOUR)
    for place, each in enumerate(edges):
        first, last = BEGIN + each.hours[0] * HOUR, BEGIN + each.hours[-1] * HOUR
        edge = Edge(
            calls={each.call: each.count},
            succeeded_calls={each.call} if each.count > each.failed else set(),
            count=each.count,
            failed=each.failed,
            first=first,
            last=last,
            risk=each.risk,
        )
        graph.graph.add_edge(each.one, each.other, edge=edge)
        found.edges[each.one, each.other] = _evidence(each, place)
        found.spans = max(found.spans, each.hours[-1] + 1)
    paths = [
        ProvenPath(
            route,
            [
                Step(
                    f"event-{step}",
                    BEGIN + step,
                    "AssumeRole",
                    "198.51.100.7",
                    "aws-cli/2",
                    "111122223333",
                )
                for step in range(len(route) - 1)
            ],
            8,
        )
        for route in routes
    ]
    return ActivityPage(
        title,
        graph,
        surroundings(graph, routes=routes, hops=5),
        found,
        shown(graph.graph.nodes),
        paths,
        notes=[],
        link=lambda event, _time: f"https://dashboards.example/{event}" if routes else "",
    )


def _evidence(each: Drawn, place: int) -> EdgeEvidence:
    made = EdgeEvidence()
    made.calls[each.call] = CallCount(
        each.count,
        each.failed,
        each.risk,
        BEGIN + each.hours[0] * HOUR,
        BEGIN + each.hours[-1] * HOUR,
    )
    for number in range(each.count):
        hour = each.hours[number * len(each.hours) // each.count]
        spent = made.spans.setdefault(hour, SpanCount())
        if number >= each.count - each.failed:
            spent.failed += 1
            spent.failed_risk = each.risk
        else:
            spent.succeeded += 1
            spent.risk = each.risk
    made.named["addresses"] = Counter({each.text: each.count})
    made.named["user_agents"] = Counter({each.text: each.count})
    made.named["principals"] = Counter({each.text: each.count})
    made.named["errors"] = Counter({each.text: each.failed} if each.failed else {})
    made.events = [
        NamedEvent(
            id=f"id-{place}" if each.text == "plain" else each.text,
            time=BEGIN + each.hours[0] * HOUR,
            call=each.call,
            failed=each.failed == each.count,
            error="AccessDenied" if each.failed == each.count else "",
            risk=each.risk,
            address=each.text,
            agent=each.text,
            principal=each.text,
            account=each.text,
            region=each.text,
            key=each.text,
            on=(each.text, *each.more),
        )
    ]
    return made
