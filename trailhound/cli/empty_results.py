"""Explains an empty result: there are no events in the span, or none of the subject."""

from __future__ import annotations

from trailhound.cli.late_imports import late_imports

with late_imports():
    from opensearchpy import OpenSearch

    from detections.alerts.document import stamp
    from detections.events.daily_indices import DailyIndices
    from detections.events.index import EventIndex
    from detections.history import bounds
    from detections.investigation.absent import check_known
    from detections.investigation.subject import Subject
    from detections.span import BEGINNING, UNLIMITED, Span
    from trailhound.cluster.queries import Query, either


def explain_empty_span(client: OpenSearch, days: DailyIndices, span: Span | None = None) -> str:
    """A sentence saying that a span has no events, and when there are events; empty if the span has
    events. Raises `ClusterError`."""
    known = bounds(client, days)
    if known is None:
        return "there are no events in the index"
    if span is None or EventIndex(client, days).count(span.query()):
        return ""
    if span.until <= span.since:  # from after the last event on
        return (
            f"there are no events from {stamp(span.since)} on: the last one in the index is at "
            f"{stamp(known[1])}"
        )
    since = f" from {stamp(span.since)}" if span.since > BEGINNING else ""
    until = f" until {stamp(span.until)}" if span.until < UNLIMITED else ""
    return (
        f"there are no events{since}{until}: those in the index are from {stamp(known[0])} to "
        f"{stamp(known[1])}"
    )


def explain_no_events(
    client: OpenSearch, days: DailyIndices, index: EventIndex, subject: Subject, span: Span | None
) -> str:
    """A sentence saying that a subject has no event in a span, and from when to when it has any.
    Raises `UsageError` with the nearest names if no day was skipped and the index has no event of
    the subject at all; `ClusterError`."""
    if nothing := explain_empty_span(client, days, span):
        return nothing
    if not days.skipped:
        check_known(index, subject)
    sentence = f"no event is by, from, of or on {subject.text}"
    clauses = [each for each in (subject.did, subject.target, subject.evidence) if each]
    return sentence + (
        describe_other_times(client, days, either(clauses) if clauses else None) if span else ""
    )


def describe_other_times(client: OpenSearch, days: DailyIndices, query: Query | None) -> str:
    """The end of a sentence about a span without an event that matches: from when to when there are
    any, of the whole index without a query. Raises `ClusterError`."""
    known = bounds(client, days, query)
    if known is None:
        return " in this time"
    first, last = map(stamp, known)
    there = "those in the index are" if query is None else "there are some"
    when = f"{there} from {first} to {last}" if first != last else f"there is one at {first}"
    return f" in this time: {when}, so change --since and --until"
