"""What to do now about the most severe incidents of the report."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from opensearchpy import OpenSearch

from detections.incidents.advice import contain
from detections.incidents.store import IncidentStore
from trailhound.report.findings import Findings
from trailhound.report.value import Advice, LeftCall
from trailhound.settings import Settings


def advice(
    client: OpenSearch,
    settings: Settings,
    found: Findings,
    accounts: Collection[str],
    now: datetime,
) -> Iterator[Advice]:
    """For each of them that is not closed and has any; with `accounts` only what is done in these.
    Raises `ClusterError` and opensearch-py's exceptions."""
    store = IncidentStore(client, settings)
    for entry in found.top:
        if entry.kind != "incident" or entry.state == "closed":
            continue
        made = contain(client, settings, store.get(entry.id), now)
        steps = [each for each in made.steps if not accounts or each.account in accounts]
        if steps:
            left = tuple(
                LeftCall(name, count, objects=tuple(made.left_objects.get(name, ())))
                for name, count in (made.left or {}).items()
            )
            yield Advice(entry.id, entry.title, tuple(steps), left)
