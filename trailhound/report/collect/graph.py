"""The attack graph: who called what on which resource, folded by principal, call and resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from trailhound.report.event import HIGH, Event
from trailhound.report.value import Edge, Graph, Node

_ROOM = (10, 16, 16)
"""The most principals, calls and resources in a readable picture. The last place is for others."""
_OTHERS = ("other principals", "other calls", "other resources")
_PER_EVENT = 2
"""The most resources drawn for one event; a call names its target first."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class _Name:
    """The key by which events are folded. `account` distinguishes principals of the same name."""

    lane: int
    kind: str
    label: str
    account: str = ""


@dataclass(slots=True)
class _Flow:
    """The numbers of events, and of failed ones, of each node and edge."""

    weight: Counter[_Name] = field(default_factory=Counter)
    refused: Counter[_Name] = field(default_factory=Counter)
    lines: Counter[tuple[_Name, _Name]] = field(default_factory=Counter)
    failed: Counter[tuple[_Name, _Name]] = field(default_factory=Counter)
    bad: set[_Name] = field(default_factory=set)
    events: int = 0

    def add(self, event: Event) -> None:
        path = _path(event)
        names = {*path[0], *path[1], *path[2]}
        failed = event.outcome == "failure"
        self.events += 1
        self.weight.update(names)
        if failed:
            self.refused.update(names)
        if event.risk >= HIGH:
            self.bad.update(path[0])
        for left, right in pairwise(path):
            for line in {(a, b) for a in left for b in right}:
                self.lines[line] += 1
                self.failed[line] += failed


def attack_graph(events: Iterable[Event], events_left_out: int = 0) -> Graph:
    """The attack graph of any number of events, which are folded one by one.

    Nodes without room in their lane are folded into one, so that every event is drawn.
    """
    flow = _Flow()
    seen: set[str] = set()
    for event in events:
        if event.id not in seen:
            seen.add(event.id)
            flow.add(event)
    kept = _most_telling(flow)
    folded: Counter[int] = Counter(name.lane for name in flow.weight if name not in kept)
    places = {name: name for name in kept}
    for name in flow.weight:
        places.setdefault(name, _Name(name.lane, "folded", _OTHERS[name.lane]))
    drawn = [*kept, *(_Name(lane, "folded", _OTHERS[lane]) for lane in sorted(folded))]
    weight, refused = _moved(flow.weight, places), _moved(flow.refused, places)
    ids = {name: f"n{number}" for number, name in enumerate(drawn)}
    nodes = tuple(
        Node(
            id=ids[name],
            lane=name.lane,
            kind=name.kind,
            label=name.label,
            events=weight[name],
            bad=name in flow.bad,
            failed=refused[name],
            folded=folded[name.lane] if name.kind == "folded" else 0,
            account=name.account,
        )
        for name in drawn
    )
    lines: Counter[tuple[_Name, _Name]] = Counter()
    failed: Counter[tuple[_Name, _Name]] = Counter()
    for (a, b), number in flow.lines.items():
        lines[places[a], places[b]] += number
        failed[places[a], places[b]] += flow.failed[a, b]
    edges = tuple(
        Edge(ids[a], ids[b], number, failed[a, b]) for (a, b), number in sorted(lines.items())
    )
    return Graph(nodes, edges, sum(folded.values()), flow.events, events_left_out)


def _moved(counts: Counter[_Name], places: dict[_Name, _Name]) -> Counter[_Name]:
    made: Counter[_Name] = Counter()
    for name, number in counts.items():
        made[places[name]] += number
    return made


def _path(event: Event) -> tuple[list[_Name], list[_Name], list[_Name]]:
    who = _Name(0, "principal", event.principal or UNKNOWN, event.account)
    call = _Name(1, event.source.removesuffix(".amazonaws.com"), event.call or UNKNOWN)
    touched = [_Name(2, each.kind, each.name) for each in event.resources[:_PER_EVENT]]
    return [who], [call], touched


def _most_telling(flow: _Flow) -> list[_Name]:
    """The nodes that have room in their lane: those of high risk first, then the busiest."""
    kept: list[_Name] = []
    for lane, room in enumerate(_ROOM):
        of = [name for name in flow.weight if name.lane == lane]
        of.sort(key=lambda name: (name not in flow.bad, -flow.weight[name], name))
        kept += of if len(of) <= room else of[: room - 1]
    return kept
