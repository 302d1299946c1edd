"""Reading a sample back, as somebody who didn't write it would."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def files(directory: Path) -> list[Path]:
    """The trail files of a sample, in order of their names."""
    return sorted(path for path in directory.rglob("*_CloudTrail_*") if path.is_file())


def content(path: Path) -> bytes:
    """A file's JSON."""
    stored = path.read_bytes()
    return gzip.decompress(stored) if path.suffix == ".gz" else stored


def records(path: Path) -> list[Event]:
    """The records of a file."""
    loaded = json.loads(content(path))
    assert list(loaded) == ["Records"]
    found: list[Event] = loaded["Records"]
    return found


def events(directory: Path) -> list[Event]:
    """All records of a sample, duplicates among them."""
    return [record for path in files(directory) for record in records(path)]


def labels(directory: Path) -> dict[str, Any]:
    """What a sample says about its attacks."""
    found: dict[str, Any] = json.loads((directory / ".sample/labels.json").read_text("utf-8"))
    return found
