"""What the shipped rules cost an Elasticsearch, against OpenSearch on the same events.

Both engines run at the same time with the same heap, and are asked in turn. What counts is the
processor time that each of them takes: on a busy machine the clock would measure the others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from opensearchpy import OpenSearch

from bench import rules
from bench.environment import BenchEnvironment, fresh_namespace
from detections.compiled import Compiled
from detections.events.search import Search
from detections.packs.loading import load
from detections.rule import Rule
from detections.span import Span
from tests.helpers import elasticsearch
from tests.helpers.ports import own_port
from trailhound.engine.local_engine import LocalEngine
from trailhound.settings import Settings

HEAP_MB = 1024
VERSIONS = {f"elasticsearch-{each.rpartition('.')[0]}": each for each in elasticsearch.VERSIONS}
"""Product and generation → version."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two engines, filled."""

    benchmark: BenchEnvironment
    client: OpenSearch
    settings: Settings
    span: Span


def against_opensearch(
    product: str, events: int, rounds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Processor seconds of both engines for `rules backtest` and for all findings over history.

    `product` is a key of `VERSIONS`. Medians of `rounds`, after one round that is not counted.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trailhound-bench-")))
        opensearch = LocalEngine(
            folder / "opensearch",
            stack.enter_context(own_port()),
            heap_mb=HEAP_MB,
            start_timeout=180,
        )
        opensearch.start()
        stack.callback(opensearch.stop)
        other = elasticsearch.Elasticsearch(
            folder / product, stack.enter_context(own_port()), VERSIONS[product], HEAP_MB
        )
        process = other.start()
        stack.callback(process.wait)
        stack.callback(process.terminate)
        grounds = {
            "opensearch": BenchEnvironment(opensearch.url, folder, opensearch.status().pid),
            product: BenchEnvironment(other.url, folder, process.pid),
        }
        trail, _ = grounds[product].sample(events, 5_000)
        sides = {}
        for name, each in grounds.items():
            client, settings = stack.enter_context(fresh_namespace(each, "products"))
            rules.fill(client, settings, trail, 1)
            first, last, _ = rules.extent(client, settings)
            span = Span(first, last + timedelta(milliseconds=1))
            sides[name] = _Side(each, client, settings, span)
        return _compared(sides, product, rounds, say)


def _compared(
    sides: dict[str, _Side], product: str, rounds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    results: dict[str, Any] = {}
    pack = load(sides[product].settings.detections, [])
    plain = [rule for rule in pack.rules if rule.kind == "sigma"]
    for how in ("count", "find"):
        spent: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(rounds + 1):
            hits = set()
            for name, side in sides.items():
                made = _cost(side, plain, pack.compiled, how)
                hits.add((made.hits, made.failed))
                if number:
                    spent[name].append(made.engine_cpu)
                say(f"  {how}, {name}: {made}")
            if len(hits) > 1:
                raise RuntimeError(f"the engines differ in hits and failures: {hits}")
        seconds = {name: median(each) for name, each in spent.items()}
        ratio = seconds[product] / seconds["opensearch"]
        results[how] = {"engine_cpu": seconds, "ratio": ratio}
        say(
            f"{how}: {product} {seconds[product]:.2f} s, OpenSearch {seconds['opensearch']:.2f} s "
            f"of the engine's processor: {ratio:.2f} (≤ 1.5)"
        )
    return results


def _cost(
    side: _Side, asked: Sequence[Rule], compiled: Mapping[str, Compiled], how: str
) -> rules.Cost:
    search = Search(side.client, side.settings)
    return rules.cost(side.benchmark, side.client, search, asked, dict(compiled), side.span, how)
