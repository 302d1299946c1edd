"""The recorded events that an independent Sigma engine counted hits on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.rglob("*.jsonl")):
        yield from map(json.loads, filter(None, file.read_text("utf-8").splitlines()))


def _arrays(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.rglob("*.json")):
        yield from json.loads(file.read_bytes())


def _trails(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((folder / "AWSLogs").rglob("*.json*")):
        content = file.read_bytes()
        yield from json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)[
            "Records"
        ]


READERS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    "stratus": _arrays,
    "traildiscover": _lines,
    "umccr": _trails,
}


def recorded(shared_data: Path, folder: str) -> list[dict[str, Any]]:
    """The distinct events of a folder, by eventID; the last of several counts."""
    events = {event["eventID"]: event for event in READERS[folder](shared_data / folder)}
    return list(events.values())
