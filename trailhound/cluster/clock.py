"""How far the clocks of this machine and of the cluster are apart."""

from __future__ import annotations

import time

from opensearchpy import OpenSearch


def seconds_apart(client: OpenSearch) -> float:
    """The largest difference to a node's clock in seconds, not counting the request's duration.

    Raises opensearch-py's exceptions.
    """
    before = time.time()
    stats = client.nodes.stats(metric="os", params={"filter_path": "nodes.*.os.timestamp"})
    after = time.time()
    nodes = stats.get("nodes", {}).values()
    clocks: list[float] = [node["os"]["timestamp"] / 1000 for node in nodes]
    return max((max(before - clock, clock - after, 0.0) for clock in clocks), default=0.0)
