"""A daemon under a steady load for minutes: its memory, threads and file handles stay flat."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from opensearchpy import OpenSearch

from bench.environment import BenchEnvironment, fresh_namespace
from bench.following import cloud, daemon
from trailhound.settings import Settings

OBJECTS_A_MINUTE = 240
EVENTS_AN_OBJECT = 50
_LOOK_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """What `/proc` says of a process: MB of resident memory, threads, open files."""

    at: float
    memory: float
    threads: int
    files: int


def look(pid: int, at: float) -> Look:
    """How a process does now."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    )
    files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Look(at, int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files)


def soak(benchmark: BenchEnvironment, minutes: float) -> dict[str, Any]:
    """Medians of the second and of the last fifth of the time, and last ÷ second.

    The first fifth is the warm-up: caches fill, connections open.
    """
    objects = max(20, int(minutes * OBJECTS_A_MINUTE))
    trail, made = benchmark.sample(objects * EVENTS_AN_OBJECT, EVENTS_AN_OBJECT)
    files = sorted(trail.rglob("*.json.gz"))
    looks: list[Look] = []
    with fresh_namespace(benchmark, f"soak-{os.getpid()}") as (client, settings), cloud() as where:
        log = benchmark.folder / "soak.log"
        with daemon(settings, where, log) as process:
            began = time.monotonic()
            seconds = minutes * 60
            looked = -_LOOK_EVERY
            sent = 0
            while (now := time.monotonic() - began) < seconds or sent < len(files):
                if now - looked >= _LOOK_EVERY and now < seconds:
                    looked = now
                    looks.append(look(process.pid, now))
                due = min(len(files), int(now / seconds * len(files)))
                for file in files[sent:due]:
                    where.deliver(file, trail)
                sent = due
                time.sleep(0.05)
            wait_until_in(client, settings, made.events)
    return _flatness(looks, seconds) | {"events": made.events, "objects": len(files)}


def wait_until_in(client: OpenSearch, settings: Settings, events: int) -> None:
    """Every event is in, and none twice; raises `RuntimeError` where that never comes true."""
    end = time.monotonic() + 180
    pattern = f"{settings.prefix}cloudtrail-*"
    found = 0
    while time.monotonic() < end:
        client.indices.refresh(index=pattern)
        found = client.count(index=pattern)["count"]
        if found == events:
            return
        time.sleep(1.0)
    raise RuntimeError(f"{found} events of {events} are in")


def _flatness(looks: list[Look], seconds: float) -> dict[str, Any]:
    fifth = seconds / 5
    early = [each for each in looks if fifth <= each.at < 2 * fifth]
    late = [each for each in looks if each.at >= 4 * fifth]
    found: dict[str, Any] = {"minutes": seconds / 60, "looks": len(looks)}
    for name in ("memory", "threads", "files"):
        before = median(getattr(each, name) for each in early)
        after = median(getattr(each, name) for each in late)
        found[name] = {
            "second_fifth": before,
            "last_fifth": after,
            "most": max(getattr(each, name) for each in looks),
            "ratio": after / before,
        }
    return found
