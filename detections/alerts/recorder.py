"""Records findings as alerts: one alert for each finding, however often it is found.

A finding of a plain rule without a group has its own `_id`, so it is created or exists already. Who
can write to the trail's bucket may put a forged event of another day under an eventID that is in
use: that is another finding, under a number. All other findings are recorded by group. A round
reads the group's directory and the alerts near the findings, merges the findings, and writes the
directory, guarded by its version. Only a writer that could write the directory writes the alerts,
guarded by their versions. On a conflict the round is repeated with what the other writer stored.
The directory is written first, so that two writers give an alert the same id; a writer that stops
in between leaves an id without an alert, which the next run with the same findings writes.

The directory may change between a writer's reading it and its writing of alerts. What such a slow
writer can still write is what others merge meanwhile: an alert that is being merged into another,
whose closing then has a version conflict, or one that it raised and that nobody has written, which
is created as closed. If a person closes the target in between, the events that it has counted are
taken out of the merged alert (`AlertMerger.complete_mergers`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.burst import Burst, Fact, burst_of
from detections.alerts.document import (
    LEARNING,
    RECOUNT,
    Document,
    changed_state,
    counting,
    learned,
    levelled,
    noted,
    raised,
    succeeded,
    worded,
)
from detections.alerts.earlier import Earlier, EarlierFound, earlier_alerts
from detections.alerts.event_query import EventQueries, EventQuery, Totals, totals
from detections.alerts.facts import day_of, of_one_day_each
from detections.alerts.group_plan import GroupFindings, GroupPlan
from detections.alerts.merging import alert_id, group_key
from detections.alerts.named_events import NamedEvents
from detections.alerts.recounting import mark_overtaken
from detections.alerts.twins import TWIN_KEY, twin_key
from detections.finding import Finding, Group
from detections.incidents.document import DUE
from detections.packs.kinds import SINGLES
from detections.rule import Rule
from trailhound.batching import batched, weighed
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import OVERTAKEN, Stored, Write, read_many, values_of, write_many
from trailhound.errors import RequestFailedError
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.alert_groups import AlertGroups

AT_ONCE = 5_000
"""Findings in one batch."""
GROUPS_AT_ONCE = 100
FACTS_HELD = 10_000
"""Events whose facts are in memory at once, some 2 KB each."""
ALERTS_HELD = 20_000
"""Events of the alerts that are in memory at once, to be written: some 1 KB each. One group's
alerts may have more."""
ALERTS_READ = 20
"""Alerts in one reply; each has up to 1.5 MB."""
ROUNDS = 100
"""Attempts for a group while others write to it; more indicate a fault, not a race."""


@dataclass(slots=True)
class Recorded:
    """`_id`s of the written alerts. `merged`: those that were closed as merged into others."""

    created: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    merged: set[str] = field(default_factory=set)

    def add(self, more: Recorded) -> None:
        self.created |= more.created
        self.updated |= more.updated
        self.merged |= more.merged


ByRule = defaultdict[str, Recorded]
"""What was written of each rule, by its id."""


class Recorder:
    """Turns findings into alerts. `rules` by id; a finding of an unknown rule is a `KeyError`.

    `queries` makes the queries of alerts that have more events than they name.
    """

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        rules: Mapping[str, Rule],
        queries: EventQueries | None = None,
        events: NamedEvents | None = None,
    ) -> None:
        """`events`: through which those of alerts are read, if others read them too."""
        self._client = client
        self._queries = queries or EventQueries({})
        self._names = Names(settings.prefix)
        self._events = events or NamedEvents(client, self._names.days)
        self._rules = rules
        self._dashboards = settings.dashboards.link_base
        self._groups = AlertGroups(client, settings)
        self.catch_up = ""
        """The catch-up that new alerts belong to: only its digest mentions them."""

    def record(self, findings: Iterable[Finding]) -> Recorded:
        """Records findings; repeating it with the same ones changes nothing.

        At most `AT_ONCE` are in memory. Raises opensearch-py's exceptions, and
        `RequestFailedError`; what was not written by then is written by another call with the same
        findings.
        """
        made, whole = ByRule(Recorded), Recorded()
        self.record_by_rule(findings, made)
        for each in made.values():
            whole.add(each)
        return whole

    def record_by_rule(self, findings: Iterable[Finding], made: ByRule) -> None:
        """As `record`. `made` has what was written, also if that raises."""
        waiting = iter(findings)
        while part := list(islice(waiting, AT_ONCE)):
            self._record(part, made)

    def _record(self, findings: Sequence[Finding], made: ByRule) -> None:
        alone: list[Finding] = []
        groups: dict[tuple[str, Group], list[Finding]] = {}
        for finding in findings:
            rule = self._rules[finding.rule_id]
            if finding.group or rule.suppress or rule.kind not in SINGLES:
                groups.setdefault((rule.id, finding.group), []).append(finding)
            else:
                alone.append(finding)
        self._create(alone, made)
        batches = [
            GroupFindings(self._rules[rule_id], group, several, group_key(rule_id, group))
            for (rule_id, group), several in groups.items()
        ]
        for some in batched(batches, GROUPS_AT_ONCE):
            self._record_groups(some, made)

    def _create(self, findings: Sequence[Finding], made: ByRule) -> None:
        """Alerts of one event each: created, or there already."""
        for part in of_one_day_each(findings):
            self._create_new(self._new(part), made)

    def _new(self, findings: Iterable[Finding]) -> dict[str, Finding]:
        """The findings that have no alert yet, by its id."""
        new: dict[str, Finding] = {}
        left, number = list(findings), 0
        while left:
            named = {alert_id(each.rule_id, (), each.events[0], number): each for each in left}
            times = values_of(self._client, self._names.alerts, named, "first_seen")
            new |= {name: each for name, each in named.items() if name not in times}
            left = [
                each
                for name, each in named.items()
                if name in times and datetime.fromisoformat(times[name]).date() != day_of(each)
            ]
            number += 1
        return new

    def _create_new(self, named: Mapping[str, Finding], made: ByRule) -> None:
        facts = self._events.facts(list(named.values()))
        now = datetime.now(UTC)
        documents = {
            name: self._raised(rule, (), group_key(rule.id, ()), now)
            | self._counting(rule, (), burst_of(finding, facts))
            for name, finding in named.items()
            for rule in [self._rules[finding.rule_id]]
        }
        earlier = earlier_alerts(self._client, self._names.alerts, documents)
        writes = {
            name: Write(self._finished(document, earlier.of[name], now), None)
            for name, document in documents.items()
        }
        written: dict[str, int] = {}
        try:
            write_many(self._client, self._names.alerts, writes, written)
        finally:
            for name in written:
                made[named[name].rule_id].created.add(name)
        mark_overtaken(self._client, self._names.alerts, documents, earlier, written)

    def _record_groups(self, batches: Sequence[GroupFindings], made: ByRule) -> None:
        # A schedule finds the same events repeatedly: read only those that no alert names yet.
        changing: list[tuple[GroupFindings, Sequence[Finding]]] = []
        for plan, stored in self._planned(batches, {}):
            if not plan.needed:
                changing.append((plan.batch, plan.batch.findings))  # no alert is near
                continue
            if plan.merged(stored).changes:
                changing.append((plan.batch, list(plan.unnamed())))
        for part in weighed(changing, lambda each: _events(each[1]), FACTS_HELD):
            unnamed = [finding for _, findings in part for finding in findings]
            facts = self._events.facts(unnamed)
            self._merge_groups([batch for batch, _ in part], facts, made)

    def _merge_groups(
        self, batches: Sequence[GroupFindings], facts: Mapping[str, Fact], made: ByRule
    ) -> None:
        left = list(batches)
        for number in range(ROUNDS):
            if not left:
                return
            left = self._round(left, facts, made)
            if left:
                time.sleep(OVERTAKEN.seconds(number + 1))
        raise RequestFailedError(
            f"alerts of {plural(len(left), 'group')} could not be written: others keep "
            "changing them",
            hint="check how many daemons and `detect` commands run at once, and try again",
        )

    def _planned(
        self, batches: Sequence[GroupFindings], facts: Mapping[str, Fact]
    ) -> Iterator[tuple[GroupPlan, Mapping[str, Stored]]]:
        """The plan for each group, and the alerts it needs as they are stored now: read as they are
        consumed, since the alerts of all of them may be too many for memory."""
        groups = self._groups.read(each.key for each in batches)
        removed = None
        if len(groups) < len(batches):
            removed = self._groups.removed_until()
        plans = (
            GroupPlan(
                batch, facts, groups.get(batch.key), removed, self._client, self._names.alerts
            )
            for batch in batches
        )
        for some in weighed(plans, lambda plan: len(plan.needed), ALERTS_READ):
            needed = {name for plan in some for name in plan.needed}
            stored = read_many(self._client, self._names.alerts, needed)
            while some:
                plan = some.pop(0)
                yield plan, {name: stored.pop(name) for name in plan.needed & stored.keys()}

    def _round(
        self, batches: list[GroupFindings], facts: Mapping[str, Fact], made: ByRule
    ) -> list[GroupFindings]:
        """One attempt for each group. Returns those that need another one: after a version
        conflict, or once mergers were completed."""
        again: list[GroupFindings] = []
        merged = (plan.merged(stored) for plan, stored in self._planned(batches, facts))
        for plans in weighed(merged, lambda plan: plan.held, ALERTS_HELD):
            changed = {plan.batch.key: plan.group_write() for plan in plans if plan.group_changed}
            written = self._groups.write(changed)
            ours = [plan for plan in plans if not plan.group_changed or plan.batch.key in written]
            whole = self._write(ours, made)
            again += [plan.batch for plan in plans if not plan.ready or plan not in whole]
        return again

    def _write(self, plans: list[GroupPlan], made: ByRule) -> list[GroupPlan]:
        """Writes the groups' alerts. Returns the groups without a version conflict."""
        now = datetime.now(UTC)
        whole = plans
        # The target of a merger is written before the other alert is closed.
        for absorbed in (False, True):
            if absorbed:
                owners = {name: plan for plan in whole for name in plan.merger.absorbed}
                writes = {name: self._closing(owners[name], name, now) for name in owners}
            else:
                owners = {name: plan for plan in whole for name in plan.merger.changed}
                writes, earlier = self._texts(owners, now)
            done: dict[str, int] = {}
            try:
                write_many(self._client, self._names.alerts, writes, done)
            finally:
                for name in done:
                    of_rule = made[owners[name].batch.rule.id]
                    if absorbed:
                        of_rule.merged.add(name)
                    elif writes[name].over is None:
                        of_rule.created.add(name)
                    else:
                        of_rule.updated.add(name)
            if not absorbed:
                texts = {name: writes[name].document for name in earlier.of}
                mark_overtaken(self._client, self._names.alerts, texts, earlier, done)
            conflicted = [owners[name] for name in writes if name not in done]
            whole = [plan for plan in whole if plan not in conflicted]
        return whole

    def _texts(
        self, owners: Mapping[str, GroupPlan], now: datetime
    ) -> tuple[dict[str, Write], EarlierFound]:
        """The documents of alerts that changed, and what is before those without a group. `owners`:
        the plan of each."""
        made = {name: self._text(plan, name, now) for name, plan in owners.items()}
        of_anybody = {name: made[name] for name, plan in owners.items() if not plan.batch.group}
        replaced = {
            name
            for plan in owners.values()
            if not plan.batch.group
            for name in plan.stored.keys() & (plan.merger.changed | plan.merger.absorbed)
        }
        earlier = earlier_alerts(self._client, self._names.alerts, of_anybody, replaced)
        writes = {
            name: Write(
                self._finished(
                    made[name],
                    earlier.of[name] if name in earlier.of else plan.earlier(name),
                    now,
                    moved=plan.moves(name, made[name]),
                ),
                plan.stored.get(name),
            )
            for name, plan in owners.items()
        }
        return writes, earlier

    def _text(self, plan: GroupPlan, name: str, now: datetime) -> Document:
        """The document of an alert that changed, before `_finished`."""
        before = plan.stored.get(name)
        held = plan.merger.alerts[name]
        assert held is not None, "what changed is held"  # noqa: S101
        batch = plan.batch
        document = (
            before.document
            if before is not None
            else self._raised(batch.rule, batch.group, batch.key, now)
        )
        entries = plan.merger.directory
        fewer = document["count"] - held.burst.count if before else 0
        if fewer > 0:
            counting_them = entries.targets(name)[-1]
            document = noted(document, now, f"counted by {counting_them}: {fewer:,} of its events")
        if document.get(LEARNING) and not held.burst.learning:
            document = learned(document, now)
        made = document | self._counting(batch.rule, batch.group, held.burst)
        if before is not None and before.document.get("attempt") and not made["attempt"]:
            made = succeeded(made, now)
        return made

    def _finished(
        self, document: Document, earlier: Earlier, now: datetime, *, moved: bool = True
    ) -> Document:
        """A document at its level and with its sentences, given how often it was seen before.
        `moved`: those that follow it may count it otherwise than before."""
        rule = self._rules[document["rule"]["id"]]
        made = levelled(document, rule, now) | {"before": earlier.before}
        if moved and earlier.followed:
            made[RECOUNT] = True
        made.pop(TWIN_KEY, None)
        made |= twin_key(rule, document)
        if not self.catch_up and made.get("raised_from") and not document.get("raised_from"):
            made.pop(
                "catch_up", None
            )  # an alert whose level rose is sent itself, also if a digest had it
        return worded(made) | {DUE: True}

    def _closing(self, plan: GroupPlan, name: str, now: datetime) -> Write:
        """Closes an alert that was merged into another.

        If it was never written, it is created as closed, without events: a slow writer that raised
        it finds that it exists, and reads what became of it.
        """
        directory = plan.merger.directory
        entry = directory.entries[name]
        before = plan.stored.get(name)
        if before is not None:
            document = before.document
        else:
            rule, group = plan.batch.rule, plan.batch.group
            nothing = Burst(entry.first, entry.last, 0, frozenset())
            document = self._raised(rule, group, plan.batch.key, now)
            document |= self._counting(rule, group, nothing)
            # Without a group: it names no principal.
            earlier = Earlier(directory.before(name) if group else None)
            document = self._finished(document, earlier, now)
        if document["state"] != "closed":
            note = f"merged into {entry.into}"
            document = changed_state(document, "closed", "trailhound", now, note)
        return Write(document | {"merged_into": entry.into, DUE: True}, before)

    def _raised(self, rule: Rule, group: Group, key: str, now: datetime) -> dict[str, Any]:
        document = raised(rule, group, key, now)
        return document | ({"catch_up": self.catch_up} if self.catch_up else {})

    def _counting(self, rule: Rule, group: Group, burst: Burst) -> Document:
        kibana = bool(self._dashboards) and dialect_of(self._client).kibana
        query, of_all = None, None
        if not burst.named:
            dialect = dialect_of(self._client)
            query = self._queries.of(dialect, rule, group, burst.first, burst.last)
            of_all = self._totals(query, burst) if query is not None else None
        return counting(
            burst,
            self._dashboards,
            self._names.days,
            kibana=kibana,
            query=query,
            totals=of_all,
        )

    def _totals(self, query: EventQuery, burst: Burst) -> Totals | None:
        """The totals of a burst's query; None if they are less than was counted, because a day is
        deleted or closed."""
        found = totals(self._client, self._names.days, query)
        return found if found.count >= burst.count else None


def _events(findings: Iterable[Finding]) -> int:
    return sum(len(each.events) for each in findings)
