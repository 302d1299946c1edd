"""The changes to one group's alerts that its findings make.

Made from what is stored; `recorder` writes it, and makes another one after a version conflict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.burst import FULL, Fact, burst_of, covered
from detections.alerts.document import known
from detections.alerts.earlier import Earlier
from detections.alerts.merging import AlertMerger, Directory, Entry, intervals
from detections.alerts.nearness import Nearness
from detections.alerts.paging import every
from detections.finding import Finding, Group
from detections.packs.kinds import SINGLES, window_of
from detections.rule import Rule
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.versions import Stored
from trailhound.state.alert_groups import AlertGroup, StoredGroup


@dataclass(frozen=True, slots=True)
class GroupFindings:
    """The findings of one rule about one group."""

    rule: Rule
    group: Group
    findings: Sequence[Finding]
    key: str


class GroupPlan:
    """One attempt for one group: its stored state and the changes to write."""

    def __init__(
        self,
        batch: GroupFindings,
        facts: Mapping[str, Fact],
        stored: StoredGroup | None,
        removed: datetime | None,
        client: OpenSearch,
        index: str,
    ) -> None:
        self.batch = batch
        self._group = stored
        self._facts = facts
        directory = Directory.read(stored.group) if stored else Directory(forgotten=removed)
        nearness = Nearness(batch.rule.suppress, window_of(batch.rule))
        reach = nearness.reach
        self.plain = batch.rule.kind in SINGLES
        self.stored: dict[str, Stored] = {}
        self.ready = True
        """False: mergers are completed first, and the findings need another attempt."""
        spans = intervals([Entry(*covered(finding)) for finding in batch.findings], reach)
        if directory.forgotten is not None and spans[0][0] - reach <= directory.forgotten:
            since, until = spans[0][0] - reach, min(spans[-1][1] + reach, directory.forgotten)
            for name, entry in _forgotten(client, index, batch.key, since, until):
                directory.entries.setdefault(name, entry)
        self.needed = {
            name for since, until in spans for name in directory.near(since, until, nearness)
        }
        self.merger = AlertMerger(
            batch.rule.id, batch.group, nearness, self.plain, directory, {}, facts
        )

    def unnamed(self) -> Iterator[Finding]:
        """The findings, reduced to events that no alert near them names."""
        named = {
            event
            for each in self.stored.values()
            for event in each.document["evidence"]["event_id"]
        }
        for finding in self.batch.findings:
            events = tuple(event for event in finding.events if event not in named)
            if events:
                yield replace(finding, events=events)

    def merged(self, stored: Mapping[str, Stored]) -> GroupPlan:
        """This plan, with the findings merged into the needed alerts, as they are stored."""
        self.stored = {name: stored[name] for name in self.needed if name in stored}
        full = FULL if self.plain else None
        self.merger.alerts = {
            name: known(self.stored[name].document, full=full) if name in self.stored else None
            for name in self.needed
        }
        ours = {event for finding in self.batch.findings for event in finding.events}
        facts = {event: self._facts[event] for event in ours & self._facts.keys()}
        # Events that an alert names already are not read again.
        facts |= {
            each.id: Fact(each.time, {}, each.call, each.failed)
            for alert in self.merger.alerts.values()
            if alert is not None
            for each in alert.burst.evidence
            if each.id in ours and each.id not in facts
        }
        self.merger.facts = facts
        self.ready = self.merger.complete_mergers()
        if self.ready:
            self.merger.merge([burst_of(finding, facts) for finding in self.batch.findings])
        return self

    @property
    def held(self) -> int:
        """The number of events of the alerts in memory."""
        return sum(
            len(each.burst.evidence) for each in self.merger.alerts.values() if each is not None
        )

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.group_changed or self.merger.changed or self.merger.absorbed)

    @property
    def group_changed(self) -> bool:
        """Whether the list of the group's alerts differs from the stored one."""
        if self._group is None:
            return True
        before, after = self._group.group, self._written()
        return (before.alerts, before.forgotten) != (after.alerts, after.forgotten)

    def group_write(self) -> tuple[AlertGroup, StoredGroup | None]:
        """The list of the group's alerts, and the stored version that it replaces."""
        return self._written(), self._group

    def earlier(self, name: str) -> Earlier:
        """How often the group had an alert before one that is written."""
        directory = self.merger.directory
        return Earlier(directory.before(name), directory.is_followed(name, self.merger.changed))

    def moves(self, name: str, document: Mapping[str, Any]) -> bool:
        """Whether those that follow an alert may count it otherwise than until now: it is new, ends
        at another time, or others are merged."""
        stored = self.stored.get(name)
        known = stored is not None and stored.document["last_seen"] == document["last_seen"]
        return bool(self.merger.absorbed) or not known

    def _written(self) -> AlertGroup:
        return self.merger.directory.write(self.batch.key, self.batch.rule.id)


def _forgotten(
    client: OpenSearch, index: str, key: str, since: datetime, until: datetime
) -> Iterator[tuple[str, Entry]]:
    """Searches a group's alerts in an interval, which its directory no longer lists."""
    make_searchable(client, index, required=True)
    asked: list[dict[str, Any]] = [
        {"term": {"group_key": key}},
        {"range": {"last_seen": {"gte": since.isoformat()}}},
        {"range": {"first_seen": {"lte": until.isoformat()}}},
    ]
    for name, document in every(
        client, index, asked, fields=("first_seen", "last_seen", "merged_into")
    ):
        first, last = (
            datetime.fromisoformat(document[name]) for name in ("first_seen", "last_seen")
        )
        yield name, Entry(first, last, document.get("merged_into", ""))
