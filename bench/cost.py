"""What an event costs the engine: processor time and bytes, beside the last release's.

Both send the same events, each into an index of its own template, in turns. Only the engine's own
processor time counts (`_nodes/stats/process`), so that what else the machine does matters little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from opensearchpy import OpenSearch

from bench.earlier import EARLIER, Made, documents, of_commit, of_now
from bench.environment import BenchEnvironment, finished
from bench.indexing import segment_bytes
from bench.varied import records, varied, write
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.mappings import ADDED, DOC_VALUES_ONLY

A_BODY = 2_500
"""Documents of a bulk request, about what the writer sends."""
SENT = "2025-01-01T00:00:00.000Z"
PER = 100_000
"""Events that the processor time is quoted for."""

Bodies = list[bytes]

BACK: Mapping[str, Any] = {
    "sort": [],
    "indexed": list(DOC_VALUES_ONLY),
    "unsearched": [],
    "object_names": True,
}
"""Settings under `index` → the value by which events are written as in the last release."""


def costs(
    benchmark: BenchEnvironment, data: Path | None, events: int, rounds: int
) -> dict[str, Any]:
    """Of the sample and, where there is a folder of recordings, of these."""
    sample, _ = benchmark.sample(events, 5_000)
    found = {"sample": _compared(benchmark, sample, benchmark.folder / "sample", rounds)}
    if data is not None:
        recorded = write(varied(records(data), events), benchmark.folder / "recorded-trail")
        found["recorded"] = _compared(benchmark, recorded, benchmark.folder / "recorded", rounds)
    return found


def _compared(
    benchmark: BenchEnvironment, trail: Path, folder: Path, rounds: int
) -> dict[str, Any]:
    now, earlier = of_now(trail, folder / "now"), of_commit(trail, folder / "earlier")
    if len(now.documents) != len(earlier.documents):
        raise RuntimeError(f"{len(now.documents)} documents now, {len(earlier.documents)} earlier")
    bare = Made(now.template, [(identifier, _bare(each)) for identifier, each in earlier.documents])
    sides = {"earlier": earlier, "now": now, "bare": bare}
    bodies = {name: list(_bodies(side.documents)) for name, side in sides.items()}
    client = connect(benchmark.settings("cost"), timeout=600)
    _send(client, earlier.template, bodies["earlier"], measured=False)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    sizes: dict[str, float] = {}
    for number in range(rounds):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            spent, size = _send(client, sides[name].template, bodies[name], measured=not number)
            seconds[name].append(spent * PER / len(now.documents))
            sizes.setdefault(name, size)
    middle = {name: median(each) for name, each in seconds.items()}
    saved: dict[str, float] = {}
    for name, changed in BACK.items():
        settings = benchmark.settings("cost")
        settings = settings.model_copy(
            update={"index": settings.index.model_copy(update={name: changed})}
        )
        template = templates.template("events", settings)
        made = [batch.body(SENT) for batch in finished(settings, trail)]
        whole = list(_bodies(documents(made)))
        saved[name] = _send(client, template, whole, measured=True)[1] - sizes["now"]
    return {
        "documents": len(now.documents),
        "earlier": EARLIER,
        "bytes_a_document": sizes,
        "engine_seconds": middle,
        "engine_seconds_each": seconds,
        "bytes_saved_by": saved,
        "bytes_ratio": sizes["now"] / sizes["earlier"],
        "engine_ratio": middle["now"] / middle["earlier"],
        "added_ratio": middle["now"] / middle["bare"],
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The figures in words."""
    for name, each in found.items():
        size, spent = each["bytes_a_document"], each["engine_seconds"]
        yield (
            f"{name}: bytes a document ÷ {each['earlier']}: {each['bytes_ratio']:.2f} "
            f"({size['now']:.0f} ÷ {size['earlier']:.0f}; bare records {size['bare']:.0f})"
        )
        yield (
            f"{name}: engine CPU ÷ {each['earlier']}: {each['engine_ratio']:.2f} "
            f"({spent['now']:.1f} ÷ {spent['earlier']:.1f} s for {PER:,} events); "
            f"÷ bare records in the same template: {each['added_ratio']:.2f}"
        )
        parts = [f"{part} {saved:.0f}" for part, saved in each["bytes_saved_by"].items()]
        yield f"{name}: bytes a document that each setting saves: {', '.join(parts)}"


def _send(
    client: OpenSearch, template: Mapping[str, Any], bodies: Bodies, *, measured: bool
) -> tuple[float, float]:
    """Processor seconds of the engine; bytes a document where they are measured."""
    name = "cost-cloudtrail-2025.03.03"
    body = template["template"]
    client.indices.delete(index=name, params={"ignore_unavailable": "true"})
    client.indices.create(
        index=name, body={"settings": body["settings"], "mappings": body["mappings"]}
    )
    try:
        before = _engine_seconds(client)
        for each in bodies:
            reply = client.bulk(body=each, index=name, params={"filter_path": "errors"})
            if reply["errors"]:
                raise RuntimeError("the engine refused documents of the benchmark")
        client.indices.refresh(index=name)
        spent = _engine_seconds(client) - before
        size = 0.0
        if measured:
            params = {"max_num_segments": 1}
            client.indices.forcemerge(index=name, params=params, request_timeout=600)
            client.indices.flush(index=name)
            client.indices.refresh(index=name)
            size = segment_bytes(client, name)
    finally:
        client.indices.delete(index=name)
    return spent, size


def _bodies(documents: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    lines: list[bytes] = []
    for identifier, document in documents:
        lines += (b'{"create":{"_id":%b}}' % orjson.dumps(identifier.decode()), document)
        if len(lines) >= 2 * A_BODY:
            yield b"\n".join(lines) + b"\n"
            lines = []
    if lines:
        yield b"\n".join(lines) + b"\n"


def _bare(document: bytes) -> bytes:
    """Without what Trailhound adds."""
    record = orjson.loads(document)
    return orjson.dumps({name: each for name, each in record.items() if name not in ADDED})


def _engine_seconds(client: OpenSearch) -> float:
    """Processor time of all nodes since their start."""
    nodes = client.nodes.stats(metric="process")["nodes"].values()
    return sum(float(node["process"]["cpu"]["total_in_millis"]) for node in nodes) / 1000
