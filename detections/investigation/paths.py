"""Paths through the activity graph that respect time, each proven by its events.

A path goes from node to node by successful calls, none earlier than the one before it. The first
and last times of edges only show where a path is possible: with calls from a to b at 5, from b to c
at 0 and 10, and from c to d at 7 there is no path from a to d. So the edges give candidates, and
for each step of a candidate the earliest event at or after that of the step before is looked up.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import networkx as nx

from detections.alerts.document import stamp
from detections.events.identity import RECIPIENT
from detections.events.index import SORT, EventIndex
from detections.incidents.actors import at
from detections.investigation.graph import ActivityGraph, Edge
from detections.investigation.nodes import Node, shown
from detections.span import moment
from trailhound.batching import batched

MOST_STEPS: Final = 5
MOST_EXPANSIONS: Final = 300_000
"""The most partial paths that a search makes, short ones first."""
MOST_CANDIDATES: Final = 2_000
"""The most candidates that are looked up, those with the highest scores."""
_AT_ONCE: Final = 50
"""The number of candidates that are looked up together."""
_SEARCHES: Final = 100
_WITH_ADDRESS: Final = ("ip", "key")
"""Kinds of nodes whose paths begin at an address."""
_ALWAYS: Final = -(2**62)
"""A time before any event."""
_NAMED: Final = 20
_CALLS_2: Final = (
    *("CreateRole", "AssumeRole"),
    *("AttachPolicy", "AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy"),
)
_CALLS_3: Final = ("DeleteUser", "DeleteRole")

Route = tuple[Node, ...]
_Wanted = tuple[Node, Node, int, str]
"""A step between two nodes, at or after a time, and from an address if one is given."""


@dataclass(frozen=True, slots=True)
class Step:
    """The earliest event of a step at or after that of the step before."""

    event: str
    time: int
    call: str
    address: str
    agent: str
    account: str


@dataclass(slots=True)
class Path:
    """A proven path: `steps` has one event for each pair of nodes."""

    nodes: Route
    steps: list[Step]
    risk: int

    @property
    def address(self) -> str:
        """The address where a path from an address or a key begins; empty for other paths."""
        start = self.nodes[0]
        if start.kind == "ip":
            return start.name
        return self.steps[0].address if start.kind == "key" else ""

    @property
    def other_addresses(self) -> list[str]:
        """The other distinct addresses of its steps."""
        begun = self.address
        found = dict.fromkeys(step.address for step in self.steps if step.address != begun)
        return list(found) if begun else []

    def as_json(self, made: Paths) -> dict[str, Any]:
        """As `--json` prints it."""
        names = made.names
        return {
            "start": names[self.nodes[0]],
            "target": names[self.nodes[-1]],
            "path": [names[each] for each in self.nodes],
            "risk_score": self.risk,
            "other_addresses": self.other_addresses,
            "steps": [
                {
                    "from": names[one],
                    "to": names[other],
                    "event": step.event,
                    "time": stamp(moment(step.time)),
                    "call": step.call,
                    "address": step.address,
                    "user_agent": step.agent,
                    "account": step.account,
                    "edge": made.about.get((one, other), {}),
                }
                for (one, other), step in zip(pairwise(self.nodes), self.steps, strict=True)
            ],
        }


@dataclass(slots=True)
class Paths:
    """The proven paths by falling score; within a score, paths that stay with the address where
    they begin come first, then shorter ones. `cut`: why there may be other paths; empty if there
    are none. `names`: how nodes are shown; `about`: the evidence of the paths' edges."""

    found: list[Path] = field(default_factory=list)
    candidates: int = 0
    cut: str = ""
    names: dict[Node, str] = field(default_factory=dict)
    about: dict[tuple[Node, Node], dict[str, Any]] = field(default_factory=dict)


class PathFinder:
    """Finds paths in a graph whose events are in an index. Raises `ClusterError`."""

    def __init__(
        self,
        index: EventIndex,
        graph: ActivityGraph,
        span: Any = None,
        *,
        steps: int = MOST_STEPS,
        expansions: int = MOST_EXPANSIONS,
        candidates: int = MOST_CANDIDATES,
    ) -> None:
        """`span`: the clause that the graph was built with."""
        self._index = index
        self._graph = graph
        self._span = [span] if span else []
        self._most_steps, self._expansions, self._candidates = steps, expansions, candidates
        self._earliest: dict[_Wanted, Step | None] = {}

    def find(
        self, starts: Sequence[Node], targets: Sequence[Node], limit: int | None = None
    ) -> Paths:
        """At most `limit` proven paths from any start to any target, with the evidence of their
        edges. Candidates are looked up by falling score, only as many as `limit` needs."""
        made = Paths()
        scored = [(self._risk(each), each) for each in self._routes(starts, targets, made)]
        scored.sort(key=lambda each: (-each[0], len(each[1]), each[1]))
        made.candidates = len(scored)
        if limit is None and len(scored) > self._candidates:
            made.cut = made.cut or self._too_many()
        # All candidates of a score are looked up, since those that stay with an address come first.
        whole = any(each.kind in _WITH_ADDRESS for each in starts)
        for part in batched(scored[: self._candidates], _AT_ONCE):
            if (
                limit is not None
                and len(made.found) >= limit
                and not (whole and part[0][0] == made.found[limit - 1].risk)
            ):
                break
            proven = self._prove([route for _, route in part])
            made.found += self._staying(
                [Path(route, proven[route], risk) for risk, route in part if route in proven]
            )
        else:
            if len(scored) > self._candidates:
                made.cut = made.cut or self._too_many()
        made.found.sort(key=lambda each: (-each.risk, bool(each.other_addresses)))
        made.found = made.found[:limit]
        made.names = shown(self._graph.graph.nodes)
        pairs = dict.fromkeys(pair for path in made.found for pair in pairwise(path.nodes))
        made.about = self._about(list(pairs))
        return made

    def _staying(self, found: list[Path]) -> list[Path]:
        """The paths, proven only by events of the address where they begin if that is possible."""
        leaving: dict[str, list[Path]] = {}
        for each in found:
            if each.other_addresses:
                leaving.setdefault(each.address, []).append(each)
        for address, several in leaving.items():
            proven = self._prove([each.nodes for each in several], address)
            for each in several:
                each.steps = proven.get(each.nodes, each.steps)
        return found

    def _too_many(self) -> str:
        return f"only the {self._candidates:,} candidates with the highest scores were looked up"

    def _routes(self, starts: Iterable[Node], targets: Iterable[Node], made: Paths) -> list[Route]:
        """Candidates: simple paths of limited length that the times of the edges allow."""
        graph = self._graph.graph
        ends = set(targets)
        left: dict[Node, int] = {}
        for target in ends:
            lengths = nx.single_source_shortest_path_length(
                graph.reverse(copy=False), target, cutoff=self._most_steps
            )
            for each, length in lengths.items():
                left[each] = min(left.get(each, length), length)
        found: list[Route] = []
        # Short ones first, from all starts: if the search is cut off, only long ones are missing.
        begin: list[tuple[Route, int]] = [((each,), _ALWAYS) for each in sorted(set(starts))]
        waiting = deque(begin)
        expanded = len(waiting)
        while waiting:
            route, when = waiting.popleft()
            if len(route) > 1 and route[-1] in ends:
                found.append(route)
            rest = self._most_steps - (len(route) - 1)
            for following in graph.successors(route[-1]) if rest else ():
                if following in route or left.get(following, rest) > rest - 1:
                    continue
                edge = self._graph.edge(route[-1], following)
                if edge.since is None or edge.until is None or edge.until < when:
                    continue
                expanded += 1
                if expanded > self._expansions:
                    made.cut = f"the search ended after {self._expansions:,} partial paths"
                    return [*found, *(each for each, _ in waiting if each[-1] in ends and each[1:])]
                waiting.append(((*route, following), max(when, edge.since)))
        return found

    def _prove(self, routes: Sequence[Route], address: str = "") -> dict[Route, list[Step]]:
        """The routes that have events in order of time (from an address, if one is given), with the
        earliest such events."""
        alive: dict[Route, list[Step]] = {route: [] for route in routes}
        for place in range(self._most_steps):
            wanted = {
                (route[place], route[place + 1], steps[-1].time if steps else _ALWAYS, address)
                for route, steps in alive.items()
                if len(route) > place + 1
            }
            self._look_up(sorted(wanted - self._earliest.keys()))
            for route, steps in list(alive.items()):
                if len(route) <= place + 1:
                    continue
                after = steps[-1].time if steps else _ALWAYS
                step = self._earliest[route[place], route[place + 1], after, address]
                if step is None:
                    del alive[route]
                else:
                    alive[route] = [*steps, step]
        return alive

    def _look_up(self, wanted: Sequence[_Wanted]) -> None:
        """The earliest event of edges at or after a time."""
        bodies: list[dict[str, Any]] = []
        owners: list[_Wanted] = []
        for source, target, after, address in wanted:
            edge = self._graph.edge(source, target)
            # The time of an edge's first event is known, so only that day is searched.
            first, last = edge.since or 0, edge.until or 0
            earliest = after <= first and not address
            when = [_between(first, first) if earliest else _between(max(after, first), last)]
            if address:
                when.append({"term": {"sourceIPAddress": address}})
            for query in edge.query():
                owners.append((source, target, after, address))
                bodies.append(
                    {
                        "size": 1,
                        "track_total_hits": False,
                        "query": {"bool": {"filter": [query, *when, *self._span]}},
                        "sort": SORT,
                        "_source": ["eventName", "sourceIPAddress", "userAgent", RECIPIENT],
                    }
                )
            self._earliest[source, target, after, address] = None
        for part in batched(list(zip(owners, bodies, strict=True)), _SEARCHES):
            replies = self._index.searches([body for _, body in part])
            for (owner, _), reply in zip(part, replies, strict=True):
                for hit in reply["hits"]["hits"]:
                    source = hit["_source"]
                    step = Step(
                        hit["_id"],
                        int(hit["sort"][0]),
                        at(source, "eventName"),
                        at(source, "sourceIPAddress"),
                        at(source, "userAgent"),
                        at(source, RECIPIENT),
                    )
                    known = self._earliest[owner]
                    if known is None or (step.time, step.event) < (known.time, known.event):
                        self._earliest[owner] = step

    def _risk(self, route: Route) -> int:
        return risk_score(
            len(route),
            (self._graph.edge(*pair).succeeded_calls for pair in pairwise(route)),
        )

    def _about(self, pairs: Sequence[tuple[Node, Node]]) -> dict[tuple[Node, Node], dict[str, Any]]:
        """The evidence of edges; addresses and tools are the most frequent ones of successful
        calls."""
        named = {"addresses": "sourceIPAddress", "user_agents": "userAgent"}
        counts: dict[tuple[Node, Node], dict[str, Counter[str]]] = {
            pair: {name: Counter() for name in named} for pair in pairs
        }
        aggregations = {
            name: {"terms": {"field": path, "size": _NAMED}} for name, path in named.items()
        }
        bodies: list[tuple[tuple[Node, Node], dict[str, Any]]] = [
            (
                pair,
                {
                    "track_total_hits": False,
                    "query": {"bool": {"filter": [query, when, *self._span]}},
                    "aggs": aggregations,
                },
            )
            for pair in pairs
            for edge in (self._graph.edge(*pair),)
            for when in (_between(edge.since or 0, edge.until or 0),)
            for query in edge.query()
        ]
        for part in batched(bodies, _SEARCHES):
            for (pair, _), reply in zip(
                part, self._index.searches([body for _, body in part]), strict=True
            ):
                for name in named:
                    for each in reply["aggregations"][name]["buckets"]:
                        counts[pair][name][each["key"]] += each["doc_count"]
        return {pair: self._carried(self._graph.edge(*pair), counts[pair]) for pair in pairs}

    @staticmethod
    def _carried(edge: Edge, counts: dict[str, Counter[str]]) -> dict[str, Any]:
        return {
            "calls": dict(sorted(edge.calls.items(), key=lambda each: (-each[1], each[0]))),
            "count": edge.count,
            "failed": edge.failed,
            "first": stamp(moment(edge.first)),
            "last": stamp(moment(edge.last)),
            **{
                name: [value for value, _ in found.most_common(_NAMED)]
                for name, found in counts.items()
            },
        }


def _between(first: int, last: int) -> dict[str, Any]:
    when = {"gte": first, "lte": last, "format": "epoch_millis"}
    return {"range": {"@timestamp": when}}


def risk_score(nodes: int, edges: Iterable[Iterable[str]]) -> int:
    """The score of a path: 10 less the number of nodes; for each edge 2 more if one of its calls
    creates or assumes a role or attaches a policy, else 3 more if one deletes a user or a role; at
    most 10.

    >>> risk_score(3, [{"AssumeRole", "DeleteRole"}, {"GetObject"}])
    9
    """
    points = 10 - nodes
    for calls in edges:
        several = list(calls)
        if any(part in call for call in several for part in _CALLS_2):
            points += 2
        elif any(part in call for call in several for part in _CALLS_3):
            points += 3
    return min(points, 10)
