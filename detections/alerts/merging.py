"""Decides which alert a burst belongs to, by the directory of one rule's alerts about one group.

The directory lists every alert and the time that it covers. It is one document, so two writers
can't both decide that there is no alert yet. Pure: `recorder` reads and writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from detections.alerts.burst import COUNTED, FULL, Burst, Fact, beyond, combined, holds, union
from detections.alerts.nearness import Nearness
from detections.finding import Group
from trailhound.state.alert_groups import AlertGroup, GroupedAlert

ENTRIES = 500
"""The number of latest alerts listed in a directory; older ones are found by a search."""


def group_key(rule_id: str, group: Group) -> str:
    """A hash of a rule and a group, unambiguous for any characters in them."""
    return _hash(rule_id, *(part for pair in group for part in pair))


def alert_id(rule_id: str, group: Group, event: str, number: int = 0) -> str:
    """An alert's `_id`: a hash of rule, group and the earliest event when it was raised."""
    more = [str(number)] if number else []
    return _hash(rule_id, *(part for pair in group for part in pair), event, *more)


def _hash(*parts: str) -> str:
    whole = hashlib.blake2b(digest_size=12)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        whole.update(f"{len(raw)}:".encode() + raw)
    return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """An alert and the time that it covers; `into` is the alert that it was merged into."""

    first: datetime
    last: datetime
    into: str = ""


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A stored alert. A frozen alert (closed or full) is not updated any more. `merged`: its
    document names the alert that it was merged into."""

    burst: Burst
    frozen: bool = False
    merged: bool = False


@dataclass(slots=True)
class Directory:
    """The directory of a group. `forgotten`: alerts up to this time may exist without an entry."""

    entries: dict[str, Entry] = field(default_factory=dict)
    forgotten: datetime | None = None

    @classmethod
    def read(cls, stored: AlertGroup) -> Directory:
        """From the stored document of a group."""
        entries = {each.id: Entry(each.first, each.last, each.into) for each in stored.alerts}
        return cls(entries, stored.forgotten)

    def write(self, key: str, rule_id: str) -> AlertGroup:
        """The document to store, without the oldest entries if there are more than `ENTRIES`."""
        kept = sorted(self.entries.items(), key=lambda each: (each[1].last, each[0]))
        gone, kept = kept[:-ENTRIES], kept[-ENTRIES:]
        forgotten = max([each.last for _, each in gone], default=self.forgotten)
        if forgotten is not None and self.forgotten is not None:
            forgotten = max(forgotten, self.forgotten)
        return AlertGroup(
            group=key,
            rule=rule_id,
            alerts=tuple(
                GroupedAlert(id=name, first=each.first, last=each.last, into=each.into)
                for name, each in sorted(kept)
            ),
            last=max((each.last for _, each in kept), default=None),
            forgotten=forgotten,
        )

    def before(self, name: str) -> dict[str, Any]:
        """About the alerts of the group that ended before this one began: their `count`, its
        `relation` (`gte` if older ones may not be listed), and the end of the `last`."""
        first = self.entries[name].first
        ends = [each.last for each in self.entries.values() if not each.into and each.last < first]
        return {
            "count": len(ends),
            "relation": "eq" if self.forgotten is None else "gte",
            **({"last": max(ends).isoformat(timespec="milliseconds")} if ends else {}),
        }

    def is_followed(self, name: str, written: Collection[str]) -> bool:
        """Whether an alert of the group that is not `written` now began after this one."""
        first = self.entries[name].first
        return any(
            each.first > first
            for other, each in self.entries.items()
            if not each.into and other not in written
        )

    def near(self, first: datetime, last: datetime, nearness: Nearness) -> list[str]:
        """The alerts that a burst of this time may belong to, with all that were merged into them,
        directly or through others."""
        found = {
            name
            for name, each in self.entries.items()
            if nearness.near(each.first, each.last, first, last)
        }
        merged = {name: each.into for name, each in self.entries.items() if each.into}
        more = found
        while more:
            more = {into for name, into in merged.items() if name in found}
            more |= {name for name, into in merged.items() if into in found}
            more -= found
            found |= more
        return sorted(found)

    def mergers(self) -> list[str]:
        """The alerts that were merged into others, each after the one that it was merged into."""
        merged = [name for name, each in self.entries.items() if each.into]
        return sorted(merged, key=lambda name: len(self.targets(name)))

    def targets(self, name: str) -> list[str]:
        """The alert that another one was merged into, the one that this was merged into, …"""
        made: list[str] = []
        while (each := self.entries.get(name)) is not None and each.into:
            name = each.into
            made.append(name)
        return made


@dataclass(slots=True)
class AlertMerger:
    """Merges bursts into a directory and its alerts, in memory.

    `alerts` are the stored alerts near the bursts; None for one that the directory lists and that
    was never written, since its writer stopped in between. `changed` are the alerts to write,
    `absorbed` those that were merged into another.
    """

    rule_id: str
    group: Group
    nearness: Nearness
    plain: bool
    """The rule finds single events: a full alert is followed by another one. An alert of any other
    rule may count more events than it keeps hashes of."""
    directory: Directory
    alerts: dict[str, StoredAlert | None]
    facts: Mapping[str, Fact]
    changed: set[str] = field(default_factory=set)
    absorbed: set[str] = field(default_factory=set)

    def merge(self, bursts: Iterable[Burst]) -> None:
        """Adds bursts to the alerts that they belong to, or raises new ones."""
        left = [rest for burst in bursts if (rest := self._uncounted(burst)) is not None]
        left.sort(key=lambda each: (each.first, each.last, each.evidence))
        for burst in _chains(left, self.nearness.gap) if self.plain else left:
            # Checked again, since an alert may have become full meanwhile.
            rest = self._uncounted(burst)
            if rest is not None:
                self._place(rest)

    def _uncounted(self, burst: Burst) -> Burst | None:
        """The part of a burst that no frozen alert has counted."""
        rest: Burst | None = burst
        for name in self._near(burst, frozen=True):
            known = self.alerts[name]
            if rest is not None and known is not None:
                rest = beyond(rest, known.burst, self.facts)
        return rest

    def _place(self, burst: Burst) -> None:
        targets = self._near(burst, frozen=False)
        if not targets:
            self._raise(burst)
            return
        target = targets[0]
        for other in targets[1:]:
            self._absorb(target, other)
        self._grow(target, burst)

    def complete_mergers(self) -> bool:
        """Completes mergers that another writer began and did not finish.

        The directory says that an alert was merged, and the alert's document doesn't yet. If the
        target was closed before it counted the events, the merger is cancelled. If it had counted
        some of them, because a slow writer added others to the alert since, the alert is first
        reduced to the others. An alert that was never written is closed by creating it, so that a
        slow writer can't any more.

        Returns whether bursts may be merged now. If not, the changes have to be written first,
        and the group has to be read again: until then another alert may count the same events.
        """
        ready = True
        for name in self.directory.mergers():
            into = self.directory.targets(name)[-1]
            left, target = self.alerts.get(name), self.alerts.get(into)
            if left is None:
                if target is not None:
                    self.absorbed.add(name)
                    ready = ready and not target.frozen
            elif left.merged:
                continue
            elif target is None or not target.frozen:
                self._grow(into, left.burst)
                self.absorbed.add(name)
            elif holds(target.burst, left.burst):
                self.absorbed.add(name)
            elif (rest := _others(left.burst, target.burst)) is not None:
                self._store(name, rest)
                ready = False
            elif self._depends(name, target.burst):
                ready = False
            else:
                entry = self.directory.entries[name]
                self.directory.entries[name] = Entry(entry.first, entry.last)
        return ready

    def _depends(self, name: str, counted: Burst) -> bool:
        """Whether a merger can't be cancelled yet: mergers through the same alerts, into one that
        has `counted` these events, are to be completed first."""
        if not all(self._is_merged(each) for each in self.directory.targets(name)[:-1]):
            return True
        return any(
            known is not None
            and not known.merged
            and (holds(counted, known.burst) or _others(known.burst, counted) is not None)
            for other, known in self.alerts.items()
            if name in self.directory.targets(other)
        )

    def _is_merged(self, name: str) -> bool:
        known = self.alerts.get(name)
        return known is not None and known.merged

    def _near(self, burst: Burst, *, frozen: bool) -> list[str]:
        """Alerts near a burst, the earliest first."""
        found = []
        for name, entry in self.directory.entries.items():
            known = self.alerts.get(name)
            if entry.into or (known is not None and known.frozen) != frozen:
                continue
            # A frozen one covers only what it has counted, not what its entry says.
            covers = known.burst if frozen and known is not None else entry
            if self.nearness.near(covers.first, covers.last, burst.first, burst.last):
                found.append((entry.first, name))
        return [name for _, name in sorted(found)]

    def _raise(self, burst: Burst) -> None:
        event = burst.evidence[0].id if burst.evidence else burst.last.isoformat()
        number = 0
        while (name := alert_id(self.rule_id, self.group, event, number)) in self.directory.entries:
            number += 1
        self.directory.entries[name] = Entry(burst.first, burst.last)
        self._store(name, burst)

    def _grow(self, name: str, burst: Burst) -> None:
        entry = self.directory.entries[name]
        first, last = min(entry.first, burst.first), max(entry.last, burst.last)
        self.directory.entries[name] = Entry(first, last, entry.into)
        known = self.alerts.get(name)
        if known is None:
            self._store(name, burst)
        elif not _already_counted(known.burst, burst) or _learned(known.burst, burst):
            self._store(name, union(known.burst, burst))

    def _absorb(self, target: str, other: str) -> None:
        known, entries = self.alerts.get(other), self.directory.entries
        if known is not None:
            self._grow(target, known.burst)
        self.changed.discard(other)
        self.absorbed.add(other)  # one that was never written, too: see `complete_mergers`
        entry, whole = entries[other], entries[target]
        entries[other] = Entry(entry.first, entry.last, target)
        entries[target] = Entry(min(whole.first, entry.first), max(whole.last, entry.last))

    def _store(self, name: str, burst: Burst) -> None:
        known = self.alerts.get(name)
        if known is not None and known.burst == burst:
            return
        self.alerts[name] = StoredAlert(burst, frozen=self.plain and burst.count >= FULL)
        self.changed.add(name)


def _others(burst: Burst, counted: Burst) -> Burst | None:
    """The burst without the events that are known to be counted; None if that changes nothing.

    Its entities stay those of all its events, and so does a success that no named event shows.
    """
    if not burst.known & counted.known:
        return None
    rest = beyond(burst, counted, {})
    if rest is None:
        return None
    succeeded = rest.succeeded or (burst.succeeded and not burst.named)
    return replace(rest, entities=burst.entities, succeeded=succeeded)


def _already_counted(known: Burst, burst: Burst) -> bool:
    """Whether a burst adds nothing to an alert."""
    if known.complete and burst.complete:
        return burst.known <= known.known
    same = (known.first, known.last, known.count) == (burst.first, burst.last, burst.count)
    return same and burst.known <= known.known


def _learned(known: Burst, burst: Burst) -> bool:
    """Whether an alert of a learning period was found again with enough history."""
    return known.learning and not burst.learning


def intervals(covered: Iterable[Burst | Entry], gap: timedelta) -> list[tuple[datetime, datetime]]:
    """The time that bursts or entries cover, as disjoint intervals."""
    made: list[tuple[datetime, datetime]] = []
    for each in sorted(covered, key=lambda each: each.first):
        if made and each.first <= made[-1][1] + gap:
            made[-1] = made[-1][0], max(made[-1][1], each.last)
        else:
            made.append((each.first, each.last))
    return made


def _chains(bursts: Sequence[Burst], gap: timedelta) -> Iterator[Burst]:
    """Single events, sorted by time, combined where none is further than `gap` from the next.

    The length of a chain is limited so that an alert keeps the hashes of all its events.
    """
    chain: list[Burst] = []
    for burst in bursts:
        if chain and (burst.first > chain[-1].last + gap or len(chain) == COUNTED - FULL):
            yield combined(chain)
            chain = []
        chain.append(burst)
    if chain:
        yield combined(chain)
