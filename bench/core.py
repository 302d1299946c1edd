"""One core from gzip to finished bulk body, against parsing and writing the same records."""

from __future__ import annotations

import io
import time
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

import orjson
from isal import igzip

from bench.environment import quiet_enricher
from ingest.backfill.small_objects import SmallObjects
from ingest.bulk.batch import Batch
from ingest.bulk.stored_records import StoredRecords
from ingest.documents.assembler import Assembler
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.reading import ReadLimits, TrailReader
from trailhound.errors import SourceError
from trailhound.settings import Settings


def pipeline(blobs: list[bytes], settings: Settings) -> tuple[float, int]:
    """CPU seconds and events from compressed files to finished bodies, which are thrown away."""
    made = _Bodies(settings)
    small = SmallObjects(made.begin, made.read)
    started = time.process_time()
    for number, blob in enumerate(blobs):
        run = ObjectProgress(TrailObject(f"s3://bench/{number}", "", len(blob)), lambda _: None)
        small.read(io.BytesIO(blob), run)
    small.finish()
    made.end()
    return time.process_time() - started, made.events


class _Bodies:
    """Finished bodies of objects, of the writer's size, which are thrown away."""

    def __init__(self, settings: Settings) -> None:
        self.events = 0
        self._most = settings.ingest.batch_bytes
        self._batch = Batch()
        self._assembler = Assembler(
            quiet_enricher(settings), lambda day: f"cloudtrail-{day}", stored=StoredRecords()
        )

    def begin(self, stream: BinaryIO, _: ObjectProgress) -> TrailReader:
        reader = TrailReader(stream, ReadLimits(), name="bench")
        reader.begin()
        return reader

    def read(
        self, stream: BinaryIO | SourceError, run: ObjectProgress, begun: TrailReader | None
    ) -> None:
        if isinstance(stream, SourceError):
            raise stream
        for chunk in (begun or TrailReader(stream, ReadLimits(), name="bench")).chunks():
            for part in self._assembler.assemble(chunk, run):
                self._batch.heads += part.batch.heads
                self._batch.size += part.batch.size
                if self._batch.size >= self._most:
                    self.end()

    def end(self) -> None:
        self._batch.body("2025-01-01T00:00:00.000Z")
        self.events += len(self._batch)
        self._batch = Batch()


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
