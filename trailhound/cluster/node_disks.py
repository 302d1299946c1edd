"""The disks of a cluster's nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from opensearchpy import OpenSearch

GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class NodeDisk:
    """What the file systems of a node hold, in bytes: `free` to the engine, of `size`."""

    node: str
    free: int
    size: int


def node_disks(client: OpenSearch) -> list[NodeDisk]:
    """One for each node that reports its file systems. Raises opensearch-py's exceptions."""
    wanted = "nodes.*.name,nodes.*.fs.total"
    stats = client.nodes.stats(metric="fs", params={"filter_path": wanted})
    return [
        NodeDisk(node.get("name", ""), total["available_in_bytes"], total["total_in_bytes"])
        for node in (stats.get("nodes") or {}).values()
        if (total := (node.get("fs") or {}).get("total"))
    ]
