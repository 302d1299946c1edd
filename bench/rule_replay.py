"""Rules over events in memory: what would be alerts, without a cluster.

For the benchmark of a pack, where many packs meet many events. It is written to be plainly right,
not fast at scale: every window of every group is looked at. Sigma rules, and the correlations
`event_count`, `value_count`, `temporal` and `temporal_ordered`; kinds of rule that look back for
days (`trailhound:` with `new_terms`, `anomaly`, `impossible_travel`) are left out and named.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.policy.profiles import TrustedPolicy
from sigma.rule import SigmaRule

from detections.event_values import Record, RecordTest, text, values_at
from detections.matcher import SigmaMatcher

Group = tuple[str, ...]
KNOWN = ("eventSource", "eventName")
LOOKING_BACK = ("new_terms", "anomaly", "impossible_travel")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Event:
    """An enriched record, and the moment it tells."""

    time: datetime
    record: Record

    @classmethod
    def of(cls, record: Record) -> Event:
        """From a record that has its `@timestamp`."""
        moment = datetime.fromisoformat(str(record["@timestamp"]))
        return cls(moment.replace(tzinfo=moment.tzinfo or UTC), record)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: the group that shares it, and the indices of its events."""

    group: Group
    events: tuple[int, ...]


@dataclass(slots=True)
class ReplayedRule:
    """A rule as the replay runs it. `matchers` are one for a plain rule, one a part otherwise."""

    id: str
    title: str
    level: str
    folder: str
    matchers: tuple[SigmaMatcher, ...]
    group_by: tuple[str, ...] = ()
    suppress: timedelta = timedelta(0)
    type: str = "sigma"
    timespan: timedelta = timedelta(0)
    least: int = 1
    counted: str = ""


@dataclass(slots=True)
class ReplayedPack:
    """The rules of a folder; `left_out` are titles of those the replay cannot run."""

    rules: list[ReplayedRule] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def seconds(written: object) -> int:
    """A duration as rules write it.

    >>> seconds("15m"), seconds(60)
    (900, 60)
    """
    found = re.fullmatch(r"(\d+)\s*([smhdw]?)", str(written).strip())
    if found is None:
        raise ValueError(f"{written!r} is no duration")
    return int(found[1]) * _UNITS[found[2] or "s"]


def load_pack(folder: Path) -> ReplayedPack:
    """Every rule below a folder, samples left out."""
    pack = ReplayedPack()
    for path in sorted(folder.rglob("*.yml")):
        if not path.name.endswith(".samples.yml"):
            _load(path, folder, pack)
    return pack


def _load(path: Path, folder: Path, pack: ReplayedPack) -> None:
    documents = [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]
    collection = SigmaCollection.from_dicts(documents, collect_errors=False, policy=TrustedPolicy)
    collection.resolve_rule_references()
    place = path.relative_to(folder).parts[0] if path.parent != folder else ""
    parts = {
        id(reference.rule)
        for rule in collection.rules
        if isinstance(rule, SigmaCorrelationRule) and not rule.generate
        for reference in rule.referenced_rules
    }
    for rule in collection.rules:
        if id(rule) in parts:
            continue
        ours: Mapping[str, Any] = rule.custom_attributes.get("trailhound") or {}
        if any(kind in ours for kind in LOOKING_BACK):
            pack.left_out.append(rule.title)
            continue
        made = ReplayedRule(
            id=str(rule.id),
            title=rule.title,
            level=str(rule.level or "medium").lower(),
            folder=place,
            matchers=(),
            suppress=timedelta(seconds=seconds(ours.get("suppress", 0))),
        )
        if isinstance(rule, SigmaCorrelationRule):
            _correlation(made, rule)
        elif isinstance(rule, SigmaRule):
            made.matchers = (SigmaMatcher.from_rule(rule),)
            made.group_by = tuple(ours.get("group_by", ()))
        pack.rules.append(made)


def _correlation(made: ReplayedRule, rule: SigmaCorrelationRule) -> None:
    made.type = rule.type.name.lower()
    made.matchers = tuple(
        SigmaMatcher.from_rule(reference.rule)
        for reference in rule.referenced_rules
        if isinstance(reference.rule, SigmaRule)
    )
    if len(made.matchers) < len(rule.referenced_rules):
        raise ValueError(f"{rule.title}: correlations of correlations are not replayed")
    made.group_by = tuple(rule.group_by or ())
    made.timespan = timedelta(seconds=rule.timespan.seconds)
    condition = rule.condition
    if isinstance(condition, SigmaCorrelationCondition) and made.type.endswith("_count"):
        made.least = int(condition.count) + (condition.op.name == "GT")
        named = condition.fieldref
        made.counted = (named[0] if isinstance(named, list) else named) or ""


def replay(rules: Sequence[ReplayedRule], events: Sequence[Event]) -> dict[str, list[Alert]]:
    """Alerts by rule id, for events in any order; indices are those of `events`."""
    order = sorted(range(len(events)), key=lambda index: events[index].time)
    hits = _hits(rules, events, order)
    return {rule.id: _alerts(rule, events, hits[rule.id]) for rule in rules}


def _hits(
    rules: Sequence[ReplayedRule], events: Sequence[Event], order: Sequence[int]
) -> dict[str, list[tuple[int, int]]]:
    """(event, part) of every match, by rule id, in time's order.

    Most rules name the calls they look at, so which ones to ask is worked out once a call.
    """
    tests: list[tuple[str, int, RecordTest, RecordTest | None]] = [
        (rule.id, part, matcher.matches, matcher.precheck(KNOWN))
        for rule in rules
        for part, matcher in enumerate(rule.matchers)
    ]
    by_call: dict[tuple[Any, ...], list[tuple[str, int, RecordTest]]] = {}
    found: dict[str, list[tuple[int, int]]] = {rule.id: [] for rule in rules}
    for index in order:
        record = events[index].record
        call = tuple(text(record.get(name) or "") for name in KNOWN)
        if call not in by_call:
            by_call[call] = [
                (rule, part, matches)
                for rule, part, matches, possible in tests
                if possible is None or possible(record)
            ]
        for rule, part, matches in by_call[call]:
            if matches(record):
                found[rule].append((index, part))
    return found


def groups(record: Record, fields: Iterable[str]) -> Iterator[Group]:
    """The groups an event falls into: one for each combination of its values; none if one lacks."""
    values = [list(dict.fromkeys(map(text, values_at(name)(record)))) for name in fields]
    return product(*values)


def _alerts(
    rule: ReplayedRule, events: Sequence[Event], hits: Sequence[tuple[int, int]]
) -> list[Alert]:
    grouped: dict[Group, list[tuple[int, int]]] = defaultdict(list)
    for index, part in hits:
        found = list(groups(events[index].record, rule.group_by))
        if not found and rule.type == "sigma":
            found = [()]  # an event of a plain rule is never lost for want of a field to group by
        for group in found:
            grouped[group].append((index, part))
    alerts = []
    for group, held in grouped.items():
        bursts = (
            [[each] for each, _ in held] if rule.type == "sigma" else _bursts(rule, events, held)
        )
        alerts += [Alert(group, tuple(burst)) for burst in _joined(rule, events, bursts)]
    return alerts


def _joined(
    rule: ReplayedRule, events: Sequence[Event], bursts: Iterable[list[int]]
) -> list[list[int]]:
    """Bursts that follow within `suppress` join the alert before."""
    joined: list[list[int]] = []
    for burst in bursts:
        if (
            joined
            and rule.suppress
            and events[burst[0]].time - events[joined[-1][-1]].time <= rule.suppress
        ):
            joined[-1] += burst
        else:
            joined.append(list(burst))
    return joined


def _bursts(
    rule: ReplayedRule, events: Sequence[Event], held: Sequence[tuple[int, int]]
) -> list[list[int]]:
    """Windows that meet the condition, merged where they share an event.

    A window ends at an event and reaches one timespan back, both ends included.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for end, (index, _) in enumerate(held):
        now = events[index].time
        if end + 1 < len(held) and events[held[end + 1][0]].time == now:
            continue  # all events of an instant enter together
        while events[held[start][0]].time < now - rule.timespan:
            start += 1
        if _holds(rule, events, held[start : end + 1]):
            if found and found[-1][1] >= start:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
    return [list(dict.fromkeys(each for each, _ in held[a : b + 1])) for a, b in found]


def _holds(rule: ReplayedRule, events: Sequence[Event], window: Sequence[tuple[int, int]]) -> bool:
    match rule.type:
        case "event_count":
            return len({index for index, _ in window}) >= rule.least
        case "value_count":
            values = values_at(rule.counted)
            return (
                len({text(v) for index, _ in window for v in values(events[index].record)})
                >= rule.least
            )
        case "temporal":
            return len({part for _, part in window}) == len(rule.matchers)
        case "temporal_ordered":
            wanted = 0
            for _, part in sorted(window, key=lambda hit: (events[hit[0]].time, hit[1])):
                wanted += part == wanted
            return wanted == len(rule.matchers)
        case _:
            raise ValueError(f"{rule.title}: correlations of type {rule.type} are not replayed")
