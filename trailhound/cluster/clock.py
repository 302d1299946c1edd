"""How far the clocks of this machine and of the cluster are apart."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from statistics import median

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException


def seconds_apart(client: OpenSearch) -> float:
    """The largest difference to a node's clock in seconds, not counting the request's duration.

    Raises opensearch-py's exceptions.
    """
    return max(map(abs, _differences(client)), default=0.0)


def seconds_ahead(client: OpenSearch) -> float:
    """How far this machine's clock is ahead of the cluster's, in seconds, negative if it is behind;
    0 if the role may not read the nodes' statistics."""
    try:
        return median(_differences(client) or [0.0])
    except OpenSearchException:
        return 0.0


def earlier_now(ahead: float) -> datetime:
    """Now by the clock of this machine or of the cluster, by the one that is behind."""
    return datetime.now(UTC) - timedelta(seconds=max(ahead, 0.0))


def _differences(client: OpenSearch) -> list[float]:
    """By how much this machine's clock is ahead of each node's."""
    before = time.time()
    stats = client.nodes.stats(metric="os", params={"filter_path": "nodes.*.os.timestamp"})
    after = time.time()
    nodes = stats.get("nodes", {}).values()
    clocks: list[float] = [node["os"]["timestamp"] / 1000 for node in nodes]
    return [before - clock if clock < before else min(after - clock, 0.0) for clock in clocks]
