"""Incidents of the window: an entry for each, and sentences about the most important ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from detections.incidents.document import is_of_days
from detections.incidents.store import made
from trailhound.report.collect.events import instant
from trailhound.report.event import CallCount
from trailhound.report.findings import AlertRow, Closing, Findings, RankedEntry
from trailhound.report.render.words import count, listed, when

TOLD = 5
"""The number of incidents in the summary, by rank."""
_CALLS = 4
_MOST_CALLS = 20
_NAMES = 3

Source = Mapping[str, Any]


def incident_entries(
    ranked: Sequence[AlertRow],
    sources: Mapping[str, Source],
    twins: Mapping[str, str],
    named: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> list[RankedEntry]:
    """An entry for each incident with more than one alert in the window. `ranked`: all alerts by
    rank; `sources`: the documents of those that name an incident, by id; `twins`: id → key that
    twins share (alerts of several rules about the same events, which count as one); `named`: the
    events of alerts, as far as they were read."""
    groups: dict[str, list[AlertRow]] = {}
    for row in ranked:
        if row.incident:
            groups.setdefault(row.incident, []).append(row)
    return [
        _entry(rows, {row.id: sources[row.id] for row in rows}, named)
        for rows in groups.values()
        if len({twins.get(row.id, row.id) for row in rows}) > 1
    ]


def _entry(
    rows: Sequence[AlertRow], sources: Mapping[str, Source], named: Mapping[str, frozenset[str]]
) -> RankedEntry:
    """The entry of an incident. Its alerts may count the same events, so it has those that they
    name together, and at least as many as its largest alert if one does not name all of its."""
    events = len(frozenset().union(*(named.get(row.id, ()) for row in rows)))
    exact = all(row.exact and row.count == len(named.get(row.id, ())) for row in rows)
    by_time = sorted(sources.items(), key=lambda each: (each[1]["first_seen"], each[0]))
    found = made(by_time)
    days = {name for name, source in sources.items() if is_of_days(source)}
    lead = next(row for row in rows if row.id == found["alert"])
    return RankedEntry(
        kind="incident",
        id=found["id"],
        rule=lead.rule,
        title=found["title"],
        severity=found["severity"],
        level=found["level"],
        state=found["state"],
        alerts=found["alerts"],
        open=found["open"],
        events=events if exact else max(events, *(row.count for row in rows)),
        first=instant(found["first_seen"]),
        last=instant(found["last_seen"]),
        exact=exact,
        attempt=found["attempt"],
        principals=tuple(found["principals"]),
        accounts=tuple(found["accounts"]),
        addresses=tuple(found["addresses"]),
        calls=_calls(sorted(rows, key=lambda row: (row.id in days, -row.severity))),
        ids=tuple(row.id for row in rows),
        closed_as=tuple(Closing(**way) for way in found["closed_as"]),
    )


def _calls(rows: Iterable[AlertRow]) -> tuple[CallCount, ...]:
    """The calls in the order of the alerts, each with its largest number among them. A call that
    succeeded in one alert does not count as failed throughout."""
    most: dict[str, CallCount] = {}
    succeeded: set[str] = set()
    for row in rows:
        for call in row.calls:
            before = most.get(call.name, CallCount(call.name, 0))
            if call.events > call.failed:
                succeeded.add(call.name)
            events = max(before.events, call.events)
            failed = max(before.failed, call.failed)
            if call.name in succeeded:
                failed = min(failed, events - 1)
            most[call.name] = CallCount(call.name, events, failed)
    return tuple(most.values())[:_MOST_CALLS]


def sentences(findings: Findings) -> list[str]:
    """Sentences about the most important incidents, in order of time: who, from where, what, with
    what result."""
    found = [each for each in findings.entries if each.kind == "incident"][:TOLD]
    return [_sentence(each) for each in sorted(found, key=lambda each: each.first)]


def _sentence(entry: RankedEntry) -> str:
    who = listed(entry.principals, _NAMES) if entry.principals else "somebody"
    at = f" from {listed(entry.addresses, _NAMES)}" if entry.addresses else ""
    calls = f" called {listed([each.name for each in entry.calls], _CALLS)}" if entry.calls else ""
    closed = f", closed{_as(entry)}" if entry.state == "closed" else ""
    return (
        f"{_span(entry.first, entry.last)}, {who}{at}{calls}{_result(entry)}: "
        f"{count(entry.alerts, 'alert')}, {entry.severity} of 10: “{entry.title}”{closed}."
    )


def _as(entry: RankedEntry) -> str:
    """The dispositions of its closed alerts; empty if there are none."""
    ways = list(dict.fromkeys(way.disposition for way in entry.closed_as))
    phrases = [f"as {way}" if way else "without a disposition" for way in ways]
    return f" {listed(phrases)}" if phrases else ""


def _result(entry: RankedEntry) -> str:
    refused = sum(each.failed == each.events for each in entry.calls)
    if entry.attempt or (refused and refused == len(entry.calls)):
        return " (without success)"
    return f" ({refused} of these calls never succeeded)" if refused else ""


def _span(first: datetime, last: datetime) -> str:
    """The times from first to last, as the beginning of a sentence.

    >>> from datetime import UTC
    >>> _span(datetime(2025, 3, 1, 4, 5, tzinfo=UTC), datetime(2025, 3, 1, 6, 7, tzinfo=UTC))
    'From 1 March 2025, 04:05 to 06:07 UTC'
    """
    if when(first) == when(last):
        return f"On {when(first)}"
    if first.date() == last.date():
        return f"From {when(first).removesuffix(' UTC')} to {last:%H:%M} UTC"
    return f"From {when(first)} to {when(last)}"
