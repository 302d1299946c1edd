"""What a whole `trailhound detect` over history costs: findings read, alerts written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from opensearchpy import OpenSearch

from bench.capacity import processor_seconds
from bench.environment import BenchEnvironment, fresh_namespace
from bench.indexing import backfill_seconds
from bench.processes import measured
from trailhound.cluster.templates import Names
from trailhound.sample import SampleSpec, write_sample
from trailhound.settings import Settings
from trailhound.state.alert_groups import AlertGroup

DAYS = 30
A_TRAIL = 1_000_000
"""Events of one sample; more are further samples, of other seeds and without attacks."""


@dataclass(frozen=True, slots=True)
class DetectRun:
    """One process: seconds on the clock, processor seconds of the engine and of ours, its largest
    resident size in MB, and what it said it did."""

    seconds: float
    engine_cpu: float
    our_cpu: float
    peak_mb: float
    rules_that_found: int
    findings: int
    new_alerts: int

    def __str__(self) -> str:
        processors = f"processor: engine {self.engine_cpu:.1f} s, ours {self.our_cpu:.1f} s"
        return (
            f"{self.seconds:.1f} s ({processors}), peak {self.peak_mb:.0f} MB; {self.findings:,} "
            f"findings of {self.rules_that_found} rules, {self.new_alerts:,} new alerts"
        )


def whole_runs(
    benchmark: BenchEnvironment, events: int, days: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """The first run, which writes alerts, the next, which finds them written, and one that writes
    them anew: an engine that has just started compiles itself during the first.

    After a tenth of the events too: memory that grows with the events would show.
    """
    results: dict[str, Any] = {}
    for share in (events // 10, events):
        with fresh_namespace(benchmark, f"detect-{share}") as (client, settings):
            seconds = _fill(benchmark, client, settings, share, days)
            say(f"{share:,} events of {days} days, indexed in {seconds:.0f} s")
            for name in ("first", "again", "anew"):
                if name == "anew":
                    _forget_alerts(client, settings)
                made = _detect(benchmark, settings, days)
                say(f"  {name}: {made}")
                results[f"{share}_{name}"] = asdict(made)
    return results


def _fill(
    benchmark: BenchEnvironment, client: OpenSearch, settings: Settings, events: int, days: int
) -> float:
    """Index samples, one at a time on the disk; seconds of the backfills."""
    seconds = 0.0
    for number, start in enumerate(range(0, events, A_TRAIL)):
        spec = SampleSpec(
            events=min(A_TRAIL, events - start),
            seed=1 + number,
            days=days,
            events_per_file=5_000,
            attacks=not number,
        )
        with tempfile.TemporaryDirectory(dir=benchmark.folder) as folder:
            trail = Path(folder) / f"trail-{number}"
            write_sample(trail, spec)
            seconds += backfill_seconds(client, settings, trail)
    client.indices.refresh(index=f"{settings.prefix}cloudtrail-*")
    return seconds


def _forget_alerts(client: OpenSearch, settings: Settings) -> None:
    """Remove the alerts and what is kept of their groups."""
    names = Names(settings.prefix)
    groups = {"term": {"kind": AlertGroup.kind}}
    for index, query in ((names.alerts, {"match_all": {}}), (names.ledger, groups)):
        client.delete_by_query(index=index, body={"query": query}, params={"refresh": "true"})


def _detect(benchmark: BenchEnvironment, settings: Settings, days: int) -> DetectRun:
    """`detect` over the samples' days, as a process."""
    first = SampleSpec().start
    arguments = ["-m", "trailhound", "detect", "--json", "--since", f"{first}"]
    arguments += ["--until", f"{first + timedelta(days=days)}"]
    arguments += ["--url", benchmark.url, "--namespace", settings.namespace]
    before = 0.0 if benchmark.pid is None else processor_seconds(benchmark.pid)
    with tempfile.TemporaryFile() as output:
        used = measured(benchmark, arguments, output)
        output.seek(0)
        summary = orjson.loads(output.read())
    after = 0.0 if benchmark.pid is None else processor_seconds(benchmark.pid)
    rules = summary["rules"]
    return DetectRun(
        seconds=used.seconds,
        engine_cpu=after - before,
        our_cpu=used.cpu,
        peak_mb=used.peak_mb,
        rules_that_found=len(rules),
        findings=sum(each["findings"] for each in rules),
        new_alerts=summary["created"],
    )
