"""One core from gzip to finished bulk body, against parsing and writing the same records."""

from __future__ import annotations

import io
import time
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from isal import igzip

from bench.environment import quiet_enricher
from ingest.bulk.batch import Batch
from ingest.bulk.stored_records import StoredRecords
from ingest.documents.assembler import Assembler
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.reading import ReadLimits, TrailReader
from trailhound.settings import Settings


def pipeline(blobs: list[bytes], settings: Settings) -> tuple[float, int]:
    """CPU seconds and events from compressed files to finished bodies, which are thrown away."""
    assembler = Assembler(
        quiet_enricher(settings), lambda day: f"cloudtrail-{day}", stored=StoredRecords()
    )
    batch = Batch()
    events = 0
    started = time.process_time()
    for number, blob in enumerate(blobs):
        run = ObjectProgress(TrailObject(f"s3://bench/{number}", "", len(blob)), lambda _: None)
        for chunk in TrailReader(io.BytesIO(blob), ReadLimits(), name="bench").chunks():
            for part in assembler.assemble(chunk, run):
                batch.heads += part.batch.heads
                batch.size += part.batch.size
                if batch.size >= settings.ingest.batch_bytes:
                    batch.body("2025-01-01T00:00:00.000Z")
                    events += len(batch)
                    batch = Batch()
    batch.body("2025-01-01T00:00:00.000Z")
    return time.process_time() - started, events + len(batch)


def round_trip(blobs: list[bytes]) -> tuple[float, int]:
    """CPU seconds and events of gunzip, `orjson.loads` and `orjson.dumps` of each record."""
    events = 0
    started = time.process_time()
    for blob in blobs:
        content = igzip.decompress(blob)  # type: ignore[no-untyped-call]
        for record in orjson.loads(content)["Records"]:
            orjson.dumps(record)
            events += 1
    return time.process_time() - started, events


def against_orjson(trail: Path, settings: Settings, rounds: int) -> dict[str, Any]:
    """Enriched events/s on one core ÷ orjson's loads and dumps of the same records."""
    blobs = [path.read_bytes() for path in sorted(trail.rglob("*.json.gz"))]
    ratios = []
    rate = 0.0
    for number in range(rounds):
        if number % 2:
            theirs, expected = round_trip(blobs)
            ours, events = pipeline(blobs, settings)
        else:
            ours, events = pipeline(blobs, settings)
            theirs, expected = round_trip(blobs)
        if events != expected:
            raise RuntimeError(f"{events} events made of {expected} records")
        ratios.append(theirs / ours)
        rate = events / ours
    return {"ratio": median(ratios), "ratios": ratios, "events_a_cpu_second": rate}
