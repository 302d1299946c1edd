"""What to do now about the most severe incidents of the report."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from opensearchpy import OpenSearch

from detections.alerts.absent_events import NamedAt, absent_events
from detections.events.daily_indices import SkippedDay
from detections.incidents.advice import contain
from detections.incidents.incident_events import events_of_incident
from detections.incidents.person_access import EVERYWHERE
from detections.incidents.store import IncidentStore
from trailhound.report.findings import Findings
from trailhound.report.value import Advice, LeftCall
from trailhound.settings import Settings


@dataclass(frozen=True, slots=True)
class Advised:
    """The advice on incidents. `absent`: the days of which not all events that their alerts name
    can be read, so that the advice lacks what these prove."""

    advice: tuple[Advice, ...] = ()
    absent: tuple[SkippedDay, ...] = ()


def advised(
    client: OpenSearch,
    settings: Settings,
    found: Findings,
    accounts: Collection[str],
    now: datetime,
) -> Advised:
    """For each of them that is not closed and has any; with `accounts` only what is done in these.
    Raises `ClusterError` and opensearch-py's exceptions."""
    store = IncidentStore(client, settings)
    made: list[Advice] = []
    named: list[NamedAt] = []
    for entry in found.top:
        if entry.kind != "incident" or entry.state == "closed":
            continue
        incident = store.get(entry.id)
        named.append(events_of_incident(client, settings, incident["id"]).named)
        advice = contain(client, settings, incident, now)
        steps = [
            each for each in advice.steps if not accounts or each.account in (*accounts, EVERYWHERE)
        ]
        if steps:
            left = tuple(
                LeftCall(name, count, objects=tuple(advice.left_objects.get(name, ())))
                for name, count in (advice.left or {}).items()
            )
            text = advice.left_out, advice.aside
            made.append(Advice(entry.id, entry.title, tuple(steps), left, *text))
    absent = absent_events(client, settings, *named) if named else []
    return Advised(tuple(made), tuple(absent))
