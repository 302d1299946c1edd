"""Real recorded events, where a checkout has them beside it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def events(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each event with the name of its collection: traildiscover, stratus, umccr, panther."""
    for line in _lines(data / "traildiscover" / "events.jsonl"):
        yield "traildiscover", json.loads(line)
    for path in sorted((data / "stratus").glob("*.json")):
        for event in json.loads(path.read_bytes()):
            yield "stratus", event
    for path in sorted((data / "umccr" / "AWSLogs").rglob("*.json*")):
        stored = path.read_bytes()
        trail = json.loads(gzip.decompress(stored) if path.suffix == ".gz" else stored)
        for event in trail["Records"]:
            yield "umccr", event
    for line in _lines(data / "panther" / "labelled_events.jsonl"):
        yield "panther", json.loads(line)["event"]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
