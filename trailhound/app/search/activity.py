"""A part of the activity graph with the evidence of its edges, for a listing or a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path as FilePath
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.discover import discover_url
from detections.alerts.document import stamp
from detections.events.index import EventIndex
from detections.investigation.evidence import GraphEvidence, collect
from detections.investigation.graph import ActivityGraph
from detections.investigation.nodes import Node, shown
from detections.investigation.paths import Path
from detections.investigation.surroundings import MOST_EDGES, Surroundings, surroundings
from detections.span import Span, moment
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.plural import plural
from trailhound.report.atomic_file import check_writable
from trailhound.report.render.activity import ActivityPage, Link
from trailhound.settings import Settings

_LISTED: Final = 20
"""The number of addresses and of tools in a row."""

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Activity:
    """The shown part of a graph: `around` has its edges, `evidence` the events that prove them."""

    graph: ActivityGraph
    around: Surroundings
    evidence: GraphEvidence
    names: Mapping[Node, str]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each edge as a row of `trailhound graph --json`."""
        for one, other in self.around.edges:
            edge = self.graph.edge(one, other)
            named = self.evidence.edges[one, other].named
            yield {
                "from": self.names[one],
                "to": self.names[other],
                "calls": dict(sorted(edge.calls.items(), key=lambda it: (-it[1], it[0]))),
                "count": edge.count,
                "failed": edge.failed,
                "risk_score": edge.risk,
                "first": stamp(moment(edge.first)),
                "last": stamp(moment(edge.last)),
                "addresses": [value for value, _ in named["addresses"].most_common(_LISTED)],
                "user_agents": [value for value, _ in named["user_agents"].most_common(_LISTED)],
                "events": [event.id for event in self.evidence.edges[one, other].events],
            }


def check_page(file: FilePath, edges: int) -> None:
    """Check before the work for a page that it can be written. Raises `UsageError`."""
    if edges > MOST_EDGES:
        raise UsageError(
            f"a page has at most {MOST_EDGES:,} edges",
            hint="more can't be read: narrow the time; `trailhound graph --output csv` has all",
        )
    check_writable(file)


def activity_of(
    index: EventIndex,
    graph: ActivityGraph,
    span: Span | None,
    *,
    centre: Iterable[Node] = (),
    ends: Iterable[Node] = (),
    paths: Sequence[Path] = (),
    hops: int = 1,
    most: int = MOST_EDGES,
    progress: Progress | None = None,
) -> Activity:
    """The edges of `paths`, and the nearest to them, to the `centre` and the `ends`; see
    `surroundings`. Raises `ClusterError`."""
    routes = [path.nodes for path in paths]
    around = surroundings(graph, centre, routes, ends=ends, hops=hops, most=most)
    evidence = collect(index, graph, around.edges, span.query() if span else None, progress)
    return Activity(graph, around, evidence, shown(graph.graph.nodes))


def activity_page_of(
    activity: Activity,
    title: str,
    *,
    client: OpenSearch,
    settings: Settings,
    span: Span | None,
    paths: Sequence[Path] = (),
    notes: Sequence[str] = (),
) -> ActivityPage:
    """The page of an activity graph, with notes on what it leaves out."""
    return ActivityPage(
        title=title,
        graph=activity.graph,
        shown=activity.around,
        evidence=activity.evidence,
        names=activity.names,
        paths=paths,
        span=span,
        namespace=settings.namespace,
        notes=[*notes, *left_out(activity)],
        link=_link(client, settings),
    )


def left_out(activity: Activity) -> list[str]:
    """Sentences about what the graph holds and is not shown, and why."""
    around, made = activity.around, []
    if around.edges_left_out:
        nodes = (
            f", and {plural(around.nodes_left_out, 'node')} with them"
            if around.nodes_left_out
            else ""
        )
        made.append(
            f"{around.edges_left_out:,} of {around.edges_left_out + len(around.edges):,} edges are "
            f"left out{nodes}: those that are farthest away, of the same distance those of the "
            "lowest risk score, then those of the fewest events. "
            "Narrow the time, or ask for more edges."
        )
    if activity.graph.nameless:
        nameless = plural(activity.graph.nameless, "event")
        name = "names" if activity.graph.nameless == 1 else "name"
        made.append(f"{nameless} {name} nobody who acted, and so on no edge.")
    return made


def _link(client: OpenSearch, settings: Settings) -> Link:
    """Where an event is in Dashboards, if `dashboards.url` is set."""
    base = settings.dashboards.link_base
    if not base:
        return lambda _event, _time: ""
    kibana = dialect_of(client).kibana
    view = Names(settings.prefix).days

    def link(event: str, time: datetime) -> str:
        return discover_url(base, view, [event], time, time, kibana=kibana)

    return link
