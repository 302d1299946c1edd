"""Whether the nodes' heap is large enough for the shards that they have open, as `doctor` says."""

from __future__ import annotations

from typing import Final

from opensearchpy import OpenSearch

from trailhound.app.doctor.check import Check
from trailhound.cluster.dialect import Elasticsearch, dialect_of
from trailhound.settings import Settings

MIB: Final = 1024**2
SHARD_BYTES: Final = 378_000
"""What an open daily index with one shard and few events holds of the heap of OpenSearch 3.8 while
nothing is asked of it: docs/scaling.md says how it was measured."""
_SHARE: Final = 0.25
"""The share of the heap that they may hold: the rest is for searches, which need some for each
shard that they ask, and for what is indexed."""


def heap(client: OpenSearch, _settings: Settings) -> list[Check]:
    """A warning where open shards hold much of the heap. Elasticsearch was not measured."""
    if isinstance(dialect_of(client), Elasticsearch):
        return []
    wanted = {"filter_path": "nodes.*.jvm.mem.heap_max_in_bytes"}
    stats = client.nodes.stats(metric="jvm", params=wanted)
    found = (stats.get("nodes") or {}).values()
    heaps = [node["jvm"]["mem"]["heap_max_in_bytes"] for node in found]
    health = client.cluster.health(params={"filter_path": "active_shards,number_of_data_nodes"})
    nodes = int(health.get("number_of_data_nodes") or 1)
    return heap_check(int(health.get("active_shards") or 0) / nodes, min(heaps)) if heaps else []


def heap_check(shards: float, size: int) -> list[Check]:
    """A warning for a node with so many shards, and a heap of so many bytes."""
    held = shards * SHARD_BYTES
    if held <= size * _SHARE:
        return []
    fact = (
        f"{shards:,.0f} shards on a node hold about {held / MIB:,.0f} MiB of its {size / MIB:,.0f} "
        "MiB of heap while nothing is asked of them: searches of many days may be refused"
    )
    advice = (
        f"give it {held / _SHARE / MIB:,.0f} MiB (`engine.heap_mb`, of the engine of `trailhound "
        "up`), or close or delete old days (`retention.days`): docs/scaling.md"
    )
    return [Check("heap", "warning", fact, advice)]
