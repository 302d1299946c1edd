"""Evaluates rules over the events of files, without a cluster: plain rules and correlations.

`FileRules.add` is given every event once, in any order, and keeps those that a rule matches
(`detections.events.matched_events`); `findings` then reads them by rule and by time. Rules decide
with their matchers, values are grouped as the engine would, and windows are swept as over the
index. Rules that compare with the past are left out, by name: files hold no history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sigma.rule import SigmaRule

from detections.alerts.event_query import Totals, by_name_alone, counted_parts
from detections.alerts.facts import CALLS
from detections.alerts.facts import FIELDS as FACT_FIELDS
from detections.compiled import Compiled, Query
from detections.correlations.correlation import Correlation
from detections.correlations.correlator import burst_finding
from detections.correlations.occurrences import Occurrence
from detections.correlations.parts import GroupsToRead, Interval, Leaf, occurrences
from detections.correlations.sweep import MAX_HELD, Sweep
from detections.event_fields import named
from detections.events.anchors import Anchor
from detections.events.doc_values import holds
from detections.events.fields import FieldReader, Hit
from detections.events.found import finding, grouping
from detections.events.identity import ARN
from detections.events.matched_events import MatchedEvents
from detections.events.principal import (
    HAS_NAME_ALONE,
    PrincipalView,
    read_fields,
    role_view,
    views,
)
from detections.finding import Finding, Group, GroupKey
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.rule import Rule, RuleKind
from detections.running.rule_matching import RuleMatching
from detections.span import Span, milliseconds
from trailhound.errors import RuleError

NOT_RUN: Final[Mapping[RuleKind, str]] = {
    "new_terms": "it compares with what was seen in the days before",
    "anomaly": "it compares with a population or with past weeks",
    "impossible_travel": "it compares with sign-ins before",
}
"""Why a kind of rule is not run over files."""

BURST: Final = timedelta(days=3)
"""How far a burst is followed beyond a span, where files are chosen by their days."""
FOLLOWED: Final = 63
"""The windows for which a burst is followed over an index (docs/correlations.md)."""
_BURST: Final = BURST // timedelta(milliseconds=1)
_ALL_TIME: Final = Anchor(-(2**61), 2**61)


@dataclass(frozen=True, slots=True)
class NotRun:
    """A rule that is left out, and why."""

    rule: Rule
    reason: str


class FileRules:
    """The rules of a pack over a span of event time. `close` deletes the temporary file."""

    def __init__(self, pack: Pack, span: Span, *, max_held: int = MAX_HELD) -> None:
        self._pack = pack
        self._since, self._until = span.milliseconds()
        self._max_held = max_held
        self._correlations: dict[str, Correlation] = {}
        self.not_run: list[NotRun] = []
        self.rules: list[Rule] = []
        """The rules that are run, plain rules first, in the same order as over an index."""
        leaves: dict[str, Compiled] = {}
        fields: set[str] = {*FACT_FIELDS, "eventID", "trail", "user_type"}
        for rule in sorted(pack.alerting, key=lambda each: not each.is_plain):
            try:
                if reason := NOT_RUN.get(rule.kind):
                    self.not_run.append(NotRun(rule, f"{reason}: files hold no history"))
                    continue
                found = self._leaves(rule)
            except RuleError as error:
                self.not_run.append(NotRun(rule, error.message))
                continue
            leaves |= found
            fields |= self._fields(rule)
            self.rules.append(rule)
        self._numbers = {name: number for number, name in enumerate(leaves)}
        self._matching = RuleMatching(list(leaves.values()))
        self.events = MatchedEvents({named(path).partition(".")[0] for path in fields})

    @property
    def reach(self) -> timedelta:
        """How far before and after the span events count: the windows of its events, and of bursts
        that go on beyond it up to `BURST` (or two windows, if these are longer)."""
        windows = [each.max_window for each in self._correlations.values()]
        longest = max((max(min(FOLLOWED * each, _BURST), 2 * each) for each in windows), default=0)
        return timedelta(milliseconds=longest)

    def matches(self, source: Mapping[str, Any]) -> list[int]:
        """The numbers of the rules that match an event, for `add`."""
        return self._matching.of(source)

    def findings(self, rule: Rule) -> Iterator[Finding]:
        """Every finding of one of `rules`, plain ones by time. Raises `RuleError`."""
        return self._correlated(rule) if rule.is_correlation else self._plain(rule)

    def totals(self, rule: Rule, group: Group, first: datetime, last: datetime) -> Totals:
        """The counts of an alert's events, as `detections.alerts.event_query.totals` has them from
        an index."""
        parts, exact = counted_parts(rule, group)
        exact = exact and all(self._pack.compiled[name].post_filter is None for name, _ in parts)
        numbers: dict[int, list[Mapping[str, str]]] = {}
        for name, own in parts:
            numbers.setdefault(self._numbers[name], []).append(own)
        reader = FieldReader(sorted({path for _, own in parts for path in own}))
        count = succeeded = 0
        calls: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        found = self.events.hits(list(numbers), milliseconds(first), milliseconds(last) + 1)
        for each in found:
            fields = each.hit["fields"]
            if not any(
                _has(reader, each.hit, own) for number in each.rules for own in numbers[number]
            ):
                continue
            failed = fields.get("event.outcome") == ["failure"]
            count, succeeded = count + 1, succeeded + (not failed)
            exact = exact and "trail.repaired" not in fields
            for call in fields.get("eventName", ()):
                calls[call] += 1
                failures[call] += failed
        frequent = sorted(calls.items(), key=lambda item: (-item[1], item[0]))[:CALLS]
        named_calls = tuple((name, number, failures[name]) for name, number in frequent)
        return Totals(count, succeeded, named_calls, exact)

    def close(self) -> None:
        self.events.close()

    def _leaves(self, rule: Rule) -> dict[str, Compiled]:
        """The plain rules that a rule is made of, by id. Raises `RuleError`."""
        if not rule.is_correlation:
            return {rule.id: self._pack.compiled[rule.id]}
        correlation = self._correlations[rule.id] = Correlation.of_rule(rule)
        return {rule_id(leaf): self._pack.compiled[rule_id(leaf)] for leaf in correlation.leaves()}

    def _fields(self, rule: Rule) -> set[str]:
        """The fields that are read of its events, for groups and for what is counted."""
        if not rule.is_correlation:
            return set(grouping(rule))
        correlation = self._correlations[rule.id]
        more = _read_by(correlation.of_roles()) if correlation.by_role else set()
        return _read_by(correlation) | more

    def _plain(self, rule: Rule) -> Iterator[Finding]:
        reader = FieldReader(grouping(rule))
        for found in self.events.hits([self._numbers[rule.id]], self._since, self._until):
            yield finding(rule, reader, found.hit)

    def _correlated(self, rule: Rule) -> Iterator[Finding]:
        correlation = self._correlations[rule.id]
        names = correlation.group_by
        chosen = views(names) if correlation.grouped_alike else (PrincipalView(names, ()),)
        for view in chosen:
            viewed = correlation.grouped_by(dict(zip(names, view.fields, strict=True)))
            yield from self._found(rule, viewed, view)
        if correlation.by_role:
            yield from self._found(rule, correlation.of_roles(), role_view(names))

    def _found(self, rule: Rule, viewed: Correlation, view: PrincipalView) -> Iterator[Finding]:
        source = _FileOccurrences(self, view.where)
        for key, burst in Sweep(viewed, source, self._max_held).bursts(_ALL_TIME):
            if burst.touched:
                yield burst_finding(viewed, rule.id, key, burst)

    def occurrences(
        self, correlation: Correlation, interval: Interval, where: Sequence[Query]
    ) -> Iterator[tuple[GroupKey, Occurrence]]:
        """The events of a correlation's plain rules that pass some clauses, by time."""
        numbers: dict[int, list[Leaf]] = {}
        for position, part in enumerate(correlation.parts):
            if isinstance(part.rule, SigmaRule):
                name = rule_id(part.rule)
                leaf = Leaf(position, self._pack.compiled[name], part.group_by, part.counted)
                numbers.setdefault(self._numbers[name], []).append(leaf)
        if not numbers:
            return
        together = correlation.together
        reader = FieldReader(sorted(_read_by(correlation) | ({ARN} if together else set())))
        for found in self.events.hits(list(numbers), interval[0], interval[1] + 1):
            if not all(holds(each, found.hit["fields"]) for each in where):
                continue
            matched = [leaf for number in found.rules for leaf in numbers[number]]
            matched.sort(key=lambda leaf: leaf.position)
            touched = self._since <= found.hit["sort"][0] < self._until
            yield from occurrences(reader, found.hit, matched, touched=touched, together=together)


@dataclass(frozen=True, slots=True)
class _FileOccurrences:
    """As `sweep.Occurrences`, of one view of the events."""

    rules: FileRules
    where: tuple[Query, ...]

    def read(
        self,
        correlation: Correlation,
        interval: Interval,
        groups: Sequence[GroupsToRead] | None,  # noqa: ARG002 - all groups are swept at once
    ) -> Iterator[tuple[GroupKey, Occurrence]]:
        return self.rules.occurrences(correlation, interval, self.where)


def _has(reader: FieldReader, hit: Hit, own: Mapping[str, str]) -> bool:
    """Whether an event is in a group, as the terms of an alert's query decide it."""
    if by_name_alone(own) and not holds(HAS_NAME_ALONE, hit["fields"]):
        return False
    return all(value in reader.values(hit, path) for path, value in own.items())


def _read_by(correlation: Correlation) -> set[str]:
    fields: set[str] = set()
    for part in correlation.parts:
        if isinstance(part.rule, Correlation):
            fields |= _read_by(part.rule)
        else:
            fields |= {*read_fields(part.group_by), *part.counted}
    return fields
