"""Reads the facts that answer the checklist."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from opensearchpy import OpenSearch

from dashboards import shipped
from dashboards.server import DashboardsServer
from detections.packs.pack import Pack
from trailhound.app.checklist.answers import ChecklistFacts, ClusterFacts
from trailhound.app.detection.detection import rules_in_force
from trailhound.app.health.reasons import readiness
from trailhound.app.health.shared_state import read_shared
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.templates import Names
from trailhound.errors import TrailhoundError
from trailhound.posture import Posture
from trailhound.settings import Settings

_MOST_ACCOUNTS: Final = 1_000
"""The highest number of accounts that is counted."""


def read_facts(client: OpenSearch, settings: Settings, posture: Posture | str) -> ChecklistFacts:
    """Each part, or the reason why it is not known. Raises no `TrailhoundError`."""
    try:
        with cluster_errors(settings):
            cluster: ClusterFacts | str = _cluster(client, settings)
    except TrailhoundError as error:
        cluster = error.message
    try:
        pack: Pack | str = rules_in_force(settings)
    except TrailhoundError as error:
        pack = error.message
    return ChecklistFacts(
        posture=posture,
        cluster=cluster,
        pack=pack,
        dashboards=_overview(settings),
        settings=settings,
    )


def _cluster(client: OpenSearch, settings: Settings) -> ClusterFacts:
    shared = read_shared(client, settings)
    newest, accounts = _events(client, settings)
    return ClusterFacts(
        daemons=shared.daemons,
        jobs={each.name: each for each in shared.jobs},
        rules=list(shared.rules),
        newest=newest,
        accounts=accounts,
        readiness=readiness(shared, settings),
    )


def _events(client: OpenSearch, settings: Settings) -> tuple[datetime | None, int]:
    """The time of the newest event, and the number of accounts that have events."""
    reader = IndexReader(client, Names(settings.prefix).days)
    reader.refresh()
    reply = reader.search(
        {
            "aggs": {
                "newest": {"max": {"field": "@timestamp"}},
                "accounts": {"terms": {"field": "recipientAccountId", "size": _MOST_ACCOUNTS}},
            }
        }
    )
    found = reply.get("aggregations") or {}
    newest = found.get("newest", {}).get("value")
    return (
        datetime.fromtimestamp(newest / 1000, UTC) if newest else None,
        len(found.get("accounts", {}).get("buckets", ())),
    )


def _overview(settings: Settings) -> bool | str:
    try:
        server = DashboardsServer(settings.dashboards)
        return server.has_dashboard(shipped.object_id("overview", settings.prefix))
    except TrailhoundError as error:
        return error.message
