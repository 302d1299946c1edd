"""What a process took, from its start to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from bench import launch
from bench.environment import BenchEnvironment


@dataclass(frozen=True, slots=True)
class Used:
    """Seconds on the clock, processor seconds (user and system), the largest resident size of the
    process alone, and its exit code (negative: the signal that ended it)."""

    seconds: float
    cpu: float
    peak_mb: float
    code: int = 0


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
    used = launched([sys.executable, *arguments], environment, out)
    if used.code:
        raise RuntimeError(f"{list(arguments)} ended with {used.code}")
    return used


def launched(
    command: Sequence[str],
    environment: Mapping[str, str],
    out: IO[bytes] | int,
    errors: IO[bytes] | int | None = None,
) -> Used:
    """Run a command, its program by path, to its end: see `bench.launch`. `errors`: where its
    stderr goes, if not to ours."""
    with tempfile.TemporaryFile() as report:
        descriptor = report.fileno()
        launcher = [sys.executable, "-IS", str(Path(launch.__file__)), str(descriptor)]
        started = time.monotonic()
        subprocess.run(
            [*launcher, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            pass_fds=[descriptor],
            check=True,
        )
        seconds = time.monotonic() - started
        report.seek(0)
        return Used(seconds, **orjson.loads(report.read()))
