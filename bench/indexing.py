"""Events into the engine: the backfill, a raw replay of its finished bodies, default mapping."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from opensearchpy import OpenSearch

from bench.environment import BenchEnvironment, bodies, fresh_namespace, quiet_enricher
from ingest.backfill.backfill import Backfill
from ingest.bulk import replies
from ingest.objects import Selection
from ingest.sources import open_source
from trailhound.cluster.client import connect
from trailhound.settings import Settings


@dataclass(frozen=True, slots=True)
class Replayed:
    """Seconds of a replay, and how many documents the engine refused."""

    seconds: float
    rejected: int


def replay(client: OpenSearch, made: list[tuple[bytes, int]], in_flight: int) -> Replayed:
    """Send finished bodies with so many connections, and do nothing else.

    Raises opensearch-py's exceptions: without a connection's bodies there is no figure.
    """
    pending: queue.SimpleQueue[tuple[bytes, int]] = queue.SimpleQueue()
    for body in made:
        pending.put(body)
    rejected = [0] * in_flight
    failed: list[Exception] = []

    def send(number: int) -> None:
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - raised in the caller: a part is no figure
            failed.append(error)

    def work(number: int) -> None:
        while True:
            try:
                body, documents = pending.get_nowait()
            except queue.Empty:
                return
            reply: dict[str, Any] = client.transport.perform_request(
                "POST",
                "/_bulk",
                params={"filter_path": replies.FILTER_PATH},
                headers={"content-type": "application/x-ndjson"},
                body=body,
            )
            results = replies.read(reply, documents)
            rejected[number] += sum(
                one.disposition is replies.Disposition.REJECTED for one in results
            )

    started = time.monotonic()
    threads = [threading.Thread(target=send, args=(number,)) for number in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return Replayed(time.monotonic() - started, sum(rejected))


def backfill_seconds(client: OpenSearch, settings: Settings, trail: Path) -> float:
    """A whole backfill of a fresh namespace, from the first listing to the ledger's last entry."""
    job = Backfill(client, settings, quiet_enricher(settings), selection=Selection())
    started = time.monotonic()
    report = job.run([open_source(str(trail), settings)])
    seconds = time.monotonic() - started
    if not report.complete:
        raise RuntimeError(f"the backfill left something out: {report.as_dict()}")
    return seconds


def warm_up(benchmark: BenchEnvironment, trail: Path) -> None:
    """One replay that isn't counted: a JVM that has just started compiles while it works."""
    with fresh_namespace(benchmark, "warm") as (client, settings):
        replay(client, bodies(settings, trail), settings.ingest.in_flight)


def against_replay(benchmark: BenchEnvironment, trail: Path, rounds: int) -> dict[str, Any]:
    """Backfill ÷ raw replay of its own bodies, in alternating order."""
    ratios, pairs = [], []
    bytes_a_document = 0.0
    warm_up(benchmark, trail)
    for number in range(rounds):
        seconds: dict[str, float] = {}
        for kind in ("backfill", "replay") if number % 2 else ("replay", "backfill"):
            with fresh_namespace(benchmark, f"{kind}{number}") as (client, settings):
                if kind == "backfill":
                    seconds[kind] = backfill_seconds(client, settings, trail)
                    bytes_a_document = merged_bytes(client, settings)
                else:
                    made = bodies(settings, trail)
                    seconds[kind] = replay(client, made, settings.ingest.in_flight).seconds
        pairs.append((round(seconds["backfill"], 2), round(seconds["replay"], 2)))
        ratios.append(seconds["replay"] / seconds["backfill"])
    return {
        "ratio": median(ratios),
        "ratios": ratios,
        "backfill_and_replay_seconds": pairs,
        "bytes_a_document": bytes_a_document,
    }


def merged_bytes(client: OpenSearch, settings: Settings) -> float:
    """Bytes on disk a document, after a merge into one segment a shard."""
    pattern = f"{settings.prefix}cloudtrail-*"
    client.indices.forcemerge(index=pattern, params={"max_num_segments": 1}, request_timeout=600)
    client.indices.flush(index=pattern)
    client.indices.refresh(index=pattern)  # else the segments merged away are counted too
    return segment_bytes(client, pattern)


def segment_bytes(client: OpenSearch, pattern: str) -> float:
    """Bytes of the segments' files a document, primaries alone.

    Summed from the segments, which the engine lists as they are: its store statistics are cached
    for some 10 s, and a merge that is just over would not show in them.
    """
    size = documents = 0
    for index in client.indices.segments(index=pattern)["indices"].values():
        for copies in index["shards"].values():
            for copy in copies:
                if copy["routing"]["primary"]:
                    segments = [each for each in copy["segments"].values() if each["search"]]
                    size += sum(each["size_in_bytes"] for each in segments)
                    documents += sum(each["num_docs"] for each in segments)
    return size / documents


def against_dynamic(benchmark: BenchEnvironment, trail: Path, rounds: int) -> dict[str, Any]:
    """Backfill ÷ the same events under the engine's default, dynamic mapping."""
    ratios = []
    refused = 0
    for number in range(rounds):
        with fresh_namespace(benchmark, f"ours{number}") as (client, settings):
            ours = backfill_seconds(client, settings, trail)
        settings = benchmark.settings(f"dynamic{number}")
        client = connect(settings, timeout=600)
        pattern = f"{settings.prefix}cloudtrail-*"
        # Codec and refresh as ours, so that the mapping alone is compared; and room for its fields.
        index = {
            "number_of_replicas": 0,
            "refresh_interval": settings.index.refresh_interval,
            "codec": settings.index.codec,
            "mapping.total_fields.limit": 10_000,
        }
        body = {"index_patterns": [pattern], "template": {"settings": {"index": index}}}
        client.indices.put_index_template(name=f"dynamic{number}", body=body)
        try:
            done = replay(client, bodies(settings, trail), settings.ingest.in_flight)
        finally:
            client.indices.delete(index=pattern)
            client.indices.delete_index_template(name=f"dynamic{number}")
        refused = done.rejected
        ratios.append(done.seconds / ours)
    return {"ratio": median(ratios), "ratios": ratios, "rejected": refused, "rejected_ours": 0}


def tiny_against_big(
    benchmark: BenchEnvironment, tiny: Path, big: Path, rounds: int
) -> dict[str, Any]:
    """Time of the same events in many tiny files ÷ in a few big ones."""
    ratios = []
    for number in range(rounds):
        seconds = {}
        for kind, trail in (("tiny", tiny), ("big", big))[:: 1 if number % 2 else -1]:
            with fresh_namespace(benchmark, f"{kind}{number}") as (client, settings):
                seconds[kind] = backfill_seconds(client, settings, trail)
        ratios.append(seconds["tiny"] / seconds["big"])
    return {"ratio": median(ratios), "ratios": ratios}
