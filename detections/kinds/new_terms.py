"""First times: a principal uses a region, country, tool, call or key that it never used before.

An event is new if no event of the rule has the same value for the same principal in the `days`
before it. Without history everything would be new, so a principal must have an event of the rule
between `days` and `training_days` before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from detections.compiled import Compiled, Query
from detections.correlations.occurrences import GroupKey
from detections.correlations.parts import Interval, during
from detections.events.index import EventIndex, histogram, terms
from detections.events.matching import Matching, of_group, of_groups
from detections.events.principal import views
from detections.finding import Finding
from detections.kinds.kind import OwnKind
from detections.kinds.options import Options
from detections.matcher.event_values import text
from detections.span import Span, moment
from trailhound.cluster.snapshot import Snapshot

DAY = 86_400_000
TRAINING_DAYS = 7
PAGE = 200
"""Pairs of principal and value in one request."""


@dataclass(frozen=True, slots=True)
class NewTerms:
    """A value of `field`, new for the values of `group_by` within `days`."""

    field: str
    group_by: tuple[str, ...] = ()
    days: int = 30
    training_days: int = TRAINING_DAYS


def parse(content: Mapping[str, Any]) -> NewTerms:
    """Parses the options under `new_terms:`. Raises `RuleError`.

    >>> parse({"field": "awsRegion", "group_by": ["userIdentity.arn"]}).days
    30
    """
    options = Options("new_terms", content)
    field, group_by = options.field("field"), options.fields("group_by")
    days = options.whole("days", 30, 1, 3650)
    training = options.whole("training_days", min(TRAINING_DAYS, days), 0, days)
    options.done()
    return NewTerms(field, group_by, days, training)


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
            search = _Search(snapshot, rule_id, by, view.of(compiled), span)
            # What an exception leaves out is remembered: it makes no other event new.
            if compiled.before_exceptions is not None:
                search.past = Matching(snapshot, view.of(compiled.before_exceptions))
            yield from search.findings()


class _Search:
    def __init__(
        self,
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
        self._snapshot = snapshot
        self._span = span.query()

    def findings(self) -> Iterator[Finding]:
        """In intervals shorter than the memory: within one, only the first event of a pair in the
        span can be new."""
        width = max(DAY // 24, self._memory // 4)
        touched = self._matching.where(self._span)
        first = {"first": {"min": {"field": "@timestamp"}}}
        for bucket in self._snapshot.buckets(touched, [histogram("slice", width)]):
            since = int(bucket["key"]["slice"])
            interval = since, since + width - 1
            query = self._matching.where(self._span, during(interval))
            pairs = (
                (self._key(each), int(each["first"]["value"]))
                for each in self._snapshot.buckets(query, self._by(), first)
            )
            # Where a matcher decides, the first time in the aggregation may be too early.
            exact = self._matching.counted_by_engine(self._span, during(interval))
            exact = exact and self.past.compiled.post_filter is None
            while batch := dict(islice(pairs, PAGE)):
                for key in self._unseen(batch, interval, exact=exact):
                    yield from self._first(key, interval)

    def _unseen(
        self, batch: Mapping[GroupKey, int], interval: Interval, *, exact: bool
    ) -> list[GroupKey]:
        """The pairs that may be new. Most pairs are not, and few requests exclude these."""
        compiled = self.past.compiled
        left = dict(batch)
        if exact:
            # One query for the time that the memories of all pairs share; then one for each pair.
            shared = max(left.values()) - self._memory, min(left.values()) - 1
            if shared[0] <= shared[1]:
                filters = [compiled.exact, during(shared), of_groups(self._fields, left)]
                for bucket in self._snapshot.buckets({"bool": {"filter": filters}}, self._by()):
                    left.pop(self._key(bucket), None)
            seen = [
                [compiled.exact, of_group(self._fields, key), during(self._remembered(first))]
                for key, first in left.items()
            ]
            left = self._kept(left, seen, found=False)
        if self._new_terms.training_days:
            trained = []
            for key, first in left.items():
                times = self._training(first)
                if not exact:
                    times = times[0], self._training(interval[1])[1]
                trained.append([compiled.query, self._who(key), during(times)])
            left = self._kept(left, trained, found=True)
        return list(left)

    def _kept(
        self, pairs: Mapping[GroupKey, int], filters: Sequence[list[Query]], *, found: bool
    ) -> dict[GroupKey, int]:
        """The pairs for which there is an event that passes the filters, or there is none."""
        bodies = [
            {
                "size": 1,
                "_source": False,
                "track_total_hits": False,
                "query": {"bool": {"filter": each}},
            }
            for each in filters
        ]
        replies = self._snapshot.searches(bodies)
        return {
            key: first
            for (key, first), reply in zip(pairs.items(), replies, strict=True)
            if bool(reply["hits"]["hits"]) is found
        }

    def _remembered(self, time: int) -> Interval:
        """The interval in which an earlier event makes one at `time` not new."""
        return time - self._memory, time - 1

    def _training(self, time: int) -> Interval:
        """The interval in which a principal needs an event for one at `time` to be reported."""
        return time - self._memory, time - self._new_terms.training_days * DAY

    def _who(self, key: GroupKey) -> Query:
        return of_group(self._new_terms.group_by, key[:-1])

    def _by(self) -> list[dict[str, Any]]:
        return [terms(f"by{place}", name) for place, name in enumerate(self._fields)]

    def _key(self, bucket: Mapping[str, Any]) -> GroupKey:
        return tuple(text(bucket["key"][f"by{place}"]) for place in range(len(self._fields)))

    def _first(self, key: GroupKey, interval: tuple[int, int]) -> Iterator[Finding]:
        """The finding of a pair's first event in an interval, if it is new."""
        pair = of_group(self._fields, key)
        hit = next(self._matching.hits(self._span, during(interval), pair, page=10), None)
        if hit is None:
            return
        time = int(hit["sort"][0])
        if self.past.any(pair, during(self._remembered(time))):
            return
        training = during(self._training(time))
        if self._new_terms.training_days and not self.past.any(self._who(key), training):
            return
        yield Finding(
            rule_id=self._rule_id,
            events=(hit["_id"],),
            count=1,
            first_seen=moment(time),
            last_seen=moment(time),
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
    ("field", "group_by", "days", "training_days"),
    findings,
    single=True,
)
