"""Removes stale documents: called by one of the daemons, and by `init`.

These belong to processes that ended without removing them (killed, or cut off from the cluster),
and to groups of alerts whose events are all past retention.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import Final

from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.alert_groups import AlertGroup, AlertGroups
from trailhound.state.daemons import DaemonState
from trailhound.state.document import StateDocument
from trailhound.state.known_automation import KnownAutomation, KnownAutomations
from trailhound.state.store import delete_hits, pages
from trailhound.state.workers import WorkerState

STALE: Final = timedelta(days=1)
"""The time without a renewal after which a document is stale. Daemons write every few seconds,
workers several times in `ingest.claim_seconds`; one that is still active writes its document
again."""
_KINDS: Final[tuple[type[StateDocument], ...]] = (DaemonState, WorkerState)


def remove_stale(client: OpenSearch, settings: Settings, now: datetime) -> Counter[str]:
    """Remove the documents of daemons and workers that were not renewed for `STALE`. Returns the
    number for each kind. Raises `ClusterError` and opensearch-py's exceptions."""
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


def clean_ledger(client: OpenSearch, settings: Settings, now: datetime) -> Counter[str]:
    """Remove stale documents, known automation that ended long ago, and groups whose alerts all
    ended before the days that `retention.days` keeps. Returns the number for each kind.

    Raises `ClusterError` and opensearch-py's exceptions.
    """
    gone = remove_stale(client, settings, now)
    if ended := KnownAutomations(client, settings).remove_before(now):
        gone[KnownAutomation.kind] = ended
    if settings.retention.days is not None:
        kept = now.astimezone(UTC).date() - timedelta(days=settings.retention.days)
        until = datetime.combine(kept, time(), UTC)
        if removed := AlertGroups(client, settings).remove_before(until):
            gone[AlertGroup.kind] = removed
    return gone
