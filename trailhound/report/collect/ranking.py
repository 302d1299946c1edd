"""Ranks findings, and joins alerts that a reader decides on together to one entry.

The order is open before closed, incidents before alerts, then by level and severity (a score of its
own may put a rule above others of its level, never above a higher one), attempts after what had a
success, by how many tactics and rules say what was done, by number of events, and by the time of
the first event. The alerts of one rule about the
same principals are one entry, and so are twins (alerts of several rules about the same events).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from detections.alerts.twins import together
from detections.incidents.closings import CLOSED
from detections.rule import LEVELS
from trailhound.report.event import CallCount
from trailhound.report.findings import AlertRow, Closing, RankedEntry

TOP = 5
"""The number of entries that are shown first: of all, and of a band."""
_STATES = ("open", "acknowledged", CLOSED)
_NAMES = 20
"""The number of principals, addresses and calls that an entry names."""


def rank(row: AlertRow) -> tuple[Any, ...]:
    """The sort key of alerts: open ones first, then by falling level and severity, those with a
    success before attempts, and by number of events."""
    return (
        row.state == CLOSED,
        *_severe_first(row),
        row.attempt,
        -row.count,
        row.first,
        row.rule,
        row.id,
    )


def _severe_first(of: AlertRow | RankedEntry) -> tuple[int, int]:
    level = LEVELS.index(of.level) if of.level in LEVELS else 0
    return -level, -of.severity


def subjects(
    rows: Iterable[AlertRow], twins: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Hashable]:
    """By id of each alert, the key of its entry: the rule and its principals, or its addresses if
    it has no principal.

    `twins`: id → key that twins share. Twins belong to the same entry.
    """
    own: dict[str, Hashable] = {
        row.id: (row.rule or row.title, row.principals or row.addresses or (row.id,))
        for row in rows
    }
    into: dict[Hashable, Hashable] = {}
    first: dict[str, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while key in into:
            key = into[key]
        return key

    for name, key in own.items():
        if name in twins:
            one, other = root(first.setdefault(twins[name], key)), root(key)
            if one != other:
                into[other] = one
    return {name: root(key) for name, key in own.items()}


def folded(
    rows: Iterable[AlertRow],
    twins: Mapping[str, str] = MappingProxyType({}),
    incidents: Sequence[RankedEntry] = (),
) -> list[RankedEntry]:
    """The incidents, and an entry for each rule and principal of the other alerts, by rank. `rows`
    are in the order of `rank`; `twins` as in `subjects`."""
    within = {name for incident in incidents for name in incident.ids}
    several = [row for row in rows if row.id not in within]
    about = subjects(several, twins)
    groups: dict[Hashable, list[AlertRow]] = {}
    for row in several:
        groups.setdefault(about[row.id], []).append(row)
    entries = (_entry(group, twins) for group in groups.values())
    return sorted([*incidents, *entries], key=entry_rank)


def _entry(rows: Sequence[AlertRow], twins: Mapping[str, str]) -> RankedEntry:
    first = rows[0]
    # Twins are about the same events.
    once = list({twins.get(row.id, row.id): row for row in reversed(rows)}.values())[::-1]
    still_open = [row for row in rows if row.state != CLOSED]
    return RankedEntry(
        kind="alert",
        id=first.id,
        rule=first.rule,
        title=together([row.title for row in rows]),
        severity=first.severity,
        level=first.level,
        state=min((row.state for row in rows), key=_progress),
        alerts=len(rows),
        open=len(still_open),
        events=sum(row.count for row in once),
        first=min(row.first for row in rows),
        last=max(row.last for row in rows),
        exact=all(row.exact for row in rows),
        attempt=all(row.attempt for row in rows),
        principals=first.principals,
        accounts=named(row.accounts for row in rows),
        addresses=named(row.addresses for row in rows),
        calls=calls_of(row.calls for row in once),
        ids=tuple(row.id for row in rows),
        closed_as=_closings(rows),
    )


def _closings(rows: Iterable[AlertRow]) -> tuple[Closing, ...]:
    """The ways in which alerts were closed, each with its number."""
    ways: Counter[Closing] = Counter()
    for row in rows:
        for way in row.closed_as:
            ways[replace(way, alerts=1)] += way.alerts
    return tuple(replace(way, alerts=alerts) for way, alerts in ways.most_common())


def named(several: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The distinct names, in their order."""
    return tuple(dict.fromkeys(name for names in several for name in names))[:_NAMES]


def calls_of(several: Iterable[Iterable[CallCount]]) -> tuple[CallCount, ...]:
    """The calls of several alerts together, the most frequent first."""
    events: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for calls in several:
        for each in calls:
            events[each.name] += each.events
            failed[each.name] += each.failed
    most = sorted(events, key=lambda name: (-events[name], name))[:_NAMES]
    return tuple(CallCount(name, events[name], failed[name]) for name in most)


def _progress(state: str) -> int:
    return _STATES.index(state) if state in _STATES else 0


def entry_rank(entry: RankedEntry) -> tuple[Any, ...]:
    """The sort key of entries, by rank."""
    return (
        entry.state == CLOSED,
        entry.kind != "incident",
        *_severe_first(entry),
        entry.attempt,
        -len(entry.done_tactics),
        -entry.done_rules,
        -entry.events,
        entry.first,
        entry.rule,
        entry.id,
    )


def top_of_all(entries: Sequence[RankedEntry], most: int = TOP) -> tuple[RankedEntry, ...]:
    """The first entries by falling level and severity, then by rank, of different rules. Attempts
    come after what had a success."""
    keys = [
        (*_severe_first(each), each.state == CLOSED, each.attempt, each.rule or each.id)
        for each in entries
    ]
    turns = sorted(
        (*key[:-1], turn, place)
        for place, (key, turn) in enumerate(zip(keys, _turns(keys), strict=True))
    )
    return tuple(entries[place] for *_, place in turns[:most])


def in_full(
    ranked: Sequence[AlertRow],
    most: int = TOP,
    twins: Mapping[str, str] = MappingProxyType({}),
) -> list[AlertRow]:
    """The alerts of a band that are shown in full: the first alert of each entry, by rank.

    Open ones come first; among open and among closed ones, the first of each rule comes before the
    second of any.
    """
    about = subjects(ranked, twins)
    firsts: dict[Hashable, AlertRow] = {}
    for row in ranked:
        firsts.setdefault(about[row.id], row)
    rows = list(firsts.values())
    keys = [(row.state == CLOSED, row.rule) for row in rows]
    turns = sorted(
        (closed, turn, place)
        for place, ((closed, _), turn) in enumerate(zip(keys, _turns(keys), strict=True))
    )
    return [rows[place] for place in sorted(place for *_, place in turns[:most])]


def _turns(keys: Iterable[Hashable]) -> Iterator[int]:
    """For each key, how often it occurred before."""
    before: Counter[Hashable] = Counter()
    for key in keys:
        yield before[key]
        before[key] += 1
