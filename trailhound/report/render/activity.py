"""The activity graph as one self-contained HTML file: drawn by Cytoscape.js, and as tables that
need no script.

The data is JSON within the page, escaped so that no character can end its element; the script
inserts text only as text nodes. The page's policy (CSP) allows these two scripts and no address.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from detections.investigation.evidence import MOST_VALUES, EdgeEvidence, GraphEvidence, NamedEvent
from detections.investigation.graph import ActivityGraph
from detections.investigation.nodes import KINDS, Node
from detections.investigation.paths import Path as ProvenPath
from detections.investigation.surroundings import Surroundings
from detections.span import Span, moment
from trailhound import __version__
from trailhound.errors import LibraryNotFoundError
from trailhound.report.atomic_file import write_atomically
from trailhound.report.render.layers import places
from trailhound.report.render.library import graph_library
from trailhound.report.render.page import environment, page_policy
from trailhound.report.render.visible import visible

_HERE = Path(__file__).parent
_LONGEST: Final = 1_000
"""The most characters of a text in the page; the number of the others is shown."""
_LABEL: Final = 24
"""The most characters of a name in the drawing; the panel shows the full name."""
SHOWN_EDGES: Final = 2_000
"""The most rows of the table of all edges."""
_LEGIBLE_NODES: Final = 40
"""The most nodes with which the page begins to show all of the graph."""
_FEW_NODES: Final = 25
"""The most nodes of the part with which it begins otherwise."""
_NAMED_ON: Final = 20
"""The most resources of an event that are named."""
KIND_NAMES: Final[Mapping[str, str]] = {
    "user": "IAM user, root or person",
    "role": "role",
    "service": "AWS service",
    "ip": "address",
    "key": "access key",
    "account": "another account",
    "federated": "federated person",
    "s3": "S3 bucket",
    "ec2": "EC2 instance",
    "secret": "secret",
    "function": "Lambda function",
    "resource": "call that names no resource",
}

Link = Callable[[str, datetime], str]
"""The address of an event in Dashboards, by its id and time; "" if there is none."""


@dataclass(slots=True)
class ActivityPage:
    """The content of a page. `names`: how nodes are shown; `notes`: what was left out, and why."""

    title: str
    graph: ActivityGraph
    shown: Surroundings
    evidence: GraphEvidence
    names: Mapping[Node, str]
    paths: Sequence[ProvenPath] = ()
    span: Span | None = None
    namespace: str = ""
    notes: list[str] = field(default_factory=list)
    link: Link = lambda _event, _time: ""


def write_activity(path: Path, page: ActivityPage) -> str:
    """Write the page atomically. Returns a sentence on what it lacks: without the graph library it
    has its tables and no drawing. Raises `ReportError`."""
    try:
        library, lacks = graph_library(), ""
    except LibraryNotFoundError as missing:
        library = ""
        lacks = f"the page has tables and no drawing: {missing.message}; {missing.hint}"
    write_atomically(path, activity_page(page, library, lacks).encode())
    return lacks


def activity_page(page: ActivityPage, library: str, lacks: str = "") -> str:
    """The page, drawn by this library; without it the tables, and what the page `lacks`."""
    assets = _HERE / "assets"
    style = "".join((assets / name).read_text("utf-8") for name in ("report.css", "activity.css"))
    scripts = (library, (assets / "activity.js").read_text("utf-8")) if library else ()
    data = _data(page)
    present = {node["kind"] for node in data["nodes"]}
    return (
        environment()
        .get_template("activity.html.j2")
        .render(
            page=page,
            drawn=bool(library),
            lacks=lacks,
            legible_nodes=_LEGIBLE_NODES,
            data=Markup(embedded(data)),  # noqa: S704 - no character of it can end its element
            paths=data["paths"],
            nodes=data["nodes"],
            edges=data["edges"][:SHOWN_EDGES],
            kinds=[(kind, KIND_NAMES[kind]) for kind in KINDS if kind in present],
            times=[_times(each) for each in data["edges"]],
            at=lambda value: datetime.fromtimestamp(value / 1_000, UTC),
            since=_bound(page.span.since) if page.span else None,
            until=_bound(page.span.until) if page.span else None,
            version=__version__,
            made=datetime.now(UTC),
            style=Markup(style),  # noqa: S704 - our own files
            scripts=[Markup(each) for each in scripts],  # noqa: S704 - ours, and the library
            policy=page_policy(style, *scripts),
        )
    )


def embedded(data: Any) -> str:
    """JSON for an element of the page: ASCII, without `<`, `>` and `&`.

    >>> embedded(["</script>&\\u2028"])
    '["\\\\u003c/script\\\\u003e\\\\u0026\\\\u2028"]'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _bound(when: datetime) -> datetime | None:
    """An end of the span; None if there is none."""
    return when if 1970 < when.year < 2200 else None


def _times(edge: Mapping[str, Any]) -> tuple[datetime, datetime]:
    return moment(edge["first"]), moment(edge["last"])


def _data(page: ActivityPage) -> dict[str, Any]:
    """What the script draws: nodes and edges name each other by number, times are milliseconds
    since 1970."""
    where = places(page.shown)
    number = {node: place for place, node in enumerate(sorted(where))}
    numbers = {pair: place for place, pair in enumerate(page.shown.edges)}
    return {
        "nodes": [
            {
                "kind": node.kind,
                "label": _label(node, page.names[node]),
                "name": visible(page.names[node], _LONGEST),
                "account": visible(node.account, _LONGEST),
                "x": where[node][0],
                "y": where[node][1],
                "layer": page.shown.layers[node],
                "spine": node in page.shown.spine,
                "commands": [
                    made
                    for command in ("timeline", "whois")
                    if node.kind not in ("service", "account", "federated")
                    and (made := _command(command, node.full))
                ],
            }
            for node in number
        ],
        "edges": [
            {
                "s": number[one],
                "t": number[other],
                **_edge(page, (one, other)),
            }
            for one, other in page.shown.edges
        ],
        "paths": [
            {
                "risk": path.risk,
                "others": [visible(each, _LONGEST) for each in path.other_addresses],
                "nodes": [number[node] for node in path.nodes],
                "edges": [numbers[pair] for pair in pairwise(path.nodes)],
                "steps": [
                    {
                        "id": visible(step.event, _LONGEST),
                        "time": step.time,
                        "call": visible(step.call, _LONGEST),
                        "address": visible(step.address, _LONGEST),
                        "agent": visible(step.agent, _LONGEST),
                        "account": visible(step.account, _LONGEST),
                        **_leads(page, step.event, step.time),
                    }
                    for step in path.steps
                ],
            }
            for path in page.paths
        ],
        "spans": {
            "start": page.evidence.start,
            "length": page.evidence.length,
            "count": page.evidence.spans,
        },
        "kinds": KIND_NAMES,
        "legible": _LEGIBLE_NODES,
        "few": _FEW_NODES,
    }


def _label(node: Node, name: str) -> str:
    """A short name; of services without `.amazonaws.com`."""
    if node.kind == "resource":
        service, _, call = node.name.rpartition(":")
        name = f"{service.removesuffix('.amazonaws.com')}:{call}"
    text = visible(name, _LONGEST)
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"


def _edge(page: ActivityPage, pair: tuple[Node, Node]) -> dict[str, Any]:
    edge = page.graph.edge(*pair)
    found = page.evidence.edges.get(pair) or EdgeEvidence()
    calls = sorted(found.calls.items(), key=lambda each: (-each[1].count, each[0]))[:MOST_VALUES]
    return {
        "count": edge.count,
        "failed": edge.failed,
        "first": edge.first,
        "last": edge.last,
        "risk": edge.risk,
        "calls": [
            [visible(name, _LONGEST), each.count, each.failed, each.risk, each.first, each.last]
            for name, each in calls
        ],
        "other_calls": edge.count - sum(each.count for _, each in calls),
        "named": {name: _values(counts) for name, counts in found.named.items()},
        "spans": [
            [number, each.succeeded, each.failed, each.risk, each.failed_risk]
            for number, each in sorted(found.spans.items())
        ],
        "events": [_event(page, each) for each in found.events],
    }


def _values(counts: Counter[str]) -> list[list[Any]]:
    """The most frequent values, each with its number of events."""
    made: list[list[Any]] = [
        [visible(value, _LONGEST), number] for value, number in counts.most_common(MOST_VALUES)
    ]
    return made


def _event(page: ActivityPage, event: NamedEvent) -> dict[str, Any]:
    on = [visible(each, _LONGEST) for each in event.on[:_NAMED_ON]]
    if len(event.on) > _NAMED_ON:
        on.append(f"and {len(event.on) - _NAMED_ON:,} more")
    return {
        "id": visible(event.id, _LONGEST),
        "time": event.time,
        "call": visible(event.call, _LONGEST),
        "failed": event.failed,
        "error": visible(event.error, _LONGEST),
        "risk": event.risk,
        "address": visible(event.address, _LONGEST),
        "agent": visible(event.agent, _LONGEST),
        "principal": visible(event.principal, _LONGEST),
        "account": visible(event.account, _LONGEST),
        "region": visible(event.region, _LONGEST),
        "key": visible(event.key, _LONGEST),
        "on": on,
        **_leads(page, event.id, event.time),
    }


def _leads(page: ActivityPage, event: str, time: int) -> dict[str, str]:
    """How to get to an event: the command, and its address in Dashboards."""
    return {"command": _command("event", event), "link": page.link(event, moment(time))}


def _command(name: str, argument: str) -> str:
    """A command to copy, with its argument quoted for a shell. None for an argument that is not
    safe in a shell: with control or invisible characters, or like an option."""
    if not argument.isprintable() or argument.startswith("-") or len(argument) > _LONGEST:
        return ""
    return shlex.join(["trailhound", name, argument])
