"""Findings: every alert of a window, ranked, and the first of each band in full.

Rank: alerts that nobody has closed before closed ones, then by severity, by number of events, by
the first event's time. What is shown in full takes one alert of each rule before a rule's second
one, so that one busy rule does not hide the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from detections.rule import Rule
from trailhound.report.collect.events import FIELDS, event_line, instant, texts
from trailhound.report.collect.query import Index, Query
from trailhound.report.collect.stats import floor
from trailhound.report.value import (
    BANDS,
    HIGH,
    MEDIUM,
    AlertRow,
    Band,
    DetailedAlert,
    Event,
    FindingBand,
    Findings,
    band_of,
)

TOP = 5
"""Findings of a band that are shown in full."""

EVENTS = 100
"""Events of a finding that are read, the earliest: an alert may name 10,000."""

CLOSED = "closed"
_NO_TITLE = "an alert without a name"

_LIMITS: Mapping[Band, Query] = {
    "high": {"range": {"severity": {"gte": HIGH}}},
    "medium": {"range": {"severity": {"gte": MEDIUM, "lt": HIGH}}},
    "low": {"bool": {"must_not": {"range": {"severity": {"gte": MEDIUM}}}}},
}


_ROW_FIELDS = (
    "rule.id",
    "rule.name",
    "level",
    "severity",
    "state",
    "attack",
    "entity.principal",
    "entity.account",
    "first_seen",
    "last_seen",
    "count",
    "count_relation",
)


@dataclass(frozen=True, slots=True)
class Counted:
    """All alerts of a window by rank, and how many name which rule (id), tactic, technique."""

    ranked: tuple[AlertRow, ...] = ()
    rules: Mapping[str, int] = field(default_factory=dict)
    tactics: Mapping[str, int] = field(default_factory=dict)
    techniques: Mapping[str, int] = field(default_factory=dict)
    pairs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """A tactic's techniques, as the alerts name them together."""

    @property
    def total(self) -> int:
        return len(self.ranked)

    @property
    def closed(self) -> int:
        return sum(row.state == CLOSED for row in self.ranked)


def clauses(index: Index) -> list[Query]:
    """The alerts whose events overlap the window; those that another alert took in are not."""
    window = index.window
    asked: list[Query] = [{"bool": {"must_not": {"exists": {"field": "merged_into"}}}}]
    if window.since:
        asked.append({"range": {"last_seen": {"gte": window.since.isoformat()}}})
    if window.until:
        asked.append({"range": {"first_seen": {"lt": window.until.isoformat()}}})
    if window.accounts:
        asked.append({"terms": {"entity.account": list(window.accounts)}})
    return asked


def counted(index: Index) -> Counted:
    """Every alert of the window, read page by page: none is beyond a limit."""
    rules: Counter[str] = Counter()
    tactics: Counter[str] = Counter()
    techniques: Counter[str] = Counter()
    pairs: dict[str, set[str]] = {}
    rows: list[AlertRow] = []
    for name, source in index.alerts(clauses(index), _ROW_FIELDS):
        attack = source.get("attack") or {}
        rows.append(_row(name, source))
        named = set(texts(attack.get("technique")))
        rules[rows[-1].rule] += 1
        techniques.update(named)
        for tactic in set(texts(attack.get("tactic"))):
            tactics[tactic] += 1
            pairs.setdefault(tactic, set()).update(named)
    return Counted(
        tuple(sorted(rows, key=_rank)),
        rules,
        tactics,
        techniques,
        {tactic: frozenset(named) for tactic, named in pairs.items()},
    )


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
    )


def _rank(row: AlertRow) -> tuple[Any, ...]:
    return (row.state == CLOSED, -row.severity, -row.count, row.first, row.rule, row.id)


def alert_times(
    index: Index, since: datetime, until: datetime, seconds: int
) -> dict[datetime, dict[str, int]]:
    """Alerts by band and by the stretch in which they began; earlier ones in the first stretch."""
    reply = index.search(
        index.names.alerts,
        _body(clauses(index)),
        {
            name: {
                "filter": limit,
                "aggs": {
                    "time": {
                        "date_histogram": {
                            "field": "first_seen",
                            "fixed_interval": f"{seconds}s",
                            "min_doc_count": 1,
                        }
                    }
                },
            }
            for name, limit in _LIMITS.items()
        },
    )
    bands = reply.get("aggregations", {})
    found: dict[datetime, dict[str, int]] = {}
    first, last = floor(since, seconds), floor(until, seconds)
    for name in BANDS:
        for bucket in bands[name]["time"]["buckets"] if bands else ():
            start = datetime.fromtimestamp(bucket["key"] / 1000, UTC)
            slot = found.setdefault(min(max(start, first), last), {})
            slot[name] = slot.get(name, 0) + bucket["doc_count"]
    return found


def findings(
    index: Index, count: Counted, rules: Sequence[Rule], watched: datetime | None
) -> Findings:
    """All alerts by rank, and the first of each band with the events that prove them."""
    known = {rule.id: rule for rule in rules}
    of = {band: [row for row in count.ranked if band_of(row.severity) == band] for band in BANDS}
    shown = {band: in_full(rows) for band, rows in of.items()}
    stored = _stored(index, [row.id for rows in shown.values() for row in rows])
    tops = {
        band: [_finding(stored[row.id], known) for row in rows if row.id in stored]
        for band, rows in shown.items()
    }
    ids = {event for found in tops.values() for _, events in found for event in events}
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
    return Findings(count.total, count.total - count.closed, bands, count.ranked, watched)


def in_full(ranked: Sequence[AlertRow], most: int = TOP) -> list[AlertRow]:
    """Which of the ranked alerts of a band are shown in full, by rank.

    Open ones come first; among those, and among the closed, each rule's first before its second.
    """
    nth: Counter[tuple[bool, str]] = Counter()
    turns: list[tuple[bool, int, int]] = []
    for place, row in enumerate(ranked):
        key = (row.state == CLOSED, row.rule)
        turns.append((key[0], nth[key], place))
        nth[key] += 1
    return [ranked[place] for place in sorted(place for _, _, place in sorted(turns)[:most])]


def _stored(index: Index, names: list[str]) -> dict[str, dict[str, Any]]:
    """The whole documents of these alerts, by `_id`."""
    if not names:
        return {}
    body = {
        "query": {"ids": {"values": names}},
        "size": len(names),
        "_source": {"excludes": ["counted"]},
    }
    hits = index.search(index.names.alerts, body)["hits"]["hits"]
    return {hit["_id"]: hit for hit in hits}


def _body(asked: list[Query]) -> dict[str, Any]:
    return {"query": {"bool": {"filter": asked}}}


def _finding(
    hit: Mapping[str, Any], known: Mapping[str, Rule]
) -> tuple[DetailedAlert, tuple[str, ...]]:
    """An alert's document as a finding, and the ids of its events."""
    source = hit["_source"]
    entity, attack = source.get("entity") or {}, source.get("attack") or {}
    about = source.get("rule") or {}
    rule = known.get(str(about.get("id")))
    events = texts((source.get("evidence") or {}).get("event_id"))[:EVENTS]
    first = instant(source["first_seen"])
    made = DetailedAlert(
        id=str(hit["_id"]),
        rule=str(about.get("id") or ""),
        title=str(about.get("name") or (rule.title if rule else "") or _NO_TITLE),
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
    )
    return made, events


def _events(index: Index, ids: Iterable[str]) -> dict[str, Event]:
    """Events by id, whenever they were: an alert may reach back before the window."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return {hit["_id"]: event_line(hit) for hit in index.all_events(wanted, FIELDS)}


def _proved(
    finding: DetailedAlert, ids: tuple[str, ...], proof: Mapping[str, Event]
) -> DetailedAlert:
    events = sorted((proof[each] for each in ids if each in proof), key=lambda e: (e.time, e.id))
    return replace(finding, evidence=tuple(events), missing=finding.held - len(events))


def top_findings(found: Findings) -> list[DetailedAlert]:
    """All findings that are shown in full, by rank: open ones first, then by falling score."""
    shown = [finding for band in found.bands for finding in band.top]
    return sorted(shown, key=lambda finding: (finding.state == CLOSED, -finding.severity))


def is_high(finding: DetailedAlert) -> bool:
    return band_of(finding.severity) == "high"
