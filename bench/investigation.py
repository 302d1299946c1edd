"""What investigation costs over a million events: each command as its user runs it, in a process of
its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from opensearchpy import OpenSearch

from bench.activity import BUSY_PERSON, BUSY_ROLE, JEWEL, STOLEN_KEY, write_activity
from bench.environment import BenchEnvironment, fresh_namespace
from bench.indexing import backfill_seconds
from bench.processes import launched
from detections.events.daily_indices import daily_indices
from detections.events.index import EventIndex
from detections.investigation.graph import GROUPS, build
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

NODES: Final = 20_000
_GRAPH: Final = "graph"
"""Not a command: the whole activity graph, of which commands need parts."""
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "paths, one key to one bucket": ("paths", "--from", f"key:{STOLEN_KEY}", "--to", f"s3:{JEWEL}"),
    "paths, one role to any bucket": ("paths", "--from", f"role:{BUSY_ROLE}", "--to", "s3:*"),
    "paths, anybody to any bucket": ("paths", "--from", "user:*", "--to", "s3:*"),
    "paths --lateral": ("paths", "--lateral"),
    "the whole graph": (_GRAPH,),
    "timeline of the key": ("timeline", f"key:{STOLEN_KEY}"),
    "timeline of a busy role": ("timeline", f"role:{BUSY_ROLE}"),
    "timeline of a busy person": ("timeline", f"user:{BUSY_PERSON}"),
    "whois of a busy role": ("whois", f"role:{BUSY_ROLE}"),
    "whois of a busy person": ("whois", f"user:{BUSY_PERSON}"),
    "hunt, 7 days": ("hunt",),
    "hunt --report, 30 days": ("hunt", "--since", "2025-03-03", "--report"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One command: seconds on the clock, of its processor and of the engine's; its peak memory."""

    seconds: float
    our_cpu: float
    engine_cpu: float
    peak_mb: float
    code: int

    def __str__(self) -> str:
        failed = f", exit code {self.code}" if self.code else ""
        return (
            f"{self.seconds:.1f} s (processor: engine {self.engine_cpu:.1f} s, ours "
            f"{self.our_cpu:.1f} s), {self.peak_mb:.0f} MB{failed}"
        )


def investigations(
    benchmark: BenchEnvironment, events: int, nodes: int, say: Callable[[str], Any]
) -> dict[str, Any]:
    """A trail of so many events and nodes is indexed; then each command once."""
    with fresh_namespace(benchmark, "investigation") as (client, settings):
        trail = write_activity(benchmark.folder / "activity", events, nodes)
        seconds = backfill_seconds(client, settings, trail)
        client.indices.refresh(index=Names(settings.prefix).days)
        say(f"{events:,} events indexed in {seconds:.0f} s")
        return measure(benchmark, client, settings, say)


def measure(
    benchmark: BenchEnvironment, client: OpenSearch, settings: Settings, say: Callable[[str], Any]
) -> dict[str, Any]:
    """Each command once, over a namespace that has been filled."""
    made = {}
    for name, arguments in COMMANDS.items():
        run = _run(benchmark, client, settings, arguments)
        say(f"{name}: {run}")
        made[name] = asdict(run)
    return made


def whole_graph(url: str, namespace: str, folder: str) -> None:
    """The activity graph of all events."""
    settings = BenchEnvironment(url, Path(folder)).settings(namespace)
    client = connect(settings)
    days = daily_indices(client, settings)
    graph = build(EventIndex(client, days.expression, groups_page=GROUPS)).graph
    print(f"{len(graph):,} nodes, {graph.number_of_edges():,} edges", file=sys.stderr)


def _run(
    benchmark: BenchEnvironment, client: OpenSearch, settings: Settings, arguments: Sequence[str]
) -> Run:
    url, namespace = benchmark.url, settings.namespace
    command = [sys.executable, "-m", "trailhound", *arguments, "--url", url]
    command += ["--namespace", namespace]
    command += ["--folder", str(benchmark.folder)] if "--report" in arguments else []
    if arguments == (_GRAPH,):
        call = f"whole_graph({url!r}, {namespace!r}, {str(benchmark.folder)!r})"
        command = [sys.executable, "-c", f"from bench.investigation import *; {call}"]
    environment = os.environ | {"TRAILHOUND_HOME": str(benchmark.folder / "home")}
    before = _engine_cpu(client)
    used = launched(command, environment, subprocess.DEVNULL)
    engine = _engine_cpu(client) - before
    return Run(used.seconds, used.cpu, engine, used.peak_mb, used.code)


def _engine_cpu(client: OpenSearch) -> float:
    """Processor seconds of all nodes; of an engine that others use too, with their work."""
    nodes = client.nodes.stats(metric="process")["nodes"].values()
    return sum(int(each["process"]["cpu"]["total_in_millis"]) for each in nodes) / 1000
