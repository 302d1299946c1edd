"""What is said where a search found nothing because there was nothing to search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from trailhound.cli.late_imports import late_imports

with late_imports():
    from opensearchpy import OpenSearch

    from detections.alerts.document import stamp
    from detections.events.daily_indices import DailyIndices
    from detections.events.index import EventIndex
    from detections.history import BEGINNING, bounds
    from detections.investigation.absent import check_known
    from detections.investigation.subject import Subject
    from detections.span import Span


_END: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Until when a span without `--until` is (`trailhound.cli.options`)."""


def nothing_in(client: OpenSearch, days: DailyIndices, span: Span | None = None) -> str:
    """A sentence that there are no events in a span, and from when to when there are any; empty
    where there are some. Raises `ClusterError`."""
    known = bounds(client, days)
    if known is None:
        return "there are no events in the index"
    if span is None or EventIndex(client, days.expression).count(span.query()):
        return ""
    if span.until <= span.since:  # until the last event, since later
        return (
            f"there are no events from {stamp(span.since)} on: the last one in the index is at "
            f"{stamp(known[1])}"
        )
    since = f" from {stamp(span.since)}" if span.since > BEGINNING else ""
    until = f" until {stamp(span.until)}" if span.until < _END else ""
    return (
        f"there are no events{since}{until}: those in the index are from {stamp(known[0])} to "
        f"{stamp(known[1])}"
    )


def nothing_of(
    client: OpenSearch, days: DailyIndices, index: EventIndex, subject: Subject, span: Span | None
) -> str:
    """The same of a subject without an event in a span, which others may have. Raises
    `UsageError` with the nearest names where no day could be left out and the index does not know
    it; `ClusterError`."""
    if nothing := nothing_in(client, days, span):
        return nothing
    if not days.skipped:
        check_known(index, subject)
    where = " in this time: change --since and --until" if span else ""
    return f"no event is by, from, of or on {subject.text}{where}"
