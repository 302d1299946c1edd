"""`make bench`: every figure of the README, measured anew, printed and written to results.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import (
    chaos,
    core,
    cost,
    delay,
    detect_runs,
    detections,
    goals,
    indexing,
    investigation,
    memory,
    notify_delay,
    rules,
    soak,
)
from bench.capacity import NODE_CORES, capacity
from bench.environment import BenchEnvironment, environment
from bench.plan import Assumed, tables
from trailhound.sample import SampleSummary

RESULTS = Path(__file__).parent / "results.json"
MB = 1_000_000
MINUTES = 10.0
"""Of soak and delay, by default."""

console = Console(highlight=False, soft_wrap=True)


@dataclass(slots=True)
class Bench:
    """One whole run. Samples are written when first asked for."""

    benchmark: BenchEnvironment
    events: int
    rounds: int
    minutes: float | None = None
    refresh: str = "30s"
    data: Path | None = None
    nodes: int = investigation.NODES
    days: int = detect_runs.DAYS
    results: dict[str, Any] = field(default_factory=dict)
    _trails: dict[tuple[int, int | None], Path] = field(default_factory=dict)

    def trail(self, events: int, events_per_file: int | None) -> Path:
        """A sample; how many addresses and ARNs it has is printed, since caches live on them."""
        key = (events, events_per_file)
        if key not in self._trails:
            path, made = self.benchmark.sample(events, events_per_file)
            self._trails[key] = path
            _tell_sample(made)
        return self._trails[key]

    def replay(self) -> None:
        found = indexing.against_replay(self.benchmark, self.trail(self.events, 5_000), self.rounds)
        self._note("replay", found, f"backfill ÷ raw replay: {found['ratio']:.2f} (≥ 0.85)")
        console.print(f"bytes a document after force-merge: {found['bytes_a_document']:.0f}")

    def goals(self) -> None:
        """The goals' table; the whole of it takes some minutes a round."""
        found = self.results["goals"] = {}
        for each in goals.measured(self.benchmark, partial(self.trail, self.events), self.rounds):
            found[each.name] = {"value": each.value, "goal": each.goal, "each": each.each}
            console.print(each.line(), style="bold")

    def core(self) -> None:
        trail = self.trail(self.events, 5_000)
        found = core.against_orjson(trail, self.benchmark.settings("core"), self.rounds)
        self._note("core", found, f"one core ÷ orjson loads+dumps: {found['ratio']:.2f} (≥ 1.0)")
        console.print(f"events a CPU second: {found['events_a_cpu_second']:,.0f}")

    def dynamic(self) -> None:
        found = indexing.against_dynamic(self.benchmark, self.trail(self.events, 5_000), 1)
        line = (
            f"backfill ÷ default dynamic mapping: {found['ratio']:.1f} (≥ 4); rejected: "
            f"{found['rejected_ours']} ours, {found['rejected']} theirs"
        )
        self._note("dynamic", found, line)

    def tiny(self) -> None:
        tiny, big = self.trail(self.events, 10), self.trail(self.events, 5_000)
        found = indexing.tiny_against_big(self.benchmark, tiny, big, self.rounds)
        self._note(
            "tiny", found, f"files of 10 ÷ files of 5,000, time: {found['ratio']:.2f} (≤ 1.3)"
        )

    def memory(self) -> None:
        small, large = self.trail(50_000, None), self.trail(500_000, None)
        one = memory.big_file(large, self.benchmark.folder / "one-file", 500 * MB)
        trails = {"50,000 events": small, "500,000 events": large, "one file of 500 MB": one}
        found = memory.flatness(self.benchmark, trails)
        peaks = ", ".join(f"{name} {peak:.0f} MB" for name, peak in found["peak_mb"].items())
        self._note("memory", found, f"peak memory: {peaks}; ratio {found['ratio']:.2f} (≤ 1.15)")

    def soak(self) -> None:
        minutes = self.minutes or MINUTES
        found = soak.soak(self.benchmark, minutes)
        parts = ", ".join(
            f"{name} {found[name]['second_fifth']:.0f} → {found[name]['last_fifth']:.0f}"
            for name in ("memory", "threads", "files")
        )
        line = f"{minutes:g} minutes, {found['events']:,} events, all in once: {parts}"
        self._note("soak", found, line)
        console.print("  memory in MB; medians of the second and of the last fifth of the time")

    def plan(self) -> None:
        measured = capacity(self.benchmark, self.trail(self.events, 200), self.rounds)
        console.print(
            f"events a processor second: {measured.events_a_core:,.0f} ours; a data node of "
            f"{NODE_CORES} cores: {measured.events_a_node:,.0f} events/s; "
            f"{measured.bytes_a_document:.0f} bytes a document",
            style="bold",
        )
        console.print(tables(measured, Assumed()), markup=False)
        self.results["plan"] = asdict(measured)

    def delay(self) -> None:
        found = delay.delays(
            self.benchmark, (self.minutes or MINUTES) * 60 / len(delay.RATES), self.refresh
        )
        console.print(f"created → searchable, refreshed every {self.refresh}", style="bold")
        for rate in map(str, delay.RATES):
            each = found[rate]
            console.print(
                f"  {rate:>5} objects/min: {each['events_a_second']:,.0f} events/s, "
                f"p50 {each['p50']:.1f} s, p99 {each['p99']:.1f} s, {each['objects']} objects"
            )
        self.results["delay"] = found

    def notify_delay(self) -> None:
        found = notify_delay.notify_delays(self.benchmark, self.minutes)
        line = (
            f"queue → notification, default settings, {found['events']} events: "
            f"median {found['median']:.1f} s, worst {found['worst']:.1f} s"
        )
        self._note("notify-delay", found, line)
        if "interval" in found:
            parts = [("searchable after", "searchable"), ("notified after due", "due_to_notified")]
            for words, name in parts:
                each = found[name]
                console.print(
                    f"  {words}: median {each['median']:.1f} s, worst {each['worst']:.1f} s"
                )
            console.print(f"  and the wait for the rule: up to {found['interval']:.0f} s")

    def rules(self) -> None:
        self.results["rules"] = rules.costs(self.benchmark, self.events, self.rounds, console.print)

    def detect(self) -> None:
        self.results["detect"] = detect_runs.whole_runs(
            self.benchmark, self.events, self.days, console.print
        )

    def cost(self) -> None:
        found = cost.costs(self.benchmark, self.data, self.events, self.rounds)
        for line in cost.lines(found):
            console.print(line, style="bold")
        self.results["cost"] = found

    def investigation(self) -> None:
        self.results["investigation"] = investigation.investigations(
            self.benchmark, self.events, self.nodes, console.print
        )

    def _note(self, name: str, found: dict[str, Any], line: str) -> None:
        self.results[name] = found
        console.print(line, style="bold")
        if "ratios" in found:
            console.print("  each: " + ", ".join(f"{ratio:.2f}" for ratio in found["ratios"]))


def _tell_sample(made: SampleSummary) -> None:
    console.print(
        f"sample: {made.events:,} events in {made.files:,} files, {made.bytes / MB:.0f} MB; "
        f"{made.distinct_addresses:,} distinct addresses, {made.distinct_arns:,} distinct ARNs"
    )


ON_AN_ENGINE: dict[str, Callable[[Bench], None]] = {
    "goals": Bench.goals,
    "core": Bench.core,
    "replay": Bench.replay,
    "tiny": Bench.tiny,
    "dynamic": Bench.dynamic,
    "memory": Bench.memory,
}
NAMED: dict[str, Callable[[Bench], None]] = {
    "soak": Bench.soak,
    "delay": Bench.delay,
    "notify-delay": Bench.notify_delay,
    "plan": Bench.plan,
    "rules": Bench.rules,
    "detect": Bench.detect,
    "cost": Bench.cost,
    "investigation": Bench.investigation,
}
"""Only when they are named; soak, delay and notify-delay take `--minutes`."""
EVENTS = 200_000
EVENTS_OF = {
    "rules": 1_000_000,
    "detect": 1_000_000,
    "cost": 40_000,
    "goals": 100_000,
    "investigation": 1_000_000,
}
"""How many events a part takes, where `--events` doesn't say."""
SEASONED = 40_000
"""Events of the month before the attacks of `--seasoned`."""
ROUNDS = 3
ROUNDS_OF = {"goals": 5}
RULES = "detections"
"""Needs no engine."""
CHAOS = "chaos"
"""Has an engine of its own, which it kills. Only when it is named; takes `--minutes`, `--seed`."""
USUAL = (*ON_AN_ENGINE, RULES)


def main() -> None:
    """Run the parts named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[*USUAL, *NAMED, CHAOS, []],
        help="default: all but soak, delay, notify-delay, plan, rules, detect, cost, "
        "investigation and chaos",
    )
    parser.add_argument("--events", type=int, help=f"default: {EVENTS:,}; {EVENTS_OF}")
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"the median of so many is quoted; default: {ROUNDS}; {ROUNDS_OF}",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help=f"of soak and delay ({MINUTES:g}), of chaos ({chaos.MINUTES:g}), and of notify-delay",
    )
    parser.add_argument("--seed", type=int, help="of chaos: what is done when; default: another")
    parser.add_argument("--refresh", default="30s", help="index.refresh_interval of delay")
    parser.add_argument(
        "--product",
        help="of rules: an Elasticsearch to compare with OpenSearch, such as elasticsearch-9.5",
    )
    parser.add_argument(
        "--data", type=Path, help="of cost: a folder of recorded events, measured beside the sample"
    )
    parser.add_argument(
        "--forged",
        action="store_true",
        help="of detections: recall alone, under a forged agent and forged names",
    )
    parser.add_argument(
        "--seasoned",
        action="store_true",
        help="of detections: recall alone, by a pipeline's own role after a month",
    )
    parser.add_argument(
        "--nodes",
        type=int,
        default=investigation.NODES,
        help="of the activity graph; default: %(default)s",
    )
    parser.add_argument(
        "--days",
        type=int,
        default=detect_runs.DAYS,
        help="of detect: of the events; default: %(default)s",
    )
    parser.add_argument("--url", help="an engine that runs; default: one of their own")
    wanted = parser.parse_args()
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    parts = wanted.parts or ([RULES] if wanted.forged or wanted.seasoned else USUAL)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if wanted.product:
        from bench import products  # its engine is a helper of the tests

        found = products.against_opensearch(
            wanted.product, wanted.events or EVENTS, wanted.rounds or ROUNDS, console.print
        )
        results[wanted.product] = found
        parts = [name for name in parts if name not in (*USUAL, "rules")]
    if CHAOS in parts:
        results[CHAOS] = _chaos(wanted.seed, wanted.minutes, wanted.events)
    if on_an_engine := [name for name in parts if name not in (RULES, CHAOS)]:
        with environment(wanted.url) as where:
            bench = Bench(
                where,
                EVENTS,
                ROUNDS,
                wanted.minutes,
                wanted.refresh,
                wanted.data,
                wanted.nodes,
                wanted.days,
            )
            for name in on_an_engine:
                bench.events = wanted.events or EVENTS_OF.get(name, EVENTS)
                bench.rounds = wanted.rounds or ROUNDS_OF.get(name, ROUNDS)
                (ON_AN_ENGINE | NAMED)[name](bench)
        results |= bench.results
    if wanted.forged:
        results["forged"] = detections.measure_forged(console.print)
    if wanted.seasoned:
        events = wanted.events or SEASONED
        results["seasoned"] = detections.measure_seasoned(events, console.print)
    if RULES in parts and not (wanted.forged or wanted.seasoned):
        results[RULES] = detections.measure(wanted.events or EVENTS, console.print)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    console.print(f"written to {RESULTS}")


def _chaos(seed: int | None, minutes: float | None, events: int | None) -> dict[str, Any]:
    """Its folder stays, with a timeline and every log."""
    folder = Path(tempfile.mkdtemp(prefix="trailhound-chaos-"))
    console.print(f"chaos: {folder}")
    seed = random.randrange(10_000) if seed is None else seed
    wanted = events or chaos.EVENTS
    found = chaos.chaos(folder, seed, minutes or chaos.MINUTES, wanted, console.print)
    for fault in found["faults"]:
        console.print(f"  fault: {fault}", style="bold")
    console.print(
        f"{found['events']:,} events, {found['alerts']} alerts ({found['compared']}), "
        f"{found['messages']} messages, {found['repeated']} of them again: "
        f"{len(found['faults'])} faults",
        style="bold",
    )
    return found | {"seed": seed}


if __name__ == "__main__":
    main()
