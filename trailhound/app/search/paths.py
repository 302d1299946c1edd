"""Paths between nodes that a person names, and their page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath

from opensearchpy import OpenSearch

from detections.events.index import EventIndex
from detections.investigation.absent import unknown_node
from detections.investigation.graph import ActivityGraph, build
from detections.investigation.named_nodes import named
from detections.investigation.nodes import Node
from detections.investigation.paths import PathFinder, Paths
from detections.investigation.subject import subject_of
from detections.investigation.views import nodes_of
from detections.span import Span
from trailhound.app.search.activity import Activity, Progress, activity_of, activity_page_of
from trailhound.errors import UsageError
from trailhound.report.render.activity import write_activity
from trailhound.settings import Settings


@dataclass(frozen=True, slots=True)
class FoundPaths:
    """The result of a search. `found` has one path more than the limit if there are more.
    `missing`: targets of the settings that no event has."""

    graph: ActivityGraph
    found: Paths
    starts: list[Node]
    ends: list[Node]
    missing: list[str]


@dataclass(frozen=True, slots=True)
class PathPage:
    """What the page shows, and a sentence on what it lacks; empty if nothing."""

    around: Activity
    lacks: str


@dataclass(frozen=True, slots=True)
class PathSearch:
    """Searches for paths in a span of the index; None for all of it. `progress` is called at each
    stage."""

    client: OpenSearch
    settings: Settings
    index: EventIndex
    span: Span | None
    progress: Progress

    def search(
        self, starts: list[str], targets: list[str], limit: int, *, by_name: bool, whole: bool
    ) -> FoundPaths:
        """Paths from nodes to targets. `by_name`: a target that no event has is an error. `whole`:
        build the complete graph, not only what paths need. Raises `UsageError` for a node that no
        event has, and `ClusterError`."""
        self.progress("building the graph", 0, 0)
        query = self.span.query() if self.span else None
        ends = [*starts, *targets]
        keys = [each.removeprefix("key:") for each in ends if each.startswith("key:")]
        addresses = [each.removeprefix("ip:") for each in ends if each.startswith("ip:")]
        towards = None if whole else targets
        graph = build(
            self.index, query, keys=keys, addresses=addresses, towards=towards, risk=whole
        )
        begin = [node for each in starts for node in self._nodes(graph, each)]
        reached: list[Node] = []
        missing: list[str] = []
        for each in targets:
            try:
                reached += self._nodes(graph, each)
            except UsageError:
                if by_name:
                    raise
                missing.append(each)
        self.progress("proving paths", 0, 0)
        found = PathFinder(self.index, graph, query).find(begin, reached, limit + 1)
        return FoundPaths(graph, found, begin, reached, missing)

    def write_page(
        self,
        found: FoundPaths,
        file: FilePath,
        title: str,
        notes: list[str],
        *,
        paths: int,
        edges: int,
    ) -> PathPage:
        """Write the page of a search to a `file`, with at most `paths` paths; without any,
        with what is around their ends. Raises `ReportError` if it cannot be written."""
        proven = found.found.found[:paths]
        around = activity_of(
            self.index,
            found.graph,
            self.span,
            centre=[] if proven else found.starts,
            ends=[] if proven else found.ends,
            paths=proven,
            most=edges,
            progress=self.progress,
        )
        page = activity_page_of(
            around,
            title,
            client=self.client,
            settings=self.settings,
            span=self.span,
            paths=proven,
            notes=notes,
        )
        return PathPage(around, write_activity(file, page))

    def _nodes(self, graph: ActivityGraph, text: str) -> list[Node]:
        """The nodes that a text names; empty if events have the name, but no edge does. Raises
        `UsageError` with the nearest names if no event has it."""
        if found := named(graph.graph.nodes, text):
            return found
        about = subject_of(self.client, self.settings, self.index, text)
        query = self.span.query() if self.span else None
        if named(nodes_of(self.index, query, did=about.did, target=about.target), text):
            return []
        raise unknown_node(self.index, graph.graph.nodes, text)
