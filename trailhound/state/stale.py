"""Documents of processes that ended without removing them: killed, or cut off from the cluster."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.daemons import DaemonState
from trailhound.state.document import StateDocument
from trailhound.state.store import delete_hits, pages
from trailhound.state.workers import WorkerState

STALE: Final = timedelta(days=1)
"""A daemon writes every few seconds, a worker several times in `ingest.claim_seconds`. One that has
been silent for so long and goes on after all writes its document anew."""
_KINDS: Final[tuple[type[StateDocument], ...]] = (DaemonState, WorkerState)


def remove_stale(client: OpenSearch, settings: Settings, now: datetime) -> Counter[str]:
    """Remove the documents of daemons and workers that have been silent since `STALE`; how many of
    each kind. Raises `ClusterError` and opensearch-py's exceptions."""
    index = Names(settings.prefix).ledger
    age = max(STALE, 2 * timedelta(seconds=settings.ingest.claim_seconds))
    silent = {"range": {"heartbeat": {"lt": (now - age).isoformat()}}}
    gone: Counter[str] = Counter()
    for kind in _KINDS:
        removed = delete_hits(
            client, index, pages(client, index, [kind.query(), silent], fields=())
        )
        if removed:
            gone[kind.kind] = removed
    return gone
