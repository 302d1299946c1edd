"""Findings: every alert of a window, ranked, and the first of each band in full.

Shown in full is one alert for each rule and principal, and one of each rule before the second of
any rule, so that a busy rule does not hide the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from detections.alerts.twins import together
from detections.incidents.closings import CLOSED, closed_as
from detections.incidents.document import INCIDENT
from detections.incidents.store import FIELDS as INCIDENT_FIELDS
from detections.rule import Rule
from trailhound.report.collect.events import FIELDS, event_line, instant, texts
from trailhound.report.collect.incidents import incident_entries
from trailhound.report.collect.query import Index, Query
from trailhound.report.collect.ranking import folded, in_full, rank, subjects, top_of_all
from trailhound.report.collect.stats import floor
from trailhound.report.event import BANDS, HIGH_LEVELS, CallCount, Event, band_of_level
from trailhound.report.findings import (
    AlertRow,
    Closing,
    DetailedAlert,
    FindingBand,
    Findings,
    RankedEntry,
)

CRITICAL = "critical"
EVIDENCE = 100
"""The number of events of an alert that the report reads, the earliest ones."""
EVENTS_NAMED = 1_000
"""The most events of an alert that are read to count those of its incident."""
IDS_AT_ONCE = 5_000

_NO_TITLE = "an alert without a name"

_ROW_FIELDS = (
    "rule.id",
    "rule.name",
    "level",
    "severity",
    "state",
    "attack",
    "entity.principal",
    "entity.account",
    "entity.address",
    "calls",
    "attempt",
    "first_seen",
    "last_seen",
    "count",
    "count_relation",
    "twin_key",
    *INCIDENT_FIELDS,
)


@dataclass(frozen=True, slots=True)
class Counted:
    """All alerts of a window by rank, and their numbers by rule id, tactic and technique."""

    ranked: tuple[AlertRow, ...] = ()
    rules: Mapping[str, int] = field(default_factory=dict)
    tactics: Mapping[str, int] = field(default_factory=dict)
    techniques: Mapping[str, int] = field(default_factory=dict)
    pairs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The techniques that alerts name together with a tactic."""
    asked: Sequence[Query] = ()
    """The clauses that select the alerts."""
    twins: Mapping[str, str] = field(default_factory=dict)
    """By id of an alert that may have a twin, the key that twins share."""
    incidents: tuple[RankedEntry, ...] = ()
    """Incidents with more than one alert."""

    @property
    def total(self) -> int:
        return len(self.ranked)

    @property
    def closed(self) -> int:
        return sum(row.state == CLOSED for row in self.ranked)


def clauses(index: Index) -> list[Query]:
    """Clauses for alerts whose events overlap the window, without those merged into another."""
    return [*_in_time(index), *_of_accounts(index)]


def _in_time(index: Index) -> list[Query]:
    window = index.window
    asked: list[Query] = [{"bool": {"must_not": {"exists": {"field": "merged_into"}}}}]
    if window.since:
        asked.append({"range": {"last_seen": {"gte": window.since.isoformat()}}})
    if window.until:
        asked.append({"range": {"first_seen": {"lt": window.until.isoformat()}}})
    return asked


def _of_accounts(index: Index) -> list[Query]:
    """A clause for alerts on events of the accounts: by the account they name, or by their
    evidence.

    Alerts do not name the account of the folder that an event was delivered to. So if any event of
    another account was delivered to one of the accounts, the events of alerts that name other
    accounts are searched.
    """
    accounts = list(index.window.accounts)
    if not accounts:
        return []
    own = {"terms": {"entity.account": accounts}}
    delivered: list[Query] = [
        {"terms": {"trail.account": accounts}},
        {"bool": {"must_not": {"terms": {"recipientAccountId": accounts}}}},
    ]
    body = {"query": {"bool": {"filter": delivered}}, "size": 0}
    if not index.search(index.names.alias, body)["hits"]["total"]["value"]:
        return [own]
    asked = [*_in_time(index), {"bool": {"must_not": own}}]
    found = sorted(_with_events(index, asked, delivered))
    return [{"bool": {"should": [own, {"ids": {"values": found}}], "minimum_should_match": 1}}]


def _with_events(index: Index, asked: Sequence[Query], events: Sequence[Query]) -> set[str]:
    """Which of the alerts have evidence that the clauses match."""
    found: set[str] = set()
    pairs = (
        (event, name)
        for name, source in index.alerts(asked, ["evidence.event_id"])
        for event in texts((source.get("evidence") or {}).get("event_id"))
    )
    while part := list(islice(pairs, IDS_AT_ONCE)):
        there = set(index.matching({event for event, _ in part}, events))
        found |= {name for event, name in part if event in there}
    return found


def counted(index: Index) -> Counted:
    """Every alert of the window, read page by page, without a limit."""
    rules: Counter[str] = Counter()
    tactics: Counter[str] = Counter()
    techniques: Counter[str] = Counter()
    pairs: dict[str, set[str]] = {}
    rows: list[AlertRow] = []
    twins: dict[str, str] = {}
    asked = tuple(clauses(index))
    joined: dict[str, Mapping[str, Any]] = {}
    for name, source in index.alerts(asked, _ROW_FIELDS):
        attack = source.get("attack") or {}
        if key := source.get("twin_key"):
            twins[name] = str(key)
        rows.append(_row(name, source))
        if rows[-1].incident:
            joined[name] = source
        named = set(texts(attack.get("technique")))
        rules[rows[-1].rule] += 1
        techniques.update(named)
        for tactic in set(texts(attack.get("tactic"))):
            tactics[tactic] += 1
            pairs.setdefault(tactic, set()).update(named)
    ranked = tuple(sorted(rows, key=rank))
    return Counted(
        ranked=ranked,
        rules=rules,
        tactics=tactics,
        techniques=techniques,
        pairs={tactic: frozenset(named) for tactic, named in pairs.items()},
        asked=asked,
        twins=twins,
        incidents=tuple(incident_entries(ranked, joined, twins, _named(index, asked))),
    )


def _named(index: Index, asked: Sequence[Query]) -> dict[str, frozenset[str]]:
    """The events of the alerts of incidents, but for alerts of very many."""
    few: list[Query] = [
        {"exists": {"field": INCIDENT}},
        {"range": {"count": {"lte": EVENTS_NAMED}}},
    ]
    return {
        name: frozenset(texts((source.get("evidence") or {}).get("event_id")))
        for name, source in index.alerts([*asked, *few], ["evidence.event_id"])
    }


def _row(name: str, source: Mapping[str, Any]) -> AlertRow:
    entity, about = source.get("entity") or {}, source.get("rule") or {}
    return AlertRow(
        id=name,
        rule=str(about.get("id") or ""),
        title=str(about.get("name") or _NO_TITLE),
        severity=int(source.get("severity") or 0),
        level=str(source.get("level") or ""),
        state=str(source.get("state") or "open"),
        first=instant(source["first_seen"]),
        last=instant(source.get("last_seen") or source["first_seen"]),
        count=int(source.get("count") or 0),
        exact=source.get("count_relation", "eq") == "eq",
        principals=texts(entity.get("principal")),
        accounts=texts(entity.get("account")),
        addresses=texts(entity.get("address")),
        calls=_calls(source.get("calls")),
        attempt=source.get("attempt") is True,
        incident=str(source.get(INCIDENT) or ""),
        closed_as=tuple(Closing(**way) for way in closed_as([source])),
    )


def _calls(found: Any) -> tuple[CallCount, ...]:
    """The calls that an alert counted; empty for alerts of the last release."""
    return tuple(
        CallCount(str(each["name"]), int(each.get("count") or 0), int(each.get("failed") or 0))
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, Mapping) and each.get("name")
    )


def alert_times(
    rows: Iterable[AlertRow], since: datetime, until: datetime, seconds: int
) -> dict[datetime, dict[str, int]]:
    """Alerts by band and time bucket of their first event; earlier ones are in the first bucket."""
    found: dict[datetime, dict[str, int]] = {}
    first, last = floor(since, seconds), floor(until, seconds)
    for row in rows:
        start = min(max(floor(row.first, seconds), first), last)
        slot = found.setdefault(start, {})
        band = band_of_level(row.level)
        slot[band] = slot.get(band, 0) + 1
    return found


def findings(
    index: Index, count: Counted, rules: Sequence[Rule], watched: datetime | None
) -> Findings:
    """All alerts by rank, and the first of each band with their evidence."""
    known = {rule.id: rule for rule in rules}
    about = subjects(count.ranked, count.twins)
    # Twins are shown as one alert, under the names of their rules.
    pairs = {(about[row.id], count.twins.get(row.id, row.id)) for row in count.ranked}
    alike = Counter(key for key, _ in pairs)
    titles: dict[str, list[str]] = {}
    for row in count.ranked:
        titles.setdefault(count.twins.get(row.id, row.id), []).append(row.title)
    of = {band: [row for row in count.ranked if band_of_level(row.level) == band] for band in BANDS}
    shown = {band: in_full(rows, twins=count.twins) for band, rows in of.items()}
    stored = _stored(index, [row.id for rows in shown.values() for row in rows])
    tops = {
        band: [
            _finding(
                stored[row.id],
                known,
                alike[about[row.id]],
                together(titles[count.twins.get(row.id, row.id)]),
            )
            for row in rows
            if row.id in stored
        ]
        for band, rows in shown.items()
    }
    ids = {event for found in tops.values() for _, events in found for event in events[:EVIDENCE]}
    proof = _events(index, ids)
    bands = tuple(
        FindingBand(
            band,
            len(of[band]),
            sum(row.state != CLOSED for row in of[band]),
            tuple(_proved(finding, events, proof) for finding, events in tops[band]),
        )
        for band in BANDS
    )
    critical = [row for row in count.ranked if row.level == CRITICAL]
    entries = folded(count.ranked, count.twins, count.incidents)
    return Findings(
        count.total,
        count.total - count.closed,
        bands,
        count.ranked,
        watched,
        critical=len(critical),
        critical_open=sum(row.state != CLOSED for row in critical),
        entries=tuple(entries),
        top=top_of_all(entries),
    )


def _stored(index: Index, names: list[str]) -> dict[str, dict[str, Any]]:
    """The complete documents of these alerts, by `_id`."""
    if not names:
        return {}
    body = {
        "query": {"ids": {"values": names}},
        "size": len(names),
        "_source": {"excludes": ["counted"]},
    }
    hits = index.search(index.names.alerts, body)["hits"]["hits"]
    return {hit["_id"]: hit for hit in hits}


def _finding(
    hit: Mapping[str, Any],
    known: Mapping[str, Rule],
    alike: int,
    title: str,
) -> tuple[DetailedAlert, tuple[str, ...]]:
    """An alert's document as a finding, and the ids of its events."""
    source = hit["_source"]
    entity, attack = source.get("entity") or {}, source.get("attack") or {}
    about = source.get("rule") or {}
    rule = known.get(str(about.get("id")))
    events = texts((source.get("evidence") or {}).get("event_id"))
    first = instant(source["first_seen"])
    made = DetailedAlert(
        id=str(hit["_id"]),
        rule=str(about.get("id") or ""),
        title=rule.title if rule and title == _NO_TITLE else title,
        severity=int(source.get("severity") or 0),
        level=str(source.get("level") or ""),
        state=str(source.get("state") or "open"),
        first=first,
        last=instant(source.get("last_seen") or source["first_seen"]),
        count=int(source.get("count") or len(events)),
        exact=source.get("count_relation", "eq") == "eq",
        tactics=texts(attack.get("tactic")),
        techniques=texts(attack.get("technique")),
        principals=texts(entity.get("principal")),
        accounts=texts(entity.get("account")),
        addresses=texts(entity.get("address")),
        resources=texts(entity.get("resource")),
        detail=str(source.get("reason") or ""),
        description=str(source.get("description") or (rule.description if rule else "")),
        response=texts(source.get("response")) or (rule.response if rule else ()),
        held=len(events),
        alike=alike,
    )
    return made, events


def _events(index: Index, ids: Iterable[str]) -> dict[str, Event]:
    """Events by id, of any time: an alert may begin before the window."""
    return {event.id: event for event in events_of(index, ids)}


def events_of(index: Index, ids: Iterable[str]) -> Iterator[Event]:
    """The events with these ids, batch by batch."""
    wanted = iter(sorted(set(ids)))
    while part := list(islice(wanted, IDS_AT_ONCE)):
        for hit in index.all_events(part, FIELDS):
            yield event_line(hit)


def evidence_ids(index: Index, count: Counted, most: int) -> tuple[set[str], int]:
    """Ids of the events of all high alerts, and the number of their other events.

    Each alert gets an equal share of `most` ids, at most `EVIDENCE`; an id of several alerts counts
    once.
    """
    high = [row for row in count.ranked if row.level in HIGH_LEVELS]
    if not high:
        return set(), 0
    share = max(1, min(EVIDENCE, most // len(high)))
    asked = [*count.asked, {"terms": {"level": list(HIGH_LEVELS)}}]
    ids: set[str] = set()
    left_out = 0
    for _, source in index.alerts(asked, ["evidence.event_id", "count"]):
        held = texts((source.get("evidence") or {}).get("event_id"))
        ids.update(held[:share])
        left_out += max(int(source.get("count") or 0), len(held)) - len(held[:share])
    return ids, left_out


def _proved(
    finding: DetailedAlert, ids: tuple[str, ...], proof: Mapping[str, Event]
) -> DetailedAlert:
    read = ids[:EVIDENCE]
    events = sorted((proof[each] for each in read if each in proof), key=lambda e: (e.time, e.id))
    return replace(finding, evidence=tuple(events), missing=len(read) - len(events))


def top_findings(found: Findings) -> list[DetailedAlert]:
    """All findings that are shown in full, by rank: open ones first, then by falling score."""
    shown = [finding for band in found.bands for finding in band.top]
    return sorted(shown, key=lambda finding: (finding.state == CLOSED, -finding.severity))
