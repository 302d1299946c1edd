"""First times: a principal uses a region, country, tool, call or key that it never used before.

An event is new if no event of the rule has the same value for the same principal in the `days`
before it. Without history everything would be new, so a principal must have an event between `days`
and `training_days` before it: one of the rule, or, for calls that many never make, any at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, Literal, cast

from detections.compiled import REPAIRED, Compiled, Query
from detections.correlations.parts import Interval, during
from detections.events.index import SORT, EventIndex, histogram, terms
from detections.events.matching import Matching, of_group, of_groups
from detections.events.principal import views
from detections.finding import Finding, GroupKey
from detections.kinds.kind import OwnKind
from detections.kinds.options import Options
from detections.matcher.event_values import text
from detections.span import Span, moment
from trailhound.cluster.queries import both
from trailhound.cluster.reader import Hit, has_any, is_any
from trailhound.cluster.snapshot import Snapshot

DAY = 86_400_000
TRAINING_DAYS = 7
PAGE = 200
"""Pairs of principal and value in one request."""


TrainingEvents = Literal["rule", "all"]


@dataclass(frozen=True, slots=True)
class NewTerms:
    """A value of `field`, new for the values of `group_by` within `days`.

    `training_events`: which events of the principal are the history that a finding takes. With
    those of the rule, the first call of its kind is history and no finding.
    """

    field: str
    group_by: tuple[str, ...] = ()
    days: int = 30
    training_days: int = TRAINING_DAYS
    training_events: TrainingEvents = "rule"
    other_than_group: bool = False
    """No value is new that is one of the group's own."""


def parse(content: Mapping[str, Any]) -> NewTerms:
    """Parses the options under `new_terms:`. Raises `RuleError`.

    >>> parse({"field": "awsRegion", "group_by": ["userIdentity.arn"]}).days
    30
    """
    options = Options("new_terms", content)
    field, group_by = options.field("field"), options.fields("group_by")
    days = options.whole("days", 30, 1, 3650)
    training = options.whole("training_days", min(TRAINING_DAYS, days), 0, days)
    events = cast(TrainingEvents, options.choice("training_events", ("rule", "all")))
    other = options.boolean("other_than_group", default=False)
    options.done()
    return NewTerms(field, group_by, days, training, events, other)


def findings(
    index: EventIndex, rule_id: str, new_terms: NewTerms, compiled: Compiled, span: Span
) -> Iterator[Finding]:
    """Every first time in the span, one finding each. Raises `ClusterError`."""
    touched = {"bool": {"filter": [compiled.query, span.query()]}}
    if not index.count(touched):
        return
    memory = new_terms.days * DAY
    # Intervals of up to a quarter of the memory begin before the span, or end after it.
    margin = memory // 4 + DAY
    with index.snapshot(span.around(memory + margin, margin)) as snapshot:
        for view in views((*new_terms.group_by, new_terms.field)):
            *group_by, field = view.fields
            by = replace(new_terms, group_by=tuple(group_by), field=field)
            search = _Search(index, snapshot, rule_id, by, view.of(compiled), span)
            # What an exception leaves out is remembered: it makes no other event new.
            if compiled.before_exceptions is not None:
                search.past = Matching(snapshot, view.of(compiled.before_exceptions))
            yield from search.findings()


class _Search:
    def __init__(
        self,
        index: EventIndex,
        snapshot: Snapshot,
        rule_id: str,
        new_terms: NewTerms,
        compiled: Compiled,
        span: Span,
    ) -> None:
        self._rule_id = rule_id
        self._new_terms = new_terms
        self._fields = (*new_terms.group_by, new_terms.field)
        self._memory = new_terms.days * DAY
        self._matching = Matching(snapshot, compiled)
        self.past = self._matching
        """The events that make others not new."""
        self._index = index
        self._snapshot = snapshot
        self._span = span.query()
        self._end = span.milliseconds()[1]

    def findings(self) -> Iterator[Finding]:
        """In intervals shorter than the memory: within one, only the first event of a pair in the
        span can be new."""
        width = max(DAY // 24, self._memory // 4)
        touched = self._matching.where(self._span)
        first = {"first": {"min": {"field": "@timestamp"}}}
        for bucket in self._snapshot.buckets(touched, [histogram("slice", width)]):
            since = int(bucket["key"]["slice"])
            interval = since, since + width - 1
            if not self._has_history(interval):
                continue
            query = self._matching.where(self._span, during(interval))
            pairs = (
                (key, int(each["first"]["value"]))
                for each in self._snapshot.buckets(query, self._by(self._fields), first)
                for key in [self._key(each)]
                if not (self._new_terms.other_than_group and key[-1] in key[:-1])
            )
            certain, exact = self._decided_by_engine(since - self._memory, interval)
            while batch := dict(islice(pairs, PAGE)):
                unseen = self._unseen(batch, interval, exact=exact)
                if certain:
                    yield from self._at(unseen)
                    continue
                for key in unseen:
                    yield from self._first(key, interval)

    def _has_history(self, interval: Interval) -> bool:
        """Whether anybody may have the history that a finding in an interval takes: in the first
        days of an index nobody has, and none of the pairs need be looked at."""
        if not self._new_terms.training_days:
            return True
        begin, end = self._training(interval[0])[0], self._training(min(interval[1], self._end))[1]
        history = both(self._training_query, during((begin, end)))
        return is_any(self._snapshot.search(history, track_total_hits=1))

    @property
    def _training_query(self) -> Query:
        """What finds the events that may be history."""
        past = self.past.compiled
        return past.among if self._new_terms.training_events == "all" else past.query

    def _decided_by_engine(self, since: int, interval: Interval) -> tuple[bool, bool]:
        """Whether the engine alone decides which events are the rule's, from `since` to the end of
        the interval, and in the interval. Where a matcher decides, the first time in an aggregation
        may be too early."""
        if self._engine_decides:
            return True, True
        exact = self._matching.counted_by_engine(self._span, during(interval))
        exact = exact and self.past.compiled.post_filter is None
        return exact and self.past.counted_by_engine(during((since, interval[1]))), exact

    @cached_property
    def _engine_decides(self) -> bool:
        """Whether it does at all times: mostly nothing was repaired, which costs less to ask than
        what the rule finds of that. What an exception leaves out is among the past, so that no
        event of the rule is missing there."""
        several = self._matching.compiled, self.past.compiled
        if any(each.post_filter is not None for each in several):
            return False
        repaired = is_any(self._snapshot.search(REPAIRED, track_total_hits=1))
        return not repaired or self.past.counted_by_engine()

    def _unseen(
        self, batch: Mapping[GroupKey, int], interval: Interval, *, exact: bool
    ) -> dict[GroupKey, int]:
        """The pairs that may be new, with their first times. Most pairs are not, and few requests
        exclude these. No other pair is left where the engine alone decides which events are the
        rule's."""
        left, all_fields = dict(batch), len(self._fields)
        if exact:
            memories = {key: self._remembered(first) for key, first in left.items()}
            seen = self._occurring(self.past.compiled.exact, all_fields, memories)
            left = {key: first for key, first in left.items() if key not in seen}
        if self._new_terms.training_days:
            times = {key: self._training(first) for key, first in left.items()}
            if not exact:
                end = self._training(interval[1])[1]
                times = {key: (begin, end) for key, (begin, _) in times.items()}
            trained = self._trained(times, exact=exact)
            left = {key: first for key, first in left.items() if key in trained}
        return left

    def _trained(self, times: Mapping[GroupKey, Interval], *, exact: bool) -> set[GroupKey]:
        """The pairs whose principal has history at their times; unless `exact`, may have it."""
        past, fields = self.past.compiled, len(self._fields) - 1
        if self._new_terms.training_events == "all":
            # One event says it, and to find the first of all would be to read them all.
            return self._found_once(past.among, fields, times)
        return self._occurring(past.exact if exact else past.query, fields, times)

    def _occurring(
        self, query: Query, fields: int, times: Mapping[GroupKey, Interval]
    ) -> set[GroupKey]:
        """The pairs whose first `fields` values have an event that the query finds at their times.

        The first and the last event of these values say it, for all pairs in one request, unless
        one is before a pair's times and the other is after them.
        """
        if not times:
            return set()
        whole = min(since for since, _ in times.values()), max(until for _, until in times.values())
        ends = self._ends(query, self._fields[:fields], {key[:fields] for key in times}, whole)
        found, unclear = set(), dict[GroupKey, Interval]()
        for key, (since, until) in times.items():
            if key[:fields] not in ends:
                continue
            first, last = ends[key[:fields]]
            if since <= first <= until or since <= last <= until:
                found.add(key)
            elif first < since and last > until:
                unclear[key] = since, until
        return found | self._found(query, fields, unclear)

    def _found_once(
        self, query: Query, fields: int, times: Mapping[GroupKey, Interval]
    ) -> set[GroupKey]:
        """As `_found`, where most pairs of the same first `fields` values have an event in the time
        that all of them share: one search says it for all."""
        shared: dict[GroupKey, Interval] = {}
        for key, (since, until) in times.items():
            begin, end = shared.get(key[:fields], (since, until))
            shared[key[:fields]] = max(begin, since), min(end, until)
        seen = self._found(query, fields, {k: v for k, v in shared.items() if v[0] <= v[1]})
        found = {key for key in times if key[:fields] in seen}
        return found | self._found(
            query, fields, {k: v for k, v in times.items() if k not in found}
        )

    def _found(
        self, query: Query, fields: int, times: Mapping[GroupKey, Interval]
    ) -> set[GroupKey]:
        """As `_occurring`, by a search for one event of each pair."""
        names = self._fields[:fields]
        bodies = [
            has_any({"bool": {"filter": [query, of_group(names, key[:fields]), during(interval)]}})
            for key, interval in times.items()
        ]
        replies = self._snapshot.searches(bodies)
        return {key for key, reply in zip(times, replies, strict=True) if is_any(reply)}

    def _ends(
        self, query: Query, fields: Sequence[str], keys: Collection[GroupKey], interval: Interval
    ) -> dict[GroupKey, Interval]:
        """The times of the first and last event of each of these values that the query finds."""
        within = {"bool": {"filter": [query, during(interval), of_groups(fields, keys)]}}
        ends = {name: {name: {"field": "@timestamp"}} for name in ("min", "max")}
        found: Iterable[Mapping[str, Any]]
        if fields:
            found = self._snapshot.buckets(within, self._by(fields), ends)
        else:
            reply = self._snapshot.search(within, aggs=ends, track_total_hits=False)
            found = [{"key": {}, **reply["aggregations"]}]
        return {
            self._key(each): (int(each["min"]["value"]), int(each["max"]["value"]))
            for each in found
            if each["min"]["value"] is not None
        }

    def _remembered(self, time: int) -> Interval:
        """The interval in which an earlier event makes one at `time` not new."""
        return time - self._memory, time - 1

    def _training(self, time: int) -> Interval:
        """The interval in which a principal needs an event for one at `time` to be reported."""
        return time - self._memory, time - self._new_terms.training_days * DAY

    def _is_trained(self, key: GroupKey, time: int) -> bool:
        times = self._training(time)
        if self._new_terms.training_events == "all":
            return bool(self._trained({key: times}, exact=True))
        return self.past.any(self._who(key), during(times))

    def _who(self, key: GroupKey) -> Query:
        return of_group(self._new_terms.group_by, key[:-1])

    def _by(self, fields: Sequence[str]) -> list[dict[str, Any]]:
        return [terms(f"by{place}", name) for place, name in enumerate(fields)]

    def _key(self, bucket: Mapping[str, Any]) -> GroupKey:
        return tuple(text(bucket["key"][f"by{place}"]) for place in range(len(bucket["key"])))

    def _at(self, times: Mapping[GroupKey, int]) -> Iterator[Finding]:
        """The findings of pairs, the time of whose first event is known: of each the engine asks
        only the day of that time."""
        bodies = [
            {
                "query": self._matching.where(
                    self._span, during((time, time)), of_group(self._fields, key)
                ),
                "size": 1,
                "sort": SORT,
                "_source": False,
                "track_total_hits": False,
            }
            for key, time in times.items()
        ]
        for key, reply in zip(times, self._index.searches(bodies, few_days=True), strict=True):
            for hit in reply["hits"]["hits"]:
                yield self._finding(key, hit)

    def _first(self, key: GroupKey, interval: Interval) -> Iterator[Finding]:
        """The finding of a pair's first event in an interval, if it is new."""
        pair = of_group(self._fields, key)
        hit = next(self._matching.hits(self._span, during(interval), pair, page=10), None)
        if hit is None:
            return
        time = int(hit["sort"][0])
        if self.past.any(pair, during(self._remembered(time))):
            return
        if self._new_terms.training_days and not self._is_trained(key, time):
            return
        yield self._finding(key, hit)

    def _finding(self, key: GroupKey, hit: Hit) -> Finding:
        time = moment(int(hit["sort"][0]))
        return Finding(
            rule_id=self._rule_id,
            events=(hit["_id"],),
            count=1,
            first_seen=time,
            last_seen=time,
            group=tuple(zip(self._fields, key, strict=True)),
            detail=_sentence(self._new_terms, key),
        )


def _sentence(new_terms: NewTerms, key: Sequence[str]) -> str:
    who = ", ".join(key[:-1])
    by = f" by {who}" if who else ""
    return f"first {new_terms.field} {key[-1]!r}{by} in {new_terms.days} days"


KIND = OwnKind(
    "new_terms",
    parse,
    ("field", "group_by", "days", "training_days", "training_events", "other_than_group"),
    findings,
    single=True,
)
