"""What a run knows to be stored: bounded, exact, and only what the assembler is given."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.enricher import Enricher
from ingest.bulk.stored_records import StoredRecords, digest_of
from ingest.documents.assembler import Assembler
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.reading import ReadLimits, TrailReader


@given(st.lists(st.integers(), unique=True, max_size=60))
def test_the_latest_are_known_and_memory_is_bounded(digests: list[int]) -> None:
    stored = StoredRecords(generation=10)
    for digest in digests:
        stored.add([digest])
    assert all(digest in stored for digest in digests[-10:])
    assert sum(map(len, stored.known)) <= 20
    stored.clear()
    assert not any(digest in stored for digest in digests)


def test_the_memory_of_a_full_one_is_as_stated() -> None:
    stored = StoredRecords()
    numbers = iter(range(1 << 62, 1 << 63, 7))
    for _ in range(4):
        stored.add([next(numbers) for _ in range(40_000)])
    used = sum(sys.getsizeof(each) + sum(map(sys.getsizeof, each)) for each in stored.known)
    assert used <= 12_000_000


def test_it_knows_the_object_of_each() -> None:
    stored = StoredRecords(generation=2)
    stored.add([1, 2], ["a", "b"])
    stored.add([3])
    assert [stored.object_of(each) for each in (1, 2, 3, 4)] == ["a", "b", "", ""]


@pytest.mark.parametrize("seed", ["random", "1"])
def test_a_digest_is_of_the_bytes_whatever_the_seed(seed: str) -> None:
    script = (
        "from ingest.bulk.stored_records import digest_of as of\n"
        "print(of(b'a' * 9) == of(b'a' * 9), of(b'a') != of(b'b'), of is hash)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "True", str(seed == "random")]


def event(**more: Any) -> dict[str, Any]:
    return {
        "eventTime": "2025-03-01T00:00:00Z",
        "eventName": "E",
        "eventID": str(uuid.uuid4()),
        **more,
    }


def assembled(records: list[dict[str, Any]], assembler: Assembler) -> tuple[list[int], int]:
    """The positions of the documents made, and how many records are stored already."""
    content = json.dumps({"Records": records}).encode()
    owner = ObjectProgress(TrailObject("s3://b/k", "e", len(content)), lambda _: None)
    positions, duplicates = [], 0
    for chunk in TrailReader(io.BytesIO(content), ReadLimits(), name="k").chunks():
        for made in assembler.assemble(chunk, owner):
            assert len(made.batch.digests) == len(made.batch)
            positions += made.batch.positions
            duplicates += made.duplicates
    return positions, duplicates


def test_only_the_same_bytes_are_skipped_and_only_once_they_are_stored() -> None:
    stored = StoredRecords()
    assembler = Assembler(Enricher(), str, stored=stored, skip_stored=True)
    first, second = event(), event()
    other = first | {"eventName": "F"}
    assert assembled([first, second, first], assembler) == ([0, 1, 2], 0)
    stored.add([digest_of(json.dumps(first).encode())])
    assert assembled([first, second, other, first], assembler) == ([1, 2], 2)
    sending = Assembler(Enricher(), str, stored=stored)
    assert assembled([first, second], sending) == ([0, 1], 0)
