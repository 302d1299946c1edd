"""From an object created in the bucket to its last event searchable, at several rates."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import orjson
from isal import igzip
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from bench.environment import BenchEnvironment, fresh_namespace
from bench.following import Cloud, cloud, daemon
from trailhound.cluster import templates
from trailhound.settings import Settings
from trailhound.state.objects import short_id

RATES = (10, 100, 1_000)
"""Objects a minute."""
EVENTS_AN_OBJECT = 100
_LOOK_EVERY = 0.25
_PATIENCE = 300.0


class Watcher:
    """Looks for the objects that are not searchable yet, again and again."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._index = f"{settings.prefix}cloudtrail-*"
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[float, int]] = {}
        self.delays: list[float] = []

    def created(self, uri: str, at: float, events: int) -> None:
        """An object with so many events was put into the bucket at this moment (monotonic)."""
        with self._lock:
            self._waiting[uri] = (at, events)

    def look(self) -> int:
        """One look; how many objects are still waited for."""
        with self._lock:
            waiting = dict(self._waiting)
        if not waiting:
            return 0
        uris = {short_id(uri): uri for uri in list(waiting)[:2_000]}
        body = {
            "size": 0,
            "query": {"terms": {"trail.object": list(uris)}},
            "aggs": {"objects": {"terms": {"field": "trail.object", "size": len(uris)}}},
        }
        try:
            reply = self._client.search(
                index=self._index, body=body, params={"ignore_unavailable": "true"}
            )
        except OpenSearchException:
            return len(waiting)  # a day that has only just been created has no shard yet
        now = time.monotonic()
        for bucket in reply.get("aggregations", {}).get("objects", {}).get("buckets", ()):
            uri = uris[bucket["key"]]
            at, events = waiting[uri]
            if bucket["doc_count"] >= events:
                self.delays.append(now - at)
                with self._lock:
                    del self._waiting[uri]
        return len(self._waiting)


def delays(benchmark: BenchEnvironment, seconds: float, refresh: str) -> dict[str, Any]:
    """By rate: p50 and p99 in seconds, events/s that came in, objects that were looked at."""
    found: dict[str, Any] = {"refresh_interval": refresh, "seconds_a_rate": seconds}
    for rate in RATES:
        objects = max(3, int(rate * seconds / 60))
        trail, _ = benchmark.sample(objects * EVENTS_AN_OBJECT, EVENTS_AN_OBJECT)
        with (
            fresh_namespace(benchmark, f"delay{rate}-{os.getpid()}") as (client, settings),
            cloud() as where,
        ):
            index = settings.index.model_copy(update={"refresh_interval": refresh})
            fast = settings.model_copy(update={"index": index})
            theirs = templates.Names(settings.prefix).template("events")
            body = templates.template("events", fast)
            client.indices.put_index_template(name=theirs, body=body)
            with daemon(fast, where, benchmark.folder / f"delay{rate}.log"):
                found[str(rate)] = _measure(client, fast, where, trail, seconds)
    return found


def _measure(
    client: OpenSearch, settings: Settings, where: Cloud, trail: Path, seconds: float
) -> dict[str, Any]:
    files = [(file, _events(file)) for file in sorted(trail.rglob("*.json.gz"))]
    watcher = Watcher(client, settings)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY):
            watcher.look()

    thread = threading.Thread(target=watch)
    thread.start()
    began = time.monotonic()
    try:
        for number, (file, events) in enumerate(files):
            due = began + number * seconds / len(files)
            time.sleep(max(0.0, due - time.monotonic()))
            created = time.monotonic()
            watcher.created(where.deliver(file, trail), created, events)
        end = time.monotonic() + _PATIENCE
        while len(watcher.delays) < len(files):
            if time.monotonic() > end:
                raise RuntimeError(f"{len(files) - len(watcher.delays)} objects were never found")
            time.sleep(_LOOK_EVERY)
        took = time.monotonic() - began
    finally:
        ended.set()
        thread.join()
    cuts = quantiles(watcher.delays, n=100, method="inclusive")
    return {
        "objects": len(files),
        "events_a_second": sum(events for _, events in files) / took,
        "p50": cuts[49],
        "p99": cuts[98],
        "most": max(watcher.delays),
    }


def _events(file: Path) -> int:
    return len(orjson.loads(igzip.decompress(file.read_bytes()))["Records"])  # type: ignore[no-untyped-call]
