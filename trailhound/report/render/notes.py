"""Notes beside pictures and in cells: what they show, and what they leave out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from trailhound.report.event import CallCount
from trailhound.report.render.words import count, listed, when
from trailhound.report.value import Places, Report


def calls(found: Sequence[CallCount], most: int) -> str:
    """Calls with their numbers of events and of failures.

    >>> calls([CallCount("StopLogging", 2, 1), CallCount("DeleteTrail", 1, 1)], 3)
    'StopLogging ×2 (1 failed) and DeleteTrail (failed)'
    """
    return listed([_call(each) for each in found], most) if found else ""


def _call(call: CallCount) -> str:
    times = f" ×{call.events:,}" if call.events > 1 else ""
    if not call.failed:
        return call.name + times
    return f"{call.name}{times} ({'' if call.failed == call.events else f'{call.failed:,} '}failed)"


def graph_of(report: Report) -> str:
    """Which events the attack graph is drawn from."""
    graph, high = report.graph, report.findings.bands[0] if report.findings.bands else None
    drawn = count(graph.events, "event")
    if not report.findings.total:
        return f"the {drawn} of the highest risk"
    if high is None or not high.total:
        return f"the {drawn} of the findings shown (none is high)"
    of = "the high alert" if high.total == 1 else f"all {high.total:,} high alerts"
    left = f"; {graph.events_left_out:,} more were not read" if graph.events_left_out else ""
    return f"the {drawn} of {of}{left}"


def places_note(places: Places) -> str:
    """How many events have no place on the map.

    >>> places_note(Places(5, 3, 1))
    '5 of 9 events are on the map; 3 came from AWS services, private addresses or none, and \
1 from an address outside whose location is not known.'
    """
    total = places.mapped + places.inside + places.unknown
    if places.mapped == total:
        return "Every event has a place on it." if total > 1 else ""
    parts = []
    if places.inside:
        parts.append(f"{places.inside:,} came from AWS services, private addresses or none")
    if places.unknown:
        came = "" if parts else " came"
        outside = "an address" if places.unknown == 1 else "addresses"
        parts.append(f"{places.unknown:,}{came} from {outside} outside whose location is not known")
    are = "is" if places.mapped == 1 else "are"
    return f"{places.mapped:,} of {count(total, 'event')} {are} on the map; {', and '.join(parts)}."


def timeline_note(report: Report) -> str:
    """A note if the pictures show less time than the report covers."""
    slots, scope = report.timeline.slots, report.scope
    if not slots or scope.since is None or scope.until is None:
        return ""
    totals, end = report.totals, slots[-1].start + timedelta(seconds=report.timeline.seconds)
    whole = slots[0].start <= scope.since and end >= scope.until
    if whole or totals.first is None or totals.last is None:
        return ""
    if totals.first == totals.last:
        return f"The only time with events: {when(totals.first)}."
    return (
        f"From the first to the last event, {when(totals.first)} to {when(totals.last)}; there is "
        "none in the rest of this time."
    )
