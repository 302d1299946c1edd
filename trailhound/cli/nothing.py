"""Explains an empty result: there are no events in the span, or none of the subject."""

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
"""The end of a span without `--until` (`trailhound.cli.options`)."""


def nothing_in(client: OpenSearch, days: DailyIndices, span: Span | None = None) -> str:
    """A sentence saying that a span has no events, and when there are events; empty if the span has
    events. Raises `ClusterError`."""
    known = bounds(client, days)
    if known is None:
        return "there are no events in the index"
    if span is None or EventIndex(client, days.expression).count(span.query()):
        return ""
    if span.until <= span.since:  # from after the last event on
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
    """A sentence saying that a subject has no event in a span. Raises `UsageError` with the nearest
    names if no day was skipped and the index has no event of the subject at all; `ClusterError`."""
    if nothing := nothing_in(client, days, span):
        return nothing
    if not days.skipped:
        check_known(index, subject)
    where = " in this time: change --since and --until" if span else ""
    return f"no event is by, from, of or on {subject.text}{where}"
