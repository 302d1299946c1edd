"""Runs anomaly rules over the index: measures by principal and window, and the outliers.

Windows start at whole multiples of their length since 1970 in UTC. A window is evaluated when it
has an event in the span, with all events that it has by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby, islice, product
from typing import Any

from detections.compiled import Compiled, Query
from detections.correlations.parts import Interval, any_of, during
from detections.events.fields import Hit
from detections.events.identity import OF_SERVICE_LINKED_ROLES
from detections.events.index import EventIndex, histogram, terms
from detections.events.matching import Matching, of_group, of_groups
from detections.events.principal import PrincipalView, views
from detections.finding import EVIDENCE, Finding, GroupKey
from detections.kinds.anomaly import (
    MORE_THAN,
    WEEK,
    Anomaly,
    Population,
    exceeds_past,
    parse,
    sentence,
)
from detections.kinds.kind import OwnKind
from detections.kinds.learning import PastDays, judged
from detections.matcher.event_values import text
from detections.span import Span, moment
from trailhound.cluster.reader import HITS_PAGE
from trailhound.cluster.snapshot import Snapshot
from trailhound.errors import RuleError

NOT_OF_AWS: Query = {
    "bool": {
        "must_not": [
            {"term": {"user_type": "aws_service"}},
            OF_SERVICE_LINKED_ROLES,
        ]
    }
}
"""Events of neither an AWS service nor a service-linked role."""
MAX_COUNTED = 2_000_000
"""Limit of pairs of principal and window counted in memory, where the engine cannot count."""
BATCH = 500
_BATCH_EVENTS = 20_000
"""Windows are added to a batch until they have this number of events; it may exceed it by one."""
MAX_INTERVALS = 64
"""Intervals of touched windows in one query."""

Measured = tuple[int, GroupKey, int]
"""Start of the window in milliseconds, principal, measure."""


def findings(
    index: EventIndex, rule_id: str, anomaly: Anomaly, compiled: Compiled, span: Span
) -> Iterator[Finding]:
    """Every principal that is an outlier in a window with an event of its own in the span.

    Raises `ClusterError`.
    """
    if not index.count({"bool": {"filter": [compiled.query, span.query()]}}):
        return
    # The past of a principal has no beginning.
    around = (
        span.around(anomaly.window, anomaly.window) if anomaly.baseline == "population" else None
    )
    with index.snapshot(around) as snapshot:

        def searches_of(made: Compiled) -> list[_Search]:
            return [
                _Search(
                    snapshot, rule_id, replace(anomaly, group_by=view.fields), view.of(made), span
                )
                for view in principal_views(anomaly)
            ]

        searches = searches_of(compiled)
        history = PastDays(index, (compiled.before_exceptions or compiled).query)
        if anomaly.baseline == "population":
            before = compiled.before_exceptions
            whole = _Search(snapshot, rule_id, anomaly, compiled, span)
            everybody = _Search(snapshot, rule_id, anomaly, before or compiled, span)
            intervals = (each for each in whole.intervals() if everybody.crowded(each))
            found = _population(intervals, searches, searches_of(before) if before else searches)
        else:
            found = ((search, *each) for search in searches for each in search.past())
        while batch := list(islice(found, BATCH)):
            for search in dict.fromkeys(each for each, _, _ in batch):
                for finding in search.findings(
                    [(start, key) for of, start, key in batch if of is search]
                ):
                    yield judged(finding, anomaly, history)


def principal_views(anomaly: Anomaly) -> list[PrincipalView]:
    """The views of the events by which principals are identified, without AWS's own principals
    where `services` is false."""
    found = views(anomaly.group_by)
    if anomaly.services:
        return list(found)
    return [PrincipalView(view.fields, (*view.where, NOT_OF_AWS)) for view in found]


def _population(
    batches: Iterable[Sequence[Interval]],
    searches: Sequence[_Search],
    population: Sequence[_Search],
) -> Iterator[tuple[_Search, int, GroupKey]]:
    """Two passes over each batch of intervals: the first sums up each window, the second finds
    outliers.

    The population consists of the principals of all searches in `population`, before any exception,
    so that an exception for one principal makes no other one an outlier. Outliers are those of
    `searches`.
    """
    for intervals in batches:
        where = any_of([during(each) for each in intervals])
        windows: dict[int, Population] = {}
        for search in population:
            for start, _, measure in search.measured([where], by_principal=False):
                windows.setdefault(start, Population()).add(measure)
        for search in searches:
            for start, key, measure in search.measured([where], by_principal=False):
                if search.is_outlier(measure, windows[start]):
                    yield search, start, key


@dataclass(slots=True)
class _Read:
    """The events of an outlier that were read; times in milliseconds, `ids` of the first
    `EVIDENCE`."""

    ids: list[str] = field(default_factory=list)
    count: int = 0
    first: int = 0
    last: int = 0

    def add(self, hit: Hit) -> None:
        """The next event, by time."""
        self.last = int(hit["sort"][0])
        self.first = self.first or self.last
        self.count += 1
        if len(self.ids) < EVIDENCE:
            self.ids.append(hit["_id"])


class _Search:
    def __init__(
        self,
        snapshot: Snapshot,
        rule_id: str,
        anomaly: Anomaly,
        compiled: Compiled,
        span: Span,
    ) -> None:
        self._snapshot = snapshot
        self._rule_id = rule_id
        self._anomaly = anomaly
        fields = (*anomaly.group_by, *([anomaly.field] if anomaly.field else []))
        self._matching = Matching(snapshot, compiled, fields)
        self._span = span.query()
        self._ends = span.milliseconds() if span.clock == "@timestamp" else None

    def is_outlier(self, measure: int, population: Population) -> bool:
        """Whether a measure of a window is far above those of the population."""
        anomaly = self._anomaly
        return measure >= anomaly.min_count and population.is_outlier(measure, anomaly.deviations)

    def past(self) -> Iterator[tuple[int, GroupKey]]:
        """Outliers against the same hours of the principal's own past weeks."""
        for intervals in self.intervals():
            touched = any_of([during(each) for each in intervals])
            weeks = [
                during((since - back * WEEK, until - back * WEEK))
                for since, until in intervals
                for back in range(self._anomaly.weeks + 1)
            ]
            until = max(end for _, end in intervals)
            principals = self._principals(touched)
            while batch := list(islice(principals, BATCH)):
                who = of_groups(self._anomaly.group_by, batch)
                first = self._first_seen(batch, [who, during((0, until))])
                measured = self.measured([who, any_of(weeks)], by_principal=True)
                for key, of_key in groupby(measured, key=lambda each: each[1]):
                    if key in first:
                        yield from self._outliers(key, first[key], of_key, intervals)

    def _outliers(
        self, key: GroupKey, first: int, measured: Iterable[Measured], intervals: Sequence[Interval]
    ) -> Iterator[tuple[int, GroupKey]]:
        hours = {start: measure for start, _, measure in measured}
        for start, measure in hours.items():
            if measure < self._anomaly.min_count:
                continue
            if not any(since <= start <= until for since, until in intervals):
                continue
            weeks_seen = min(self._anomaly.weeks, (start - first) // WEEK)
            if weeks_seen < self._anomaly.training_weeks:
                continue
            past = [hours.get(start - back * WEEK, 0) for back in range(1, weeks_seen + 1)]
            if exceeds_past(measure, past, self._anomaly.deviations):
                yield start, key

    def findings(self, outliers: Sequence[tuple[int, GroupKey]]) -> Iterator[Finding]:
        """The findings of principals in windows, of those with an event there in the span.

        Those of one window are counted and read together: what it costs grows with their events.
        """
        kept = sorted(each for each in outliers if self._is_touched(*each))
        for start, of_window in groupby(kept, key=lambda each: each[0]):
            window, keys = during(self._window(start)), [key for _, key in of_window]
            counted = self._counted(window, keys)
            few = {key: _Read() for key in keys}
            for key, (count, times) in counted.items():
                if count <= EVIDENCE:
                    continue
                del few[key]
                who = of_group(self._anomaly.group_by, key)
                hits = islice(self._matching.hits(window, who, many=True), EVIDENCE)
                yield self._finding(start, key, [hit["_id"] for hit in hits], count, times)
            if not few:
                continue
            many = sum(counted[key][0] for key in few if key in counted) > HITS_PAGE
            who = of_groups(self._anomaly.group_by, list(few))
            for hit in self._matching.hits(window, who, many=many):
                for key in self._keys(hit):
                    if key in few:
                        few[key].add(hit)
            for key, read in few.items():
                yield self._finding(start, key, read.ids, read.count, (read.first, read.last))

    def _counted(
        self, window: Query, keys: Sequence[GroupKey]
    ) -> dict[GroupKey, tuple[int, Interval]]:
        """The number of events of principals in a window, and the first and last time. Empty where
        the matcher has to decide on an event."""
        filters = window, of_groups(self._anomaly.group_by, keys)
        if not self._matching.counted_by_engine(*filters):
            return {}
        times = {kind: {kind: {"field": "@timestamp"}} for kind in ("min", "max")}
        found = self._snapshot.buckets(self._matching.where(*filters), self._by(), times)
        made = {
            self._key(each["key"]): (
                int(each["doc_count"]),
                (int(each["min"]["value"]), int(each["max"]["value"])),
            )
            for each in found
        }
        return {key: made[key] for key in keys if key in made}

    def _window(self, start: int) -> Interval:
        return start, start + self._anomaly.window - 1

    def _is_touched(self, start: int, key: GroupKey) -> bool:
        """Whether an event of the principal in the window is in the span."""
        end = start + self._anomaly.window
        if self._ends is not None and self._ends[0] <= start and end <= self._ends[1]:
            return True
        who = of_group(self._anomaly.group_by, key)
        return self._matching.any(during(self._window(start)), who, self._span)

    def _finding(
        self, start: int, key: GroupKey, ids: Sequence[str], count: int, times: Interval
    ) -> Finding:
        return Finding(
            rule_id=self._rule_id,
            events=tuple(ids),
            count=count,
            first_seen=moment(times[0]),
            last_seen=moment(times[1]),
            group=tuple(zip(self._anomaly.group_by, key, strict=True)),
            detail=sentence(self._anomaly, start, count),
        )

    def intervals(self) -> Iterator[list[Interval]]:
        """The windows with events of the span, adjacent ones joined, in batches."""
        window = self._anomaly.window
        touched = self._matching.where(self._span)
        batch: list[Interval] = []
        events = 0
        for bucket in self._snapshot.buckets(touched, [histogram("window", window)]):
            start = int(bucket["key"]["window"])
            # A page of groups costs a look at every event of the batch.
            full = not self._anomaly.weeks and events >= _BATCH_EVENTS
            joined = bool(batch) and not full and batch[-1][1] + 1 == start
            if full or (not joined and len(batch) >= (8 if self._anomaly.weeks else MAX_INTERVALS)):
                yield batch
                batch, events = [], 0
            if joined:
                batch[-1] = batch[-1][0], start + window - 1
            else:
                batch.append((start, start + window - 1))
            events += bucket["doc_count"]
        if batch:
            yield batch

    def crowded(self, intervals: Sequence[Interval]) -> bool:
        """Whether a window in these intervals has enough events for a population. This saves
        finding the principals of windows that have too few events."""
        touched = self._matching.where(any_of([during(each) for each in intervals]))
        windows = self._snapshot.buckets(touched, [histogram("window", self._anomaly.window)])
        return any(bucket["doc_count"] > MORE_THAN for bucket in windows)

    def _principals(self, where: Query) -> Iterator[GroupKey]:
        query = self._matching.where(self._span, where)
        for bucket in self._snapshot.buckets(query, self._by()):
            yield self._key(bucket["key"])

    def _first_seen(
        self, principals: Iterable[GroupKey], filters: Sequence[Query]
    ) -> dict[GroupKey, int]:
        """The time of each of these principals' first event under the filters.

        However long ago: within the weeks of the baseline alone, an hour's result would depend on
        which other hours are evaluated with it.
        """
        if not self._matching.counted_by_engine(*filters):
            seen: dict[GroupKey, int] = {}
            missing = set(principals)
            for hit in self._matching.hits(*filters):  # the earliest first
                for key in self._keys(hit):
                    seen.setdefault(key, int(hit["sort"][0]))
                    missing.discard(key)
                if not missing:
                    break
            return seen
        first = {"first": {"min": {"field": "@timestamp"}}}
        found = self._snapshot.buckets(self._matching.where(*filters), self._by(), first)
        return {self._key(each["key"]): int(each["first"]["value"]) for each in found}

    def measured(self, filters: Sequence[Query], *, by_principal: bool) -> Iterator[Measured]:
        """The measure of every principal in every window, ordered by window or by principal."""
        if not self._matching.counted_by_engine(*filters):
            yield from self._counted_in_memory(filters, by_principal=by_principal)
            return
        time = histogram("window", self._anomaly.window)
        sources = [*self._by(), time] if by_principal else [time, *self._by()]
        if self._anomaly.field:
            sources.append(terms("value", self._anomaly.field))
        buckets = self._snapshot.buckets(self._matching.where(*filters), sources)
        named = ((int(b["key"]["window"]), self._key(b["key"]), b["doc_count"]) for b in buckets)
        for (start, key), of_both in groupby(named, key=lambda each: each[:2]):
            counts = [count for _, _, count in of_both]
            yield start, key, len(counts) if self._anomaly.field else counts[0]

    def _counted_in_memory(
        self, filters: Sequence[Query], *, by_principal: bool
    ) -> Iterator[Measured]:
        """As `measured`, by reading each event, where a matcher has to decide on them."""
        counts: dict[tuple[int, GroupKey], int] = {}
        values: dict[tuple[int, GroupKey], set[str]] = {}
        for hit in self._matching.hits(*filters):
            time = int(hit["sort"][0])
            for key in self._keys(hit):
                both = time - time % self._anomaly.window, key
                if self._anomaly.field is None:
                    counts[both] = counts.get(both, 0) + 1
                elif found := self._matching.reader.values(hit, self._anomaly.field):
                    values.setdefault(both, set()).update(found)
            if len(counts) + len(values) > MAX_COUNTED:
                raise RuleError(
                    f"an anomaly rule would count over {MAX_COUNTED:,} principals and windows "
                    "one by one",
                    hint="write its detection without comparisons inside requestParameters",
                )
        counts |= {both: len(found) for both, found in values.items()}
        order = (1, 0) if by_principal else (0, 1)
        for start, key in sorted(counts, key=lambda both: (both[order[0]], both[order[1]])):
            yield start, key, counts[start, key]

    def _keys(self, hit: Hit) -> list[GroupKey]:
        values = [self._matching.reader.values(hit, name) for name in self._anomaly.group_by]
        return list(product(*values))

    def _by(self) -> list[dict[str, Any]]:
        return [terms(f"by{place}", name) for place, name in enumerate(self._anomaly.group_by)]

    def _key(self, key: dict[str, Any]) -> GroupKey:
        return tuple(text(key[f"by{place}"]) for place in range(len(self._anomaly.group_by)))


KIND = OwnKind(
    "anomaly",
    parse,
    (
        *("group_by", "measure", "field", "baseline", "minutes", "deviations", "min_count"),
        *("weeks", "training_weeks", "training_days", "services"),
    ),
    findings,
    counts_exactly=True,
    window=lambda anomaly: timedelta(milliseconds=anomaly.window),
)
