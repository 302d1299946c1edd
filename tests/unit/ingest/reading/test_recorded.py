"""Every recorded file gives the records that the standard library finds in it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.reading import ReadLimits
from tests.unit.ingest.reading.formats import TINY, Reading
from trailhound.errors import NotATrailFileError

DATA = Path(__file__).parents[5] / "shared" / "data"
FOLDERS = ("stratus", "traildiscover", "umccr", "formats")
FILES = sorted(
    path for folder in FOLDERS for path in (DATA / folder).rglob("*") if ".json" in path.name
)

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded data isn't here")


def _expected(path: Path) -> list[Any]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [
            json.loads(row["CloudTrailEvent"]) if "CloudTrailEvent" in row else row for row in rows
        ]
    content = json.loads(text)
    return content if isinstance(content, list) else list(content["Records"])


@needs_data
@pytest.mark.parametrize("limits", [ReadLimits(), TINY], ids=["whole", "window"])
def test_recorded_files_read_as_the_standard_library_reads_them(limits: ReadLimits) -> None:
    total = 0
    for path in FILES:
        reading = Reading(path.read_bytes(), limits)
        assert reading.error is None, path
        assert reading.faults == [], path
        assert reading.records == _expected(path), path
        total += len(reading.records)
    assert total > 600


@needs_data
def test_recorded_digests_are_no_trails() -> None:
    for path in sorted((DATA / "digests").glob("*digest.json")):
        error = Reading(path.read_bytes()).error
        assert isinstance(error, NotATrailFileError)
        assert "digest" in str(error)
