"""Alerts in memory, for rules over files: the same ones that `recorder` would write to a cluster.

The same functions as in `recorder` decide which events belong to one alert, its id and its level;
only the storage differs. Rules are processed one at a time. Of a group, at most `ENTRIES` alerts
wait for further events; earlier ones are returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from detections.alerts.burst import Burst, Fact, burst_of
from detections.alerts.document import Document, counting, levelled, raised, shown
from detections.alerts.earlier import EarlierAlerts
from detections.alerts.event_query import Totals
from detections.alerts.facts import day_of, of_one_day_each
from detections.alerts.merging import (
    ENTRIES,
    AlertMerger,
    Directory,
    alert_id,
    group_key,
)
from detections.alerts.nearness import Nearness
from detections.alerts.summary import summary
from detections.alerts.twins import TWIN_KEY, twin_key
from detections.finding import Finding, Group
from detections.packs.kinds import SINGLES, window_of
from detections.rule import Rule

Facts = Callable[[Sequence[Finding]], Mapping[str, Fact]]
"""The facts of every event that findings name, by id."""


class Collected(NamedTuple):
    """An alert as `detections.alerts.document.shown` returns it, and the key that its twins share;
    empty if it can't have any."""

    alert: Document
    twin_key: str


@dataclass(slots=True)
class _OfGroup:
    """The alerts of a group. `ended` is the number of those returned, the last of which ended at
    `last`."""

    merger: AlertMerger
    ended: int = 0
    last: datetime | None = None


Counts = Callable[[Group, datetime, datetime], Totals]
"""Counts all events between two times that an alert about a group may count."""


@dataclass(slots=True)
class CollectedAlerts:
    """The alerts of one rule: `add` its findings (those of a plain rule in order of time), then get
    the remaining alerts from `finish`."""

    rule: Rule
    facts: Facts
    counts: Counts
    _groups: dict[Group, _OfGroup] = field(default_factory=dict)
    _earlier: EarlierAlerts = field(default_factory=EarlierAlerts)
    """Those without a group."""
    _named: dict[str, date] = field(default_factory=dict)
    """The days of alerts of one event, by id."""

    def add(self, findings: Sequence[Finding]) -> Iterator[Collected]:
        """Add findings. Returns the alerts that are complete by now, the earliest first."""
        grouped: dict[Group, list[Finding]] = {}
        alone: list[Finding] = []
        for each in findings:
            if each.group or self.rule.suppress or self.rule.kind not in SINGLES:
                grouped.setdefault(each.group, []).append(each)
            else:
                alone.append(each)
        for part in of_one_day_each(alone):
            facts = self.facts(part)
            for each in part:
                yield from self._alone(each, facts)
        facts = self.facts(findings) if grouped else {}
        for group, several in grouped.items():
            of_group = self._groups.get(group) or self._begun(group)
            merger = of_group.merger
            merger.facts = {**_known(merger), **facts}
            merger.merge([burst_of(each, facts) for each in several])
            yield from self._ended(group, of_group, len(merger.directory.entries) - ENTRIES)

    def finish(self) -> Iterator[Collected]:
        """The remaining alerts."""
        for group, of_group in self._groups.items():
            yield from self._ended(group, of_group, len(of_group.merger.directory.entries))
        self._groups.clear()

    def _alone(self, finding: Finding, facts: Mapping[str, Fact]) -> Iterator[Collected]:
        """An alert of one event, with the number of earlier ones about the same principal."""
        day, number = day_of(finding), 0
        while (name := alert_id(finding.rule_id, (), finding.events[0], number)) in self._named:
            if self._named[name] == day:
                return
            number += 1  # the same id on another day is another event's
        self._named[name] = day
        document = self._document((), burst_of(finding, facts))
        before = self._earlier.before(document)
        self._earlier.add(name, document)
        yield self._finished(name, document, before)

    def _begun(self, group: Group) -> _OfGroup:
        rule = self.rule
        nearness = Nearness(rule.suppress, window_of(rule))
        plain = rule.kind in SINGLES
        merger = AlertMerger(rule.id, group, nearness, plain, Directory(), {}, {})
        made = self._groups[group] = _OfGroup(merger)
        return made

    def _ended(self, group: Group, of_group: _OfGroup, number: int) -> Iterator[Collected]:
        """Return a group's earliest alerts, and forget them."""
        if number <= 0:
            return
        merger = of_group.merger
        entries = merger.directory.entries
        ordered = sorted(entries, key=lambda name: (entries[name].last, name))[:number]
        made = []
        for name in ordered:
            held = merger.alerts.get(name)
            if entries[name].into or held is None:
                continue
            document = self._document(group, held.burst)
            if group:
                before = merger.directory.before(name)
                before["count"] += of_group.ended
                if of_group.last is not None and "last" not in before:
                    before["last"] = of_group.last.isoformat(timespec="milliseconds")
            else:  # those that ended before it were returned before it
                before = self._earlier.before(document)
                self._earlier.add(name, document)
            made.append(self._finished(name, document, before))
        for name in ordered:
            if not entries[name].into:
                of_group.ended += 1
                of_group.last = max(of_group.last or entries[name].last, entries[name].last)
            del entries[name]
            merger.alerts.pop(name, None)
            merger.changed.discard(name)
        yield from made

    def _document(self, group: Group, burst: Burst) -> Document:
        now = datetime.now(UTC)
        key = group_key(self.rule.id, group)
        totals = None
        if not burst.named:  # as `recorder`, which asks the index
            found = self.counts(group, burst.first, burst.last)
            totals = found if found.count >= burst.count else None
        return raised(self.rule, group, key, now) | counting(burst, "", "", totals=totals)

    def _finished(self, name: str, document: Document, before: dict[str, Any]) -> Collected:
        made = levelled(document, self.rule, datetime.now(UTC)) | {"before": before}
        key = twin_key(self.rule, document).get(TWIN_KEY, "")
        return Collected(shown(name, made | {"summary": summary(made)}), key)


def _known(merger: AlertMerger) -> Mapping[str, Fact]:
    """The known facts about the events of a group's alerts."""
    return {
        each.id: Fact(each.time, {}, each.call, each.failed)
        for alert in merger.alerts.values()
        if alert is not None
        for each in alert.burst.evidence
    }
