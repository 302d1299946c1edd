"""Rules over events in memory: what would be alerts, without a cluster.

For the benchmark of a pack, where many packs meet many events. It is written to be plainly right,
not fast at scale: every window of every group is looked at. Sigma rules, and the correlations
`event_count`, `value_count`, `temporal` and `temporal_ordered`, of each other too; kinds of rule
that look back for days (`trailhound:` with `new_terms`, `anomaly`, `impossible_travel`) are left
out and named.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.policy.profiles import TrustedPolicy
from sigma.rule import SigmaRule

from detections.events.doc_values import DocValues, holds
from detections.events.identity import ARN
from detections.events.principal import OF_ROLE_SESSIONS, by_role
from detections.matcher import SigmaMatcher
from detections.matcher.event_values import Record, text, values_at
from detections.matcher.precheck import precheck

Group = tuple[str, ...]
KNOWN = ("eventSource", "eventName")
LOOKING_BACK = ("new_terms", "anomaly", "impossible_travel")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Event:
    """An enriched record, and the moment it gives."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Correlated:
    """A correlation. `least` and `counted` are of `event_count` and `value_count`; `by_role`: it
    also counts the sessions of a role from one address together."""

    type: str
    parts: tuple[SigmaMatcher | Correlated, ...]
    group_by: tuple[str, ...]
    timespan: timedelta
    least: int = 1
    counted: str = ""
    by_role: bool = False


@dataclass(frozen=True, slots=True)
class ReplayedRule:
    """A rule as the replay runs it."""

    id: str
    title: str
    level: str
    folder: str
    finds: SigmaMatcher | Correlated
    group_by: tuple[str, ...]
    suppress: timedelta


@dataclass(slots=True)
class ReplayedPack:
    """The rules of a folder; `left_out` are titles of those the replay cannot run."""

    rules: list[ReplayedRule] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Occurrence:
    """What a correlation counts: an event, or a window in which another correlation fired.

    `record` is the event's, or the fields and values of the group that fired.
    """

    time: datetime
    events: tuple[int, ...]
    record: Record
    part: int = 0


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
        finds = _node(rule)
        pack.rules.append(
            ReplayedRule(
                id=str(rule.id),
                title=rule.title,
                level=str(rule.level or "medium").lower(),
                folder=path.relative_to(folder).parts[0] if path.parent != folder else "",
                finds=finds,
                group_by=finds.group_by
                if isinstance(finds, Correlated)
                else tuple(ours.get("group_by", ())),
                suppress=timedelta(seconds=seconds(ours.get("suppress", 0))),
            )
        )


def _node(rule: SigmaRule | SigmaCorrelationRule) -> SigmaMatcher | Correlated:
    if isinstance(rule, SigmaRule):
        return SigmaMatcher.from_rule(rule)
    type_ = rule.type.name.lower()
    least, counted = 1, ""
    condition = rule.condition
    if isinstance(condition, SigmaCorrelationCondition) and type_.endswith("_count"):
        if condition.op.name not in ("GTE", "GT"):
            raise ValueError(f"{rule.title}: only counts that are reached are replayed")
        least = int(condition.count) + (condition.op.name == "GT")
        named = condition.fieldref
        if isinstance(named, list) and len(named) > 1:
            raise ValueError(f"{rule.title}: only counts of one field are replayed")
        counted = (named[0] if isinstance(named, list) else named) or ""
    return Correlated(
        type=type_,
        parts=tuple(_node(reference.rule) for reference in rule.referenced_rules),
        group_by=tuple(rule.group_by or ()),
        timespan=timedelta(seconds=rule.timespan.seconds),
        least=least,
        counted=counted,
        by_role=bool((rule.custom_attributes.get("trailhound") or {}).get("by_role")),
    )


def replay(rules: Sequence[ReplayedRule], events: Sequence[Event]) -> dict[str, list[Alert]]:
    """Alerts by rule id, for events in any order; indices are those of `events`."""
    hits = _hits([leaf for rule in rules for leaf in _leaves(rule.finds)], events)
    found = {}
    for rule in rules:
        if isinstance(rule.finds, Correlated):
            bursts = _correlated(rule.finds, hits, events).bursts
            if rule.finds.by_role:
                bursts |= _of_roles(rule.finds, hits, events)
        else:
            bursts = defaultdict(list)
            for index in hits[rule.finds]:
                # An event is never lost for want of a field to group by.
                for group in list(groups(events[index].record, rule.group_by)) or [()]:
                    bursts[group].append((index,))
        found[rule.id] = [
            Alert(group, burst)
            for group, held in bursts.items()
            for burst in _joined(held, rule.suppress, events)
        ]
    return found


def _leaves(node: SigmaMatcher | Correlated) -> Iterator[SigmaMatcher]:
    if isinstance(node, SigmaMatcher):
        yield node
        return
    for part in node.parts:
        yield from _leaves(part)


def _hits(
    matchers: Sequence[SigmaMatcher], events: Sequence[Event]
) -> dict[SigmaMatcher, list[int]]:
    """Indices of the events that each matches, in time's order.

    Most rules name the calls they look at, so which ones to ask is worked out once a call.
    """
    tests = [(matcher, precheck(matcher, KNOWN)) for matcher in matchers]
    by_call: dict[tuple[str, ...], list[SigmaMatcher]] = {}
    found: dict[SigmaMatcher, list[int]] = {matcher: [] for matcher in matchers}
    for index in sorted(range(len(events)), key=lambda index: events[index].time):
        record = events[index].record
        call = tuple(text(record.get(name) or "") for name in KNOWN)
        if call not in by_call:
            by_call[call] = [
                matcher for matcher, possible in tests if possible is None or possible(record)
            ]
        for matcher in by_call[call]:
            if matcher.matches(record):
                found[matcher].append(index)
    return found


def groups(record: Record, fields: Iterable[str]) -> Iterator[Group]:
    """The groups an event falls into: one for each combination of its values; none if one lacks."""
    values = [list(dict.fromkeys(map(text, values_at(name)(record)))) for name in fields]
    return product(*values)


@dataclass(slots=True)
class _Fired:
    """What a correlation found: its bursts by group, and every window that met its condition."""

    bursts: dict[Group, list[tuple[int, ...]]] = field(default_factory=dict)
    windows: list[_Occurrence] = field(default_factory=list)


def _correlated(
    node: Correlated, hits: Mapping[SigmaMatcher, Sequence[int]], events: Sequence[Event]
) -> _Fired:
    fired = _Fired()
    grouped: dict[Group, list[_Occurrence]] = defaultdict(list)
    for number, part in enumerate(node.parts):
        if isinstance(part, Correlated):
            found = _correlated(part, hits, events).windows
        else:
            found = [_Occurrence(events[i].time, (i,), events[i].record) for i in hits[part]]
        for each in found:
            for group in groups(each.record, node.group_by):
                grouped[group].append(replace(each, part=number))
    for group, held in grouped.items():
        held.sort(key=lambda each: (each.time, each.part))
        named = dict(zip(node.group_by, group, strict=True))
        spans = list(_windows(node, held))
        for start, end in spans:
            fired.windows.append(_Occurrence(held[end].time, _events(held[start : end + 1]), named))
        bursts = [_events(held[start : end + 1]) for start, end in _merged(spans)]
        if bursts:
            fired.bursts[group] = bursts
    return fired


def _of_roles(
    node: Correlated, hits: Mapping[SigmaMatcher, Sequence[int]], events: Sequence[Event]
) -> dict[Group, list[tuple[int, ...]]]:
    """The bursts of roles and addresses, of the events that are in no burst of a session there."""
    leaves = list(_leaves(node))
    chosen = {
        leaf: [i for i in hits[leaf] if holds(OF_ROLE_SESSIONS, DocValues(events[i].record))]
        for leaf in leaves
    }
    names = by_role(node.group_by)
    of_sessions = replace(node, group_by=(*names, ARN))
    found = _correlated(of_sessions, chosen, events).bursts
    taken = {index for bursts in found.values() for burst in bursts for index in burst}
    left = {leaf: [i for i in chosen[leaf] if i not in taken] for leaf in leaves}
    return _correlated(replace(node, group_by=names), left, events).bursts


def _events(held: Iterable[_Occurrence]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(index for each in held for index in each.events))


def _windows(node: Correlated, held: Sequence[_Occurrence]) -> Iterator[tuple[int, int]]:
    """First and last place of every window that meets the condition.

    A window ends at an event and reaches one timespan back, both ends included.
    """
    start = 0
    for end, each in enumerate(held):
        if end + 1 < len(held) and held[end + 1].time == each.time:
            continue  # all events of an instant enter together
        while held[start].time < each.time - node.timespan:
            start += 1
        if _holds(node, held[start : end + 1]):
            yield start, end


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Windows that share an event are one burst."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        if found and found[-1][1] >= start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _holds(node: Correlated, window: Sequence[_Occurrence]) -> bool:
    match node.type:
        case "event_count":
            return len({each.events for each in window}) >= node.least
        case "value_count":
            values = values_at(node.counted)
            return len({text(v) for each in window for v in values(each.record)}) >= node.least
        case "temporal":
            return len({each.part for each in window}) == len(node.parts)
        case "temporal_ordered":
            wanted = 0
            for each in window:  # by time, and those of an instant by part
                wanted += each.part == wanted
            return wanted == len(node.parts)
        case _:
            raise ValueError(f"correlations of type {node.type} are not replayed")


def _joined(
    bursts: Iterable[tuple[int, ...]], suppress: timedelta, events: Sequence[Event]
) -> list[tuple[int, ...]]:
    """Bursts that follow within `suppress` join the alert before."""
    joined: list[tuple[int, ...]] = []
    for burst in bursts:
        near = joined and events[burst[0]].time - events[joined[-1][-1]].time <= suppress
        if near and suppress:
            joined[-1] += burst
        else:
            joined.append(burst)
    return joined
