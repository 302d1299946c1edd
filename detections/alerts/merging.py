"""Which alert a burst belongs to: the directory of one rule's alerts about one group.

The directory names every alert and the time it covers. It is one document, so two writers can't
both decide that there is no alert yet. Pure: who reads and writes it is `recorder`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from detections.alerts.burst import COUNTED, FULL, Burst, Fact, beyond, combined, holds, union
from detections.finding import Group
from trailhound.state.alert_groups import AlertGroup, GroupedAlert

ENTRIES = 500
"""A directory names so many alerts, the latest; older ones are searched for."""


def group_key(rule_id: str, group: Group) -> str:
    """What names a rule and a group together, whatever characters are in them."""
    return _hash(rule_id, *(part for pair in group for part in pair))


def alert_id(rule_id: str, group: Group, event: str, number: int = 0) -> str:
    """An alert's `_id`: of its rule, its group and its earliest event when it was raised."""
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
    """An alert and the time it covers; `into` names the alert that took it in."""

    first: datetime
    last: datetime
    into: str = ""

    def near(self, burst: Burst, gap: timedelta) -> bool:
        return burst.near(self.first, self.last, gap)


@dataclass(frozen=True, slots=True)
class Known:
    """An alert as it is stored. A frozen one (closed, or full) takes in nothing more; a merged one
    bears the mark of the alert that took it in."""

    burst: Burst
    frozen: bool = False
    merged: bool = False


@dataclass(slots=True)
class Directory:
    """`forgotten`: an alert up to here may exist without standing among the entries."""

    entries: dict[str, Entry] = field(default_factory=dict)
    forgotten: datetime | None = None

    @classmethod
    def read(cls, stored: AlertGroup) -> Directory:
        """What is stored of a group."""
        entries = {each.id: Entry(each.first, each.last, each.into) for each in stored.alerts}
        return cls(entries, stored.forgotten)

    def write(self, key: str, rule_id: str) -> AlertGroup:
        """As it is stored, the oldest entries left out where they are too many."""
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

    def near(self, first: datetime, last: datetime, gap: timedelta) -> list[str]:
        """The alerts that a burst of this time could concern, with those they took in."""
        found = {
            name
            for name, each in self.entries.items()
            if each.first - gap <= last and first <= each.last + gap
        }
        found |= {each.into for name, each in self.entries.items() if name in found and each.into}
        return sorted(found | {name for name, each in self.entries.items() if each.into in found})


@dataclass(slots=True)
class AlertMerger:
    """Bursts folded into a directory and its alerts, in memory.

    `alerts` holds what is stored of every alert near the bursts; None where the directory names
    one that was never written, since its writer died in between. `changed` becomes the alerts to
    write, `absorbed` those that another took in.
    """

    rule_id: str
    group: Group
    gap: timedelta
    plain: bool
    """Of a rule that finds single events: a full alert is followed by another. Any other rule's
    alert may outgrow what is known of it."""
    directory: Directory
    alerts: dict[str, Known | None]
    facts: Mapping[str, Fact]
    changed: set[str] = field(default_factory=set)
    absorbed: set[str] = field(default_factory=set)

    def fold(self, bursts: Iterable[Burst]) -> None:
        """Let bursts join the alerts they belong to, or raise some."""
        left = [rest for burst in bursts if (rest := self._uncounted(burst)) is not None]
        left.sort(key=lambda each: (each.first, each.last, each.evidence))
        for burst in _chains(left, self.gap) if self.plain else left:
            # Again: one that was folded before it may have become full.
            rest = self._uncounted(burst)
            if rest is not None:
                self._place(rest)

    def _uncounted(self, burst: Burst) -> Burst | None:
        """What of a burst no frozen alert has counted."""
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

    def settle(self) -> None:
        """Finish what a writer left that died, or was overtaken, half-way through a merger.

        The directory says that an alert was taken in, and it bears no mark of that yet. Where
        the other was closed before it had taken it in, the merger is called off.
        """
        for name, entry in list(self.directory.entries.items()):
            left, target = self.alerts.get(name), self.alerts.get(entry.into)
            if not entry.into or left is None or left.merged:
                continue
            if target is not None and target.frozen and not holds(target.burst, left.burst):
                self.directory.entries[name] = Entry(entry.first, entry.last)
                continue
            if target is None or not target.frozen:
                self._grow(entry.into, left.burst)
            self.absorbed.add(name)

    def _near(self, burst: Burst, *, frozen: bool) -> list[str]:
        """Alerts near a burst, the earliest first."""
        found = []
        for name, entry in self.directory.entries.items():
            known = self.alerts.get(name)
            if entry.into or (known is not None and known.frozen) != frozen:
                continue
            # A frozen one covers what it has counted; what it was meant to grow to, it doesn't.
            near = (
                burst.near(known.burst.first, known.burst.last, self.gap)
                if frozen and known is not None
                else entry.near(burst, self.gap)
            )
            if near:
                found.append((entry.first, name))
        return [name for _, name in sorted(found)]

    def _raise(self, burst: Burst) -> None:
        event = burst.evidence[0][1] if burst.evidence else burst.last.isoformat()
        number = 0
        while (name := alert_id(self.rule_id, self.group, event, number)) in self.directory.entries:
            number += 1
        self.directory.entries[name] = Entry(burst.first, burst.last)
        self._hold(name, burst)

    def _grow(self, name: str, burst: Burst) -> None:
        entry = self.directory.entries[name]
        first, last = min(entry.first, burst.first), max(entry.last, burst.last)
        self.directory.entries[name] = Entry(first, last, entry.into)
        known = self.alerts.get(name)
        if known is None:
            self._hold(name, burst)
        elif not _told_before(known.burst, burst):
            self._hold(name, union(known.burst, burst))

    def _absorb(self, target: str, other: str) -> None:
        entry = self.directory.entries[other]
        self.directory.entries[other] = Entry(entry.first, entry.last, target)
        known = self.alerts.get(other)
        if known is not None:
            self._grow(target, known.burst)
            self.absorbed.add(other)
            self.changed.discard(other)
        else:
            first = self.directory.entries[target].first
            self.directory.entries[target] = Entry(
                min(first, entry.first), max(self.directory.entries[target].last, entry.last)
            )

    def _hold(self, name: str, burst: Burst) -> None:
        known = self.alerts.get(name)
        if known is not None and known.burst == burst:
            return
        self.alerts[name] = Known(burst, frozen=self.plain and burst.count >= FULL)
        self.changed.add(name)


def _told_before(known: Burst, burst: Burst) -> bool:
    """Whether a burst says nothing that is not known, whatever was read of its events."""
    if known.complete and burst.complete:
        return burst.known <= known.known
    same = (known.first, known.last, known.count) == (burst.first, burst.last, burst.count)
    return same and burst.known <= known.known


def stretches(bursts: Iterable[Burst], gap: timedelta) -> list[tuple[datetime, datetime]]:
    """The time that bursts cover, as few stretches as they make."""
    made: list[tuple[datetime, datetime]] = []
    for burst in sorted(bursts, key=lambda each: each.first):
        if made and burst.first <= made[-1][1] + gap:
            made[-1] = made[-1][0], max(made[-1][1], burst.last)
        else:
            made.append((burst.first, burst.last))
    return made


def _chains(bursts: Sequence[Burst], gap: timedelta) -> Iterator[Burst]:
    """Single events, sorted by time, as chains in which none is further than `gap` from the next.

    A chain is cut so short that no alert outgrows what can be known of it.
    """
    chain: list[Burst] = []
    for burst in bursts:
        if chain and (burst.first > chain[-1].last + gap or len(chain) == COUNTED - FULL):
            yield combined(chain)
            chain = []
        chain.append(burst)
    if chain:
        yield combined(chain)
