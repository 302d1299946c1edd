"""An index that is blocked for reading throughout an attempt, on engines that lift such a block.

OpenSearch 3 lifts `index.blocks.read` from every index whenever it looks at its disks, every 30
seconds, whoever set it (opensearch-project/OpenSearch#20539). 2.x and Elasticsearch leave it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from opensearchpy import OpenSearch

from trailhound.cluster.blocks import index_state

ATTEMPTS = 10
Result = TypeVar("Result")


def while_unreadable(client: OpenSearch, index: str, attempt: Callable[[], Result]) -> Result:
    """What `attempt` returns where the index was blocked from its start to its end.

    The engine only lifts the block: where it is there afterwards, it was there all along. Else
    `attempt` is repeated, so it should return what it saw and assert nothing.
    """
    for _ in range(ATTEMPTS):
        done = client.indices.put_settings(index=index, body={"index.blocks.read": True})
        assert done["acknowledged"]
        seen = attempt()
        if "read" in index_state(client, index).blocks:
            return seen
    raise AssertionError(f"{index} was readable after each of {ATTEMPTS} attempts")
