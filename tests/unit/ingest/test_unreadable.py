"""A small file of very many values that are no records costs little, and is said to be none."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.processes import launched
from enrich.enricher import Enricher
from ingest.object_reader import MOST_UNREADABLE
from ingest.objects import Selection
from ingest.offline import OfflineRead, OfflineReport
from ingest.sources import open_source
from tests.helpers.trails import record
from trailhound.settings import Settings

MIB = 1024 * 1024


def read(content: bytes, tmp_path: Path) -> OfflineReport:
    file = tmp_path / "a.json.gz"
    file.write_bytes(gzip.compress(content, 1))
    settings = Settings()
    read = OfflineRead(settings, Enricher(), selection=Selection())
    for _ in read.batches([open_source(str(file), settings)]):
        pass
    return read.report


@pytest.mark.parametrize("value", ["1", "{}", '"x"', '{"a":1}'])
def test_the_rest_is_not_read(value: str, tmp_path: Path) -> None:
    values = ",".join(
        [json.dumps(record()), *[value] * (3 * MOST_UNREADABLE // 2), json.dumps(record())]
    )
    report = read(f'{{"Records":[{values}]}}'.encode(), tmp_path)
    counts = report.counts
    assert counts.indexed >= 1
    assert counts.dead_lettered > MOST_UNREADABLE
    assert counts.read == counts.indexed + counts.dead_lettered
    if counts.dead_lettered < 3 * MOST_UNREADABLE // 2:
        (said,) = (reason for _, reason in report.failures)
        assert f"{MOST_UNREADABLE:,}" in said
        assert report.failed_objects == 1


def test_values_up_to_the_limit_hide_no_record(tmp_path: Path) -> None:
    values = ",".join([*["1"] * (MOST_UNREADABLE - 1), json.dumps(record())])
    report = read(f'{{"Records":[{json.dumps(record())},{values}]}}'.encode(), tmp_path)
    assert (report.failed_objects, report.counts.indexed) == (0, 2)
    assert report.counts.dead_lettered == MOST_UNREADABLE - 1


READ = """
import sys
from enrich.enricher import Enricher
from ingest.objects import Selection
from ingest.offline import OfflineRead
from ingest.sources import open_source
from trailhound.settings import Settings

settings = Settings()
read = OfflineRead(settings, Enricher(), selection=Selection())
for _ in read.batches([open_source(sys.argv[1], settings)]):
    pass
"""


def peak(content: bytes, tmp_path: Path) -> float:
    """Bytes that a process held at most which read this. To trace each allocation instead takes
    ten times as long as to read."""
    file = tmp_path / "a.json.gz"
    file.write_bytes(gzip.compress(content, 1))
    took = launched([sys.executable, "-c", READ, str(file)], os.environ, subprocess.DEVNULL)
    assert took.code == 0
    return took.peak_mb * MIB


@pytest.fixture(scope="module")
def least(tmp_path_factory: pytest.TempPathFactory) -> float:
    return peak(b'{"Records":[{}]}', tmp_path_factory.mktemp("least"))


@pytest.mark.parametrize("records", [0, 2_000])
def test_memory_follows_the_size_of_the_file(records: int, least: float, tmp_path: Path) -> None:
    """Each value as an object of its own takes fifty times its text, also where only a part of
    the file is such values."""
    ordinary = b"".join(json.dumps(record()).encode() + b"," for _ in range(records))
    content = b'{"Records":[' + ordinary + b"{}" + b",{}" * (MIB // 2) + b"]}"
    assert peak(content, tmp_path) - least < 8 * len(content)
