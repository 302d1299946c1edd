"""Days that the retention removed and that a backfill does not bring back, since their objects are
already ingested."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from contextlib import suppress
from datetime import date

from opensearchpy import OpenSearch

from detections.events.daily_indices import daily_indices, day_name
from ingest.documents.record_filter import oldest_day
from ingest.objects import Selection
from trailhound.errors import NoEventsIndexError
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.removed_days import RemovedDaysStore


def still_removed(
    client: OpenSearch,
    settings: Settings,
    folders: Collection[date],
    selection: Selection,
    today: date,
) -> list[date]:
    """The days of `folders` that are selected, that the retention would keep now, that it removed
    before, and that have no index. Raises opensearch-py's exceptions and `ClusterError`."""
    removed = {
        day
        for run in RemovedDaysStore(client, settings).get().runs
        if run.action != "closed"
        for day in run.days
    }
    if not removed:
        return []
    with suppress(NoEventsIndexError):
        days = daily_indices(client, settings)
        removed -= {*days.by_day, *(each.day for each in days.skipped if each.day)}
    oldest = oldest_day(settings, today)
    return sorted(
        day
        for day in folders
        if day_name(day) in removed and selection.covers(day) and (not oldest or day >= oldest)
    )


def describe(days: Collection[date], sources: Collection[str]) -> str:
    """What is missing, and the command that brings it back.

    >>> describe([date(2025, 3, 1)], ["s3://logs/AWSLogs/"])[:62]
    '1 day (2025-03-01) is not in the index: the retention removed '
    """
    first, last = min(days), max(days)
    one = len(days) == 1
    named = f"{first}" if one else f"{first} to {last}"
    again = "; ".join(
        f"`trailhound reconcile {shlex.quote(source)} --since {first} --until {last} --repair`"
        for source in sources
    )
    return (
        f"{plural(len(days), 'day')} ({named}) {'is' if one else 'are'} not in the index: the "
        f"retention removed {'it' if one else 'them'}, and what was ingested before is not read "
        f"again; to bring {'it' if one else 'them'} back: {again}"
    )
