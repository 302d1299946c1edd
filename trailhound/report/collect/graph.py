"""The attack graph: who called what on which resource, in the evidence of the top findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from trailhound.report.collect.alerts import is_high
from trailhound.report.value import HIGH, DetailedAlert, Edge, Event, Graph, Node

_ROOM = (7, 12, 12)
"""Most principals, calls and resources in a readable picture."""
_PER_EVENT = 2
"""Most resources drawn of one event: a call names its target first."""

_Name = tuple[int, str, str]
"""Lane, kind, label."""


def attack_graph(findings: Sequence[DetailedAlert], events: Iterable[Event] = ()) -> Graph:
    """Of the high findings, or of all where none is high; of bare events where there are none."""
    seen: dict[str, Event] = {}
    for finding in [each for each in findings if is_high(each)] or findings:
        for event in finding.evidence:
            seen.setdefault(event.id, event)
    for event in events:
        seen.setdefault(event.id, event)
    bad = {each.principal or "unknown" for each in seen.values() if each.risk >= HIGH}
    weight: Counter[_Name] = Counter()
    flow: Counter[tuple[_Name, _Name]] = Counter()
    failed: Counter[tuple[_Name, _Name]] = Counter()
    for event in seen.values():
        path = _path(event)
        weight.update({*path[0], *path[1], *path[2]})
        for left, right in pairwise(path):
            for edge in {(a, b) for a in left for b in right}:
                flow[edge] += 1
                failed[edge] += event.outcome == "failure"
    kept = _most_telling(weight, flow, bad)
    nodes = [
        Node(f"n{number}", name[0], name[1], name[2], weight[name], name[0] == 0 and name[2] in bad)
        for number, name in enumerate(kept)
    ]
    ids = {name: node.id for name, node in zip(kept, nodes, strict=True)}
    edges = tuple(
        Edge(ids[a], ids[b], number, failed[a, b])
        for (a, b), number in sorted(flow.items())
        if a in ids and b in ids
    )
    return Graph(tuple(nodes), edges, len(weight) - len(kept))


def _path(event: Event) -> tuple[list[_Name], list[_Name], list[_Name]]:
    who: _Name = (0, "principal", event.principal or "unknown")
    call: _Name = (1, event.source.removesuffix(".amazonaws.com"), event.call or "unknown")
    touched: list[_Name] = [(2, each.kind, each.name) for each in event.resources[:_PER_EVENT]]
    return [who], [call], touched


def _most_telling(
    weight: Counter[_Name], flow: Counter[tuple[_Name, _Name]], bad: set[str]
) -> list[_Name]:
    """Of each lane as many as there is room for, and none that nothing kept leads to.

    Those with events of high risk come first, then the busiest.
    """
    kept: list[_Name] = []
    for lane, room in enumerate(_ROOM):
        led_to = {b for a, b in flow if a in kept}
        of = [name for name in weight if name[0] == lane and (lane == 0 or name in led_to)]
        of.sort(key=lambda name: (not (lane == 0 and name[2] in bad), -weight[name], name))
        kept += of[:room]
    return kept
