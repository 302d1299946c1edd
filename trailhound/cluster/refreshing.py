"""Refreshes: from then on, searches find what was written before."""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionTimeout, OpenSearchException

from trailhound.cluster.request_params import OF_WHAT_IS_THERE
from trailhound.cluster.retry_policy import while_busy
from trailhound.errors import ClusterUnreachableError
from trailhound.threads import in_order

LOG = logging.getLogger("trailhound.cluster")
_TRIES: Final = 6
"""Times that a refresh is asked for which gets no reply in `cluster.timeout`: of a minute each."""
_NO_DOCUMENT: Final = "none"


def make_searchable(client: OpenSearch, index: str, *, required: bool = False) -> None:
    """Refresh an index, so that searches find what was written a moment ago.

    Retried on 503: a refresh asks every copy, and fails until the cluster has noticed that a node
    is lost. While a backfill of many days runs, it waits behind the refreshes of these, which an
    engine of two cores does one after another: one without a reply in time goes on there, so it is
    asked for again, some times. `required`: an index that does not exist is an error. Raises
    `ClusterError`.
    """
    params = {} if required else OF_WHAT_IS_THERE
    for left in reversed(range(_TRIES)):
        try:
            while_busy(lambda: client.indices.refresh(index=index, params=params))
        except ClusterUnreachableError as error:
            if not left or not isinstance(error.__cause__, ConnectionTimeout):
                raise
            LOG.warning("waiting for the cluster, which still refreshes %s: %s", index, error)
        else:
            return


def refresh_ahead(client: OpenSearch, indices: Collection[str], at_once: int) -> None:
    """Do most of the work of `make_searchable` ahead, for several indices at the same time.

    The engine refreshes on half of its cores at most, which of two is one, and after a backfill
    every index has seconds of work to do. A GET with `refresh` does an index's work on the threads
    for reading instead. So this asks each index for a document that it does not have, `at_once` at
    a time. Beside these one index at a time is refreshed in the ordinary way: where the number of
    indices is odd, no core waits for the last one. Nothing depends on it: it need not reach every
    shard, and `make_searchable` does afterwards, or reports, what fails here.
    """
    if len(indices) < 2:
        return

    def refresh(numbered: tuple[int, str]) -> None:
        number, index = numbered
        with suppress(OpenSearchException):
            if number % (at_once + 1) == at_once:
                client.indices.refresh(index=index)
            else:
                client.get(
                    index=index,
                    id=_NO_DOCUMENT,
                    params={"refresh": "true", "realtime": "false", "ignore": 404},
                )

    for _ in in_order(refresh, enumerate(sorted(indices)), at_once + 1, "refresh"):
        pass
