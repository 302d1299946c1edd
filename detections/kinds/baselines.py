"""Runs anomaly rules over the index: measures by principal and window, and who stands out.

Windows lie on whole multiples of their length since 1970 in UTC. A window is looked at when it
holds an event of the span, with what it holds by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

from detections.compiled import Compiled, Query
from detections.correlations.occurrences import GroupKey
from detections.correlations.parts import Interval, any_of, during
from detections.events.fields import Hit
from detections.events.index import EventIndex, histogram, terms
from detections.events.matching import Matching, of_group, of_groups
from detections.events.principal import views
from detections.finding import EVIDENCE, Finding
from detections.kinds.anomaly import WEEK, Anomaly, Population, beyond_past, parse
from detections.kinds.kind import OwnKind
from detections.matcher.event_values import text
from detections.span import Span, moment
from trailhound.cluster.reader import Snapshot
from trailhound.errors import RuleError

MOST_COUNTED = 2_000_000
"""Principals and windows counted here, where the engine cannot count."""
BATCH = 500
STRETCHES = 64
"""Of touched windows, in one query."""

Measured = tuple[int, GroupKey, int]
"""A window's start in milliseconds, a principal, its measure."""


def findings(
    index: EventIndex, rule_id: str, anomaly: Anomaly, compiled: Compiled, span: Span
) -> Iterator[Finding]:
    """Every principal that stands out in a window with an event of its own in the span.

    Raises `ClusterError`.
    """
    if not index.count({"bool": {"filter": [compiled.query, span.query()]}}):
        return
    with index.snapshot() as snapshot:
        searches = [
            _Search(snapshot, rule_id, replace(anomaly, per=view.fields), view.of(compiled), span)
            for view in views(anomaly.per)
        ]
        if anomaly.baseline == "population":
            whole = _Search(snapshot, rule_id, anomaly, compiled, span)
            found = _population(whole, searches)
        else:
            found = ((search, *each) for search in searches for each in search.past())
        for search, start, key in found:
            yield from search.finding(start, key)


def _population(
    whole: _Search, searches: Sequence[_Search]
) -> Iterator[tuple[_Search, int, GroupKey]]:
    """Twice through each stretch: to know the windows, then to tell who stands out.

    The principals of all searches are one population; `whole` knows the windows to look at.
    """
    for stretches in whole.stretches():
        where = any_of([during(each) for each in stretches])
        windows: dict[int, Population] = {}
        for search in searches:
            for start, _, measure in search.measured([where], by_principal=False):
                windows.setdefault(start, Population()).add(measure)
        for search in searches:
            for start, key, measure in search.measured([where], by_principal=False):
                if search.stands_out(measure, windows[start]):
                    yield search, start, key


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
        fields = (*anomaly.per, *([anomaly.field] if anomaly.field else []))
        self._matching = Matching(snapshot, compiled, fields)
        self._span = span.query()

    def stands_out(self, measure: int, population: Population) -> bool:
        """Whether a measure of a window is far above those of all."""
        anomaly = self._anomaly
        return measure >= anomaly.least and population.stands_out(measure, anomaly.deviations)

    def past(self) -> Iterator[tuple[int, GroupKey]]:
        """Principal by principal, each against the same hours of its past."""
        for stretches in self.stretches():
            asked = any_of([during(each) for each in stretches])
            weeks = [
                during((since - back * WEEK, until - back * WEEK))
                for since, until in stretches
                for back in range(self._anomaly.weeks + 1)
            ]
            until = max(end for _, end in stretches)
            horizon = min(since for since, _ in stretches) - self._anomaly.weeks * WEEK, until
            principals = self._principals(asked)
            while batch := list(islice(principals, BATCH)):
                who = of_groups(self._anomaly.per, batch)
                first = self._first_seen([who, during(horizon)])
                measured = self.measured([who, any_of(weeks)], by_principal=True)
                for key, of_key in groupby(measured, key=lambda each: each[1]):
                    if key in first:
                        yield from self._beyond(key, first[key], of_key, stretches)

    def _beyond(
        self, key: GroupKey, first: int, measured: Iterable[Measured], stretches: Sequence[Interval]
    ) -> Iterator[tuple[int, GroupKey]]:
        hours = {start: measure for start, _, measure in measured}
        for start, measure in hours.items():
            if measure < self._anomaly.least:
                continue
            if not any(since <= start <= until for since, until in stretches):
                continue
            known = min(self._anomaly.weeks, (start - first) // WEEK)
            if known < self._anomaly.learn:
                continue
            past = [hours.get(start - back * WEEK, 0) for back in range(1, known + 1)]
            if beyond_past(measure, past, self._anomaly.deviations):
                yield start, key

    def finding(self, start: int, key: GroupKey) -> Iterator[Finding]:
        """The finding of a principal in a window, if one of its events there is in the span."""
        window = during((start, start + self._anomaly.window - 1))
        who = of_group(self._anomaly.per, key)
        if not self._matching.any(window, who, self._span):
            return
        ids: list[str] = []
        count = first = last = 0
        for hit in self._matching.hits(window, who):
            last = int(hit["sort"][0])
            first = first or last
            count += 1
            if len(ids) < EVIDENCE:
                ids.append(hit["_id"])
        yield Finding(
            rule_id=self._rule_id,
            events=tuple(ids),
            count=count,
            first_seen=moment(first),
            last_seen=moment(last),
            group=tuple(zip(self._anomaly.per, key, strict=True)),
            detail=self._sentence(start, count),
        )

    def _sentence(self, start: int, count: int) -> str:
        usual = "others" if self._anomaly.baseline == "population" else "its own past weeks"
        what = "events" if self._anomaly.measure == "count" else f"events by {self._anomaly.field}"
        return f"far more than {usual}: {count} {what} from {moment(start):%Y-%m-%d %H:%M} on"

    def stretches(self) -> Iterator[list[Interval]]:
        """The windows with events of the span, neighbours joined, a few at a time."""
        window = self._anomaly.window
        touched = self._matching.where(self._span)
        batch: list[Interval] = []
        for bucket in self._snapshot.buckets(touched, [histogram("window", window)]):
            start = int(bucket["key"]["window"])
            if batch and batch[-1][1] + 1 == start:
                batch[-1] = batch[-1][0], start + window - 1
                continue
            if len(batch) >= (STRETCHES if not self._anomaly.weeks else 8):
                yield batch
                batch = []
            batch.append((start, start + window - 1))
        if batch:
            yield batch

    def _principals(self, where: Query) -> Iterator[GroupKey]:
        query = self._matching.where(self._span, where)
        for bucket in self._snapshot.buckets(query, self._by()):
            yield self._key(bucket["key"])

    def _first_seen(self, filters: Sequence[Query]) -> dict[GroupKey, int]:
        """When each principal first shows, of what is asked for."""
        if not self._matching.counted_by_engine(*filters):
            shown: dict[GroupKey, int] = {}
            for hit in self._matching.hits(*filters):
                for key in self._keys(hit):
                    shown.setdefault(key, int(hit["sort"][0]))
            return shown
        first = {"first": {"min": {"field": "@timestamp"}}}
        found = self._snapshot.buckets(self._matching.where(*filters), self._by(), first)
        return {self._key(each["key"]): int(each["first"]["value"]) for each in found}

    def measured(self, filters: Sequence[Query], *, by_principal: bool) -> Iterator[Measured]:
        """The measure of every principal in every window, in the order of windows or principals."""
        if not self._matching.counted_by_engine(*filters):
            yield from self._counted_here(filters, by_principal=by_principal)
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

    def _counted_here(self, filters: Sequence[Query], *, by_principal: bool) -> Iterator[Measured]:
        """As `measured`, event by event, where a matcher has to decide on them."""
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
            if len(counts) + len(values) > MOST_COUNTED:
                raise RuleError(
                    f"an anomaly rule would count over {MOST_COUNTED:,} principals and windows "
                    "one by one",
                    hint="write its detection without comparisons inside requestParameters",
                )
        counts |= {both: len(found) for both, found in values.items()}
        order = (1, 0) if by_principal else (0, 1)
        for start, key in sorted(counts, key=lambda both: (both[order[0]], both[order[1]])):
            yield start, key, counts[start, key]

    def _keys(self, hit: Hit) -> list[GroupKey]:
        keys: list[GroupKey] = [()]
        for name in self._anomaly.per:
            values = self._matching.reader.values(hit, name)
            keys = [(*key, value) for key in keys for value in values]
        return keys

    def _by(self) -> list[dict[str, Any]]:
        return [terms(f"by{place}", name) for place, name in enumerate(self._anomaly.per)]

    def _key(self, key: dict[str, Any]) -> GroupKey:
        return tuple(text(key[f"by{place}"]) for place in range(len(self._anomaly.per)))


KIND = OwnKind(
    "anomaly",
    parse,
    (
        *("per", "measure", "field", "baseline", "minutes", "deviations", "least"),
        *("weeks", "learn"),
    ),
    findings,
)
