"""Incidents of the window: an entry for each, and sentences about the most important ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from detections.incidents.document import is_of_days
from detections.incidents.raising import standing
from detections.incidents.store import made
from detections.rule import LEVELS
from trailhound.report.collect.events import instant
from trailhound.report.collect.story import Told
from trailhound.report.event import CallCount
from trailhound.report.findings import AlertRow, Closing, Findings, RankedEntry
from trailhound.report.render.steps import in_words
from trailhound.report.render.words import count, listed, short, when

TOLD = 5
"""The number of incidents in the summary, by rank."""
_CALLS = 4
_MOST_CALLS = 20
_NAMES = 3
_OTHERS = 12
"""The most titles of what is not told that are named."""
_TELLING = LEVELS[LEVELS.index("medium") :]

Source = Mapping[str, Any]


def incident_entries(
    ranked: Sequence[AlertRow],
    sources: Mapping[str, Source],
    twins: Mapping[str, str],
    named: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> list[RankedEntry]:
    """An entry for each incident with more than one alert in the window, and each that is raised
    above its alert. `ranked`: all alerts by
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
        or standing([sources[row.id] for row in rows]).raised_from
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
        attempt=found["attempt"] or _all_failed(rows),
        raised_from=found["raised_from"],
        raised_because=found["raised_because"],
        done_rules=found["succeeded"]["rules"],
        done_tactics=tuple(found["succeeded"]["tactics"]),
        principals=tuple(found["principals"]),
        accounts=tuple(found["accounts"]),
        addresses=tuple(found["addresses"]),
        calls=_calls(sorted(rows, key=lambda row: (row.id in days, -row.severity))),
        ids=tuple(row.id for row in rows),
        closed_as=tuple(Closing(**way) for way in found["closed_as"]),
    )


def _all_failed(rows: Sequence[AlertRow]) -> bool:
    """Whether all alerts say of their calls that every one failed: those of the last release do not
    say so themselves."""
    return all(row.calls and all(it.failed == it.events for it in row.calls) for row in rows)


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


def told(findings: Findings) -> list[RankedEntry]:
    """The incidents that the summary tells, by rank."""
    return [each for each in findings.entries if each.kind == "incident"][:TOLD]


def sentences(findings: Findings, stories: Mapping[str, Told] = MappingProxyType({})) -> list[str]:
    """Sentences about the most important incidents, in order of time: who, from where, what, with
    what result; and which others there are. `stories` are by id of the incident."""
    first = told(findings)
    ordered = sorted(first, key=lambda each: each.first)
    return [
        *(_sentence(each, stories.get(each.id, Told())) for each in ordered),
        *_not_told(findings, first),
    ]


def _sentence(entry: RankedEntry, story: Told) -> str:
    names = [short(each) for each in entry.principals]
    who = listed(names, _NAMES) if names else "somebody"
    at = f" from {listed(entry.addresses, _NAMES)}" if entry.addresses else ""
    calls = [each.name for each in entry.calls]
    if story.steps:
        alone = entry.principals[0] if len(entry.principals) == 1 else ""
        done = f": {in_words(story.steps, entry.first, alone)}"
    else:
        done = f" called {listed(calls, _CALLS)}" if calls else ""
    closed = f", closed{_as(entry)}" if entry.state == "closed" else ""
    raised = f", raised from {entry.raised_from}: {entry.raised_because}"
    return (
        f"{_span(entry.first, entry.last)}, {who}{at}{done}{_result(entry, story)}"
        f"{';' if story.steps else ':'} "
        f"{count(entry.alerts, 'alert')}, {entry.severity} of 10"
        f"{raised if entry.raised_from else ''}: “{entry.title}”{closed}."
    )


def _not_told(findings: Findings, first: Sequence[RankedEntry]) -> Iterator[str]:
    """Which other incidents and alerts of level medium or above are not closed."""
    ids = {each.id for each in first}
    others = [
        each
        for each in findings.entries
        if each.id not in ids and each.state != "closed" and each.level in _TELLING
    ]
    groups: dict[str, list[RankedEntry]] = {}
    for each in others:
        groups.setdefault(each.title, []).append(each)
    if not groups:
        return
    named = []
    for title, several in list(groups.items())[:_OTHERS]:
        who = list(dict.fromkeys(short(name) for each in several for name in each.principals))
        by = f" by {listed(who, 2)}" if who else ""
        times = f" ×{len(several)}" if len(several) > 1 else ""
        named.append(f"“{title}”{times}{by}")
    left = len(groups) - len(named)
    more = f"; and {count(left, 'other title')}" if left else ""
    number = count(len(others), "other incident or alert", "other incidents and alerts")
    yield (
        f"Not told here, and not closed: {number} of level medium or above: "
        f"{'; '.join(named)}{more}."
    )


def _as(entry: RankedEntry) -> str:
    """The dispositions of its closed alerts; empty if there are none."""
    ways = list(dict.fromkeys(way.disposition for way in entry.closed_as))
    phrases = [f"as {way}" if way else "without a disposition" for way in ways]
    return f" {listed(phrases)}" if phrases else ""


def _result(entry: RankedEntry, story: Told) -> str:
    """How much of it succeeded; empty where all did."""
    if entry.attempt:
        return " (without success)"
    if 0 < story.failed < story.calls:
        done = f"{story.calls - story.failed:,} of {count(story.calls, 'call')}"
        return f" ({done} of theirs in this time succeeded)"
    refused = sum(each.failed == each.events for each in entry.calls)
    some = refused and not story.steps and refused < len(entry.calls)
    return f" ({refused} of these calls never succeeded)" if some else ""


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
