"""What a core of ours and a core of the engine do: by processor time, which a busy machine spares.

Seconds of a clock would also measure what else the machine does; events a processor second hold for
a core that is ours alone.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.environment import BenchEnvironment, fresh_namespace
from bench.indexing import backfill_seconds, merged_bytes, warm_up
from bench.plan import Measured

NODE_CORES = 2


def processor_seconds(pid: int) -> float:
    """Of a process, all threads, since its start (`utime` and `stime` of proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def capacity(benchmark: BenchEnvironment, trail: Path, rounds: int) -> Measured:
    """The best of some backfills, each into a fresh namespace; the engine is warm before."""
    if benchmark.pid is None:
        raise RuntimeError("the engine's processor time is needed: leave out --url")
    warm_up(benchmark, trail)
    ours: list[float] = []
    theirs: list[float] = []
    size = 0.0
    for number in range(rounds):
        with fresh_namespace(benchmark, f"capacity{number}") as (client, settings):
            before = time.process_time(), processor_seconds(benchmark.pid)
            backfill_seconds(client, settings, trail)
            spent = time.process_time() - before[0]
            pattern = f"{settings.prefix}cloudtrail-*"
            client.indices.refresh(index=pattern)
            events = client.count(index=pattern)["count"]
            ours.append(events / spent)
            theirs.append(events / (processor_seconds(benchmark.pid) - before[1]))
            size = merged_bytes(client, settings)
    return Measured(max(ours), max(theirs) * NODE_CORES, size)
