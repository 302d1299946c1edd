"""The checks of `trailhound doctor` for events that no rule has looked at."""

from __future__ import annotations

from opensearchpy import OpenSearch

from trailhound.app.backfill.left_over import left_by_backfills
from trailhound.app.doctor.check import Check
from trailhound.settings import Settings
from trailhound.state.late_events import LateEventsStore


def late_events(client: OpenSearch, settings: Settings) -> Check:
    """The events that the scheduled rules do not cover."""
    if not settings.detections.scheduled:
        return Check("late events", "ok", "these settings ask for no scheduled rules")
    late = LateEventsStore(client, settings).get()
    if late is None:
        return Check("late events", "ok", "none that no rule has looked at")
    since, until = late.days
    return Check(
        "late events",
        "warning",
        f"no rule has looked at {late.events:,} of {since} to {until}, which the schedule does not "
        "cover",
        f"run `trailhound detect --since {since} --until {until}`",
    )


def unfinished_backfills(client: OpenSearch, settings: Settings) -> list[Check]:
    """The backfills that did not end, and the events that they left."""
    left = left_by_backfills(client, settings)
    if left is None:
        return []
    return [Check("unfinished backfills", "warning", left.fact(), left.advice())]
