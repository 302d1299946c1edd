"""What a process took, from its start to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from bench.environment import BenchEnvironment


@dataclass(frozen=True, slots=True)
class Used:
    """Seconds on the clock, processor seconds (user and system), the largest resident size."""

    seconds: float
    cpu: float
    peak_mb: float


def measured(
    benchmark: BenchEnvironment, arguments: Sequence[str], out: IO[bytes] | int = subprocess.DEVNULL
) -> Used:
    """Run Python with these arguments. Raises RuntimeError where it fails.

    Its modules are compiled once and kept, as those of an installed program are.
    """
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment = kept | {
        "PYTHONPYCACHEPREFIX": str(benchmark.folder / "compiled"),
        "TRAILHOUND_HOME": str(benchmark.folder / "home"),
    }
    started = time.monotonic()
    running = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=out)
    _, status, used = os.wait4(running.pid, 0)
    seconds = time.monotonic() - started
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise RuntimeError(f"{list(arguments)} ended with {running.returncode}")
    return Used(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
