"""Peak memory of a backfill process: the same however much there is to read."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from bench.environment import BenchEnvironment, fresh_namespace
from bench.processes import measured


def peak_mb(benchmark: BenchEnvironment, trail: Path, name: str) -> float:
    """The largest resident size, in MB, of `trailhound backfill` on a trail."""
    with fresh_namespace(benchmark, name):
        command = ["-m", "trailhound", "backfill", str(trail), "--json"]
        command += ["--url", benchmark.url, "--namespace", name]
        return measured(benchmark, command).peak_mb


def big_file(source: Path, target: Path, size: int) -> Path:
    """One uncompressed trail file of at least `size` bytes, its records all distinct."""
    target.mkdir()
    path = target / "big.json"
    written = 0
    with path.open("wb") as out:
        out.write(b'{"Records":[')
        comma = b""
        for file in sorted(source.rglob("*.json.gz")):
            content = gzip.decompress(file.read_bytes())
            inner = content[content.index(b"[") + 1 : content.rindex(b"]")]
            out.write(comma + inner)
            comma = b","
            written += len(inner)
            if written >= size:
                break
        out.write(b"]}")
    return path


def flatness(benchmark: BenchEnvironment, trails: dict[str, Path]) -> dict[str, Any]:
    """Peaks by trail, and the largest ÷ the smallest."""
    peaks = {
        name: peak_mb(benchmark, trail, f"mem{n}") for n, (name, trail) in enumerate(trails.items())
    }
    return {"peak_mb": peaks, "ratio": max(peaks.values()) / min(peaks.values())}
