"""The goals: what enrichment and exact counts may cost, as ratios within one run.

| figure | is |
|---|---|
| bare | time of a replay of the records as they are, into the same template ÷ of the backfill |
| finished | the same of our finished documents: what the engine does with our members is in both |
| script | time of `bench/plain_script.py` as a process ÷ of `trailhound backfill` as a process |
| nothing to do | CPU seconds, user and system, of a `backfill` process that finds all ingested |
| client | CPU of orjson's loads and dumps of the records ÷ of reading, enriching and assembling |
"""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from bench import core
from bench.capacity import processor_seconds
from bench.environment import BenchEnvironment, bodies, fresh_namespace
from bench.indexing import backfill_seconds, replay
from bench.processes import measured as measured_process
from trailhound.settings import Settings

SCRIPT = Path(__file__).parent / "plain_script.py"
TINY_FILES, TINY_EVENTS = 4_000, 8
COPIES = 5
"""One record in so many is a copy of an earlier one."""
_FAR = 400
"""Records between an event and its copy, at most: CloudTrail repeats within minutes."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure with the value it should have, at least or at most."""

    name: str
    value: float
    goal: float | None
    each: list[float]
    at_most: bool = False

    def line(self) -> str:
        relation = f" ({'≤' if self.at_most else '≥'} {self.goal:g})" if self.goal else ""
        each = ", ".join(f"{value:.2f}" for value in self.each)
        return f"{self.name}: {self.value:.2f}{relation}; each: {each}"


def measured(
    benchmark: BenchEnvironment, trail: Callable[[int], Path], rounds: int
) -> Iterator[Goal]:
    """All figures, each as soon as it is known; `trail(events_per_file)` is a sample."""
    distinct, _ = benchmark.sample(TINY_FILES * TINY_EVENTS, None)
    tiny = tiny_trail(distinct, benchmark.folder / "tiny-copies")
    for size in (130, 5_000):
        seconds, cpu = against_replays(benchmark, trail(size), rounds)
        for kind, what, goal in (
            ("bare", "bare records", 0.8),
            ("finished", "finished documents", 1),
        ):
            name = f"backfill ÷ replay of {what}, files of {size:,}"
            yield Goal(name, *_of(seconds[kind], goal))
            yield Goal(f"{name}, by CPU{_whose(benchmark)}", *_of(cpu[kind], None))
    for name, folder, goal in (
        ("files of 5,000", trail(5_000), 1.1),
        (f"{TINY_FILES:,} files of {TINY_EVENTS}, a fifth copies", tiny, 1.0),
    ):
        took, used = against_script(benchmark, folder, rounds)
        yield Goal(f"backfill ÷ plain script, {name}", *_of(took, goal))
        yield Goal(f"backfill ÷ plain script, {name}, by CPU{_whose(benchmark)}", *_of(used, None))
    idle = nothing_to_do(benchmark, trail(5_000), rounds)
    yield Goal("backfill with nothing to do, CPU seconds", *_of(idle, 0.5), at_most=True)
    for size, goal in ((5_000, 1.3), (64, 0.8)):
        found = core.against_orjson(trail(size), benchmark.settings("core"), rounds)
        yield Goal(f"client ÷ orjson, files of {size:,}", *_of(found["ratios"], goal))


def _of(each: list[float], goal: float | None) -> tuple[float, float | None, list[float]]:
    return median(each), goal, each


Ratios = dict[str, list[float]]


def against_replays(benchmark: BenchEnvironment, trail: Path, rounds: int) -> tuple[Ratios, Ratios]:
    """A replay ÷ the backfill: seconds, CPU seconds; of the `bare` records, and of the `finished`
    documents.

    The three take turns at being first. A first round, while the JVM still compiles, isn't counted.
    """
    ratios: Ratios = {"bare": [], "finished": []}
    costs: Ratios = {"bare": [], "finished": []}
    for number in range(rounds + 1):
        seconds: dict[str, float] = {}
        cpu: dict[str, float] = {}
        kinds = ["backfill", "bare", "finished"]
        for kind in kinds[number % 3 :] + kinds[: number % 3]:
            with fresh_namespace(benchmark, f"goals-{kind}{number}") as (client, settings):
                of = bodies if kind == "finished" else bare_bodies
                made = of(settings, trail) if kind != "backfill" else []
                before = time.process_time() + _engine_cpu(benchmark)
                if kind == "backfill":
                    seconds[kind] = backfill_seconds(client, settings, trail)
                else:
                    seconds[kind] = replay(client, made, settings.ingest.in_flight).seconds
                cpu[kind] = time.process_time() + _engine_cpu(benchmark) - before
        if number:
            for kind in ratios:
                ratios[kind].append(seconds[kind] / seconds["backfill"])
                costs[kind].append(cpu[kind] / cpu["backfill"])
    return ratios, costs


def bare_bodies(settings: Settings, trail: Path) -> list[tuple[bytes, int]]:
    """Bulk bodies of the records as they are in the files, of the writer's size."""
    made: list[tuple[bytes, int]] = []
    lines: list[bytes] = []
    size = 0
    for record in records(trail):
        day = record["eventTime"][:10].replace("-", ".")
        index = f"{settings.prefix}cloudtrail-{day}"
        action = {"create": {"_index": index, "_id": record["eventID"]}}
        lines += [orjson.dumps(action), orjson.dumps(record)]
        size += len(lines[-1])
        if size >= settings.ingest.batch_bytes:
            made.append((b"\n".join(lines) + b"\n", len(lines) // 2))
            lines, size = [], 0
    if lines:
        made.append((b"\n".join(lines) + b"\n", len(lines) // 2))
    return made


def records(trail: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(trail.rglob("*.json.gz")):
        yield from orjson.loads(gzip.decompress(path.read_bytes()))["Records"]


def tiny_trail(sample: Path, folder: Path) -> Path:
    """Files of a few records, a fifth of them copies of one that came a little earlier."""
    if folder.exists():
        return folder
    pool = random.Random(1)
    fresh = records(sample)
    recent: list[dict[str, Any]] = []
    place = folder / "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/01"
    place.mkdir(parents=True)
    for number in range(TINY_FILES):
        held: list[dict[str, Any]] = []
        for item in range(TINY_EVENTS):
            if recent and (number * TINY_EVENTS + item) % COPIES == 0:
                held.append(pool.choice(recent))
            else:
                held.append(next(fresh))
                recent = [*recent[1 - _FAR :], held[-1]]
        name = f"111122223333_CloudTrail_us-east-1_20250301T0000Z_{number:016d}.json.gz"
        (place / name).write_bytes(gzip.compress(orjson.dumps({"Records": held}), 1))
    return folder


def against_script(
    benchmark: BenchEnvironment, trail: Path, rounds: int
) -> tuple[list[float], list[float]]:
    """The plain script ÷ the command, each a process from start to end: seconds, CPU seconds.

    The engine's CPU is counted too where its process is known. On a machine that does other work
    CPU says more: four connections get more of a busy machine's time than two.
    """
    ratios: list[float] = []
    costs: list[float] = []
    for number in range(rounds + 1):
        seconds: dict[str, float] = {}
        cpu: dict[str, float] = {}
        for kind in ("script", "backfill") if number % 2 else ("backfill", "script"):
            with fresh_namespace(benchmark, f"goals-{kind}{number}") as (_, settings):
                command = (
                    [str(SCRIPT), benchmark.url, settings.prefix, str(trail)]
                    if kind == "script"
                    else _backfill(benchmark, settings, trail)
                )
                before = _engine_cpu(benchmark)
                used = measured_process(benchmark, command)
                seconds[kind] = used.seconds
                cpu[kind] = used.cpu + _engine_cpu(benchmark) - before
        if number:
            ratios.append(seconds["script"] / seconds["backfill"])
            costs.append(cpu["script"] / cpu["backfill"])
    return ratios, costs


def _engine_cpu(benchmark: BenchEnvironment) -> float:
    """CPU seconds of the engine's process so far; 0 where it is not ours."""
    return 0.0 if benchmark.pid is None else processor_seconds(benchmark.pid)


def _whose(benchmark: BenchEnvironment) -> str:
    return " of client alone" if benchmark.pid is None else " of client and engine"


def nothing_to_do(benchmark: BenchEnvironment, trail: Path, rounds: int) -> list[float]:
    """CPU seconds of a command that finds every object in the ledger."""
    with fresh_namespace(benchmark, "goals-idle") as (_, settings):
        command = _backfill(benchmark, settings, trail)
        measured_process(benchmark, command)
        return [measured_process(benchmark, command).cpu for _ in range(rounds)]


def _backfill(benchmark: BenchEnvironment, settings: Settings, trail: Path) -> list[str]:
    cluster = ["--url", benchmark.url, "--namespace", settings.namespace]
    return ["-m", "trailhound", "backfill", str(trail), *cluster]
