"""Findings: the alerts of a window, counted in all and the gravest of each band in full."""

from __future__ import annotations

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
    Band,
    Event,
    Finding,
    FindingBand,
    Findings,
    band_of,
)

TOP = 5
"""Findings of a band that are shown in full."""

_MANY = 2_000
"""Rules, tactics and techniques that alerts may name."""

_LIMITS: Mapping[Band, Query] = {
    "high": {"range": {"severity": {"gte": HIGH}}},
    "medium": {"range": {"severity": {"gte": MEDIUM, "lt": HIGH}}},
    "low": {"bool": {"must_not": {"range": {"severity": {"gte": MEDIUM}}}}},
}


@dataclass(frozen=True, slots=True)
class Counted:
    """How many alerts name what: bands, states, rules (by id), tactics, techniques."""

    total: int = 0
    closed: int = 0
    bands: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    tactics: Mapping[str, int] = field(default_factory=dict)
    techniques: Mapping[str, int] = field(default_factory=dict)
    pairs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """A tactic's techniques, as the alerts name them together."""


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
    """Every alert of the window, counted."""

    def by(name: str) -> Query:
        return {"terms": {"field": name, "size": _MANY}}

    reply = index.search(
        index.names.alerts,
        _body(clauses(index)),
        {
            "bands": {"filters": {"filters": dict(_LIMITS)}},
            "closed": {"filter": {"term": {"state": "closed"}}},
            "rules": by("rule.id"),
            "techniques": by("attack.technique"),
            "tactics": {**by("attack.tactic"), "aggs": {"techniques": by("attack.technique")}},
        },
    )
    found = reply.get("aggregations")
    if not found:
        return Counted()

    def counts(name: str) -> dict[str, int]:
        return {each["key"]: each["doc_count"] for each in found[name]["buckets"]}

    return Counted(
        total=reply["hits"]["total"]["value"],
        closed=found["closed"]["doc_count"],
        bands={name: each["doc_count"] for name, each in found["bands"]["buckets"].items()},
        rules=counts("rules"),
        tactics=counts("tactics"),
        techniques=counts("techniques"),
        pairs={
            each["key"]: frozenset(inner["key"] for inner in each["techniques"]["buckets"])
            for each in found["tactics"]["buckets"]
        },
    )


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
    """The gravest of each band, with the events that prove them."""
    known = {rule.id: rule for rule in rules}
    tops = {name: [_finding(hit, known) for hit in _top(index, name)] for name in BANDS}
    ids = {event for found in tops.values() for _, events in found for event in events}
    proof = _events(index, ids)
    bands = tuple(
        FindingBand(
            name,
            count.bands.get(name, 0),
            tuple(_proved(finding, events, proof) for finding, events in tops[name]),
        )
        for name in BANDS
    )
    return Findings(count.total, count.total - count.closed, bands, watched)


def _top(index: Index, band: Band) -> list[dict[str, Any]]:
    body = _body([*clauses(index), _LIMITS[band]]) | {
        "size": TOP,
        "sort": [
            {"severity": {"order": "desc", "missing": 0}},
            {"count": "desc"},
            {"first_seen": "asc"},
            {"rule.id": "asc"},
        ],
    }
    hits: list[dict[str, Any]] = index.search(index.names.alerts, body)["hits"]["hits"]
    return hits


def _body(asked: list[Query]) -> dict[str, Any]:
    return {"query": {"bool": {"filter": asked}}}


def _finding(hit: Mapping[str, Any], known: Mapping[str, Rule]) -> tuple[Finding, tuple[str, ...]]:
    """An alert's document as a finding, and the ids of its events."""
    source = hit["_source"]
    entity, attack = source.get("entity") or {}, source.get("attack") or {}
    about = source.get("rule") or {}
    rule = known.get(str(about.get("id")))
    events = texts((source.get("evidence") or {}).get("event_id"))
    first = instant(source["first_seen"])
    made = Finding(
        id=str(hit["_id"]),
        rule=str(about.get("id") or ""),
        title=str(about.get("name") or (rule.title if rule else "") or "an alert without a name"),
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
    body = {"query": {"ids": {"values": wanted}}, "size": len(wanted), "_source": list(FIELDS)}
    hits = index.search(index.names.alias, body)["hits"]["hits"]
    return {hit["_id"]: event_line(hit) for hit in hits}


def _proved(finding: Finding, ids: tuple[str, ...], proof: Mapping[str, Event]) -> Finding:
    events = sorted((proof[each] for each in ids if each in proof), key=lambda e: (e.time, e.id))
    return replace(finding, evidence=tuple(events), missing=finding.held - len(events))


def top_findings(found: Findings) -> list[Finding]:
    """All findings that are shown, by falling score."""
    return [finding for band in found.bands for finding in band.top]


def is_high(finding: Finding) -> bool:
    return band_of(finding.severity) == "high"
