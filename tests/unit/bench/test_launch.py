"""What a benchmark's process took is its own, not its parent's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.environment import BenchEnvironment
from bench.processes import launched, measured

HELD = 200_000_000


def _peak(code: str) -> float:
    return launched([sys.executable, "-c", code], os.environ, subprocess.DEVNULL).peak_mb


def test_the_largest_size_is_that_of_the_command() -> None:
    held = bytearray(HELD)
    held[::4096] = b"x" * len(held[::4096])  # each page is there
    small = _peak("pass")
    assert small < HELD / 2**21
    assert _peak(f"held = b'x' * {HELD}") - small > 0.9 * HELD / 2**20


@pytest.mark.parametrize(
    ("code", "ends"),
    [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL)],
)
def test_the_exit_code_is_that_of_the_command(code: str, ends: int) -> None:
    with tempfile.TemporaryFile() as out:
        assert launched([sys.executable, "-c", code], os.environ, out).code == ends


def test_its_processor_time_is_counted() -> None:
    code = "import time\nwhile time.process_time() < 0.3: pass"
    used = launched([sys.executable, "-c", code], os.environ, subprocess.DEVNULL)
    assert used.cpu >= 0.3


def test_a_benchmark_whose_command_fails_has_no_figure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 7"):
        measured(BenchEnvironment("http://127.0.0.1:9", tmp_path), ["-c", "raise SystemExit(7)"])
