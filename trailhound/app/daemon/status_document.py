"""What a daemon writes about itself into the ledger, and when."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ingest.daemon.daemon import Daemon
from ingest.daemon.registry import RENEWED_SECONDS, DaemonRegistry
from ingest.late_events import LateEventsTotal
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.searchable import SearchProbe
from trailhound.app.daemon.own_health import OwnHealth
from trailhound.app.daemon.running import Running
from trailhound.app.health.readiness import Reason
from trailhound.cluster import templates
from trailhound.cluster.blocks import writes_blocked
from trailhound.cluster.reader import IndexReader
from trailhound.errors import ClusterError, RequestFailedError, TrailhoundError
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.app.service")
_LOOK_EVERY = 1.0
"""Seconds between two comparisons of the reasons with those in the document."""


class StatusDocument:
    """The daemon's status, and the late events of all daemons, which it adds its own to."""

    def __init__(
        self,
        registry: DaemonRegistry,
        running: Running,
        health: OwnHealth,
        metrics: Metrics,
        probe: SearchProbe,
        late: LateEventsTotal,
    ) -> None:
        self._registry = registry
        self._running = running
        self._health = health
        self._metrics = metrics
        self._probe = probe
        self._late = late

    def keep(self, client: OpenSearch, daemon: Daemon) -> None:
        """Renew the document until the daemon stops, and note whether the cluster answers."""
        while True:
            try:
                written = self._renew(client, daemon)
                self._store_late(client)
                self._health.cluster_answered()
            except RequestFailedError:
                # The cluster answers, but rejects the document: a fault of this thread, unless the
                # index takes none at all.
                if not self._ledger_blocked(client):
                    raise
                self._health.cluster_answered()
                written = None
            except (OpenSearchException, ClusterError):
                self._health.cluster_failed()
                written = None
            if self._stops_before_due(written):
                break

    def _ledger_blocked(self, client: OpenSearch) -> bool:
        ledger = templates.Names(self._running.settings.prefix).ledger
        try:
            return bool(writes_blocked(client, ledger))
        except OpenSearchException:
            return False

    def remove(self, client: OpenSearch) -> None:
        """The daemon has stopped. What the cluster does not take is left to expire."""
        with suppress(OpenSearchException, TrailhoundError):
            self._store_late(client)
            self._registry.deregister(client)

    def _renew(self, client: OpenSearch, daemon: Daemon) -> set[tuple[str, str]]:
        """Write the document; returns the reasons in it, by code and subject."""
        newest = _newest_event(client, self._running.settings)
        self._metrics.newest_event = newest
        reasons = self._health.reasons(answers=True)  # it has just answered
        jobs = self._running.led()
        self._registry.renew(
            client,
            daemon.status(),
            jobs=jobs,
            leads=bool(jobs),  # for a `status` of the last release
            event_lag_seconds=None if newest is None else max(0.0, time.time() - newest),
            searchable_seconds=self._probe.last,
            needs_restart=list(self._running.needs_restart),
            reasons=[each.as_dict() for each in reasons],
        )
        return _subjects(reasons)

    def _stops_before_due(self, written: set[tuple[str, str]] | None) -> bool:
        """Wait until the document must be renewed: when it is due, or as soon as the reasons differ
        from those `written`, so that `status` and `/readyz` agree. True if the daemon is
        stopping."""
        due = time.monotonic() + RENEWED_SECONDS
        while time.monotonic() < due:
            if self._running.stopping.wait(_LOOK_EVERY):
                return True
            if written is not None and _subjects(self._health.reasons()) != written:
                return False
        return False

    def _store_late(self, client: OpenSearch) -> None:
        """Record the events that came too late for the rules since it was last called."""
        self._late.store(client, self._running.settings)


def _newest_event(client: OpenSearch, settings: Settings) -> float | None:
    """`eventTime` of the newest searchable event of two days, as seconds since the epoch."""
    body = {
        "query": {"range": {"@timestamp": {"gte": "now-2d", "lte": "now"}}},
        "aggs": {"newest": {"max": {"field": "@timestamp"}}},
        "track_total_hits": False,
    }
    # No retry: it is asked again soon, and whether the cluster answers must be known in time.
    reader = IndexReader(client, templates.Names(settings.prefix).days, busy_seconds=0)
    try:
        reply = reader.search(body)
    except RequestFailedError:
        return None  # a shard is missing: the newest event is not known
    value = reply.get("aggregations", {}).get("newest", {}).get("value")
    return value / 1000 if value else None


def _subjects(reasons: list[Reason]) -> set[tuple[str, str]]:
    return {(each.code, each.subject) for each in reasons}
