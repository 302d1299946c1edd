"""The environment of the benchmarks: an engine, sample trails, finished bulk bodies."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from opensearchpy import OpenSearch

from enrich.enricher import Enricher
from ingest.bulk.batch import Batch
from ingest.documents.assembler import Assembler
from ingest.object_progress import ObjectProgress
from ingest.objects import Selection
from ingest.reading import Chunk, ReadLimits, TrailReader
from ingest.sources import open_source
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.cluster.dialect import OPENSEARCH, Dialect
from trailhound.cluster.initialization import init
from trailhound.engine import machine
from trailhound.engine.local_engine import LocalEngine
from trailhound.errors import NotATrailFileError
from trailhound.sample import SampleSpec, SampleSummary, write_sample
from trailhound.settings import Settings, load

HEAP_MB = 2048


@dataclass(frozen=True, slots=True)
class BenchEnvironment:
    """An engine's address, a folder for samples and homes; the engine's process, if it is ours."""

    url: str
    folder: Path
    pid: int | None = None

    def settings(self, namespace: str) -> Settings:
        """The shipped defaults, on this engine."""
        flags = {
            "cluster": {"hosts": [self.url]},
            "namespace": namespace,
            "home": str(self.folder / "home"),
        }
        return load(None, flags)

    def sample(self, events: int, events_per_file: int | None) -> tuple[Path, SampleSummary]:
        """A sample trail and what is in it, written anew."""
        path = self.folder / f"trail-{events}-{events_per_file}"
        spec = SampleSpec(events=events, events_per_file=events_per_file, days=5)
        return path, write_sample(path, spec)


@contextmanager
def environment(url: str | None = None) -> Iterator[BenchEnvironment]:
    """An engine that nothing else uses, with a folder; both gone at the end.

    Or the engine at `url`, on which only the benchmarks' own namespaces are touched.
    """
    with tempfile.TemporaryDirectory(prefix="trailhound-bench-") as name:
        folder = Path(name)
        if url is not None:
            yield BenchEnvironment(url, folder)
            return
        engine = LocalEngine(
            folder / "engine", machine.free_port(), heap_mb=HEAP_MB, start_timeout=180
        )
        engine.start()
        try:
            yield BenchEnvironment(engine.url, folder, engine.status().pid)
        finally:
            engine.stop()


@contextmanager
def fresh_namespace(
    benchmark: BenchEnvironment, name: str
) -> Iterator[tuple[OpenSearch, Settings]]:
    """Templates put, no index yet; everything removed afterwards."""
    settings = benchmark.settings(name)
    client = connect(settings)
    init(client, settings)
    try:
        yield client, settings
    finally:
        if made := names_of(client, f"{name}-*"):
            client.indices.delete(index=",".join(made))
        client.transport.perform_request("DELETE", f"/_index_template/{name}-*")


def names_of(client: OpenSearch, pattern: str) -> list[str]:
    """The indices, closed ones too, whose names match a pattern."""
    rows = client.cat.indices(index=pattern, format="json", expand_wildcards="all", h="index")
    return [row["index"] for row in rows]


def quiet_enricher(settings: Settings) -> Enricher:
    """The enricher of the settings; missing files are ignored."""
    return enricher_from(settings, print)


def bodies(settings: Settings, trail: Path) -> list[tuple[bytes, int]]:
    """Finished bulk bodies of a trail, of the writer's size, with the number of documents."""
    return [
        (batch.body("2025-01-01T00:00:00.000Z"), len(batch)) for batch in finished(settings, trail)
    ]


def finished(settings: Settings, trail: Path, dialect: Dialect = OPENSEARCH) -> Iterator[Batch]:
    """The documents of a trail for a product, in batches of the writer's size."""
    assembler = Assembler(
        quiet_enricher(settings),
        lambda day: f"{settings.prefix}cloudtrail-{day}",
        unsearched=settings.index.unsearched,
        object_names=settings.index.object_names,
        mark_flat=dialect.marks_flat,
    )
    source = open_source(str(trail), settings)
    batch = Batch()
    for item in source.objects(Selection()):
        run = ObjectProgress(item, lambda _: None)
        with source.open(item) as stream:
            for chunk in _chunks(TrailReader(stream, ReadLimits(), name=item.uri)):
                for part in assembler.assemble(chunk, run):
                    batch.heads += part.batch.heads
                    batch.size += part.batch.size
                    if batch.size >= settings.ingest.batch_bytes:
                        yield batch
                        batch = Batch()
    if batch.heads:
        yield batch


def _chunks(reader: TrailReader) -> Iterator[Chunk]:
    """None of a file that is no trail: a sample's labels are beside it."""
    with suppress(NotATrailFileError):
        yield from reader.chunks()
