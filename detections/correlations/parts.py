"""The plain rules of a correlation as one stream of occurrences, by group, in order of time.

One query finds the events of all of them; the engine says which rule found which event (by named
clauses), and a rule's matcher decides where its query is only a superset.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from sigma.rule import SigmaRule

from detections.compiled import Compiled, Query
from detections.correlations.correlation import Correlation
from detections.correlations.occurrences import Occurrence
from detections.events.fields import FieldReader, Hit, groupable
from detections.events.identity import ARN
from detections.events.light import light_search
from detections.events.principal import PrincipalView
from detections.finding import GroupKey
from detections.span import Span

Compile = Callable[[SigmaRule], Compiled]
Interval = tuple[int, int]
"""Event times in milliseconds, both ends included."""

MOST_KEYS = 10_000
"""An event whose group-by fields hold many values is in a group for each, up to this number."""
AT_ONCE = 100
"""Events that come with their counts."""
_TOUCHED = "touched"


@dataclass(frozen=True, slots=True)
class GroupsToRead:
    """Groups, each with the same event times to be read."""

    intervals: tuple[Interval, ...]
    keys: Collection[GroupKey]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A plain rule, compiled, at its position in the correlation."""

    position: int
    compiled: Compiled
    group_by: tuple[str, ...]
    counted: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its clause in the query (`_name`)."""
        return f"part{self.position}"

    @property
    def query(self) -> Query:
        """Its events that may be in a group: one without a value to group by is in none."""
        grouped = [{"exists": {"field": name}} for name in self.group_by if groupable(name)]
        if not grouped:
            return self.compiled.query
        return {"bool": {"filter": [self.compiled.query, *grouped]}}


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of events of the plain rules in an interval: in all, in the span that is searched,
    and by leaf. Where a query is only a superset of its rule, these are upper bounds."""

    total: int
    touched: int
    by_leaf: tuple[int, ...]


class Touch:
    """Which events are in the span that is searched."""

    def __init__(self, span: Span) -> None:
        self.query = span.query()
        self.by_time: Interval | None = None
        if span.clock == "@timestamp":
            since, until = span.milliseconds()
            self.by_time = since, until - 1

    def of(self, hit: Hit, time: int) -> bool:
        """Whether a hit, with `@timestamp` `time` in milliseconds, is in the span."""
        if self.by_time is not None:
            return self.by_time[0] <= time <= self.by_time[1]
        return _TOUCHED in hit.get("matched_queries", ())

    def clause(self) -> dict[str, Any]:
        """The part of a bool query, beside its filters, that `of` needs."""
        if self.by_time is not None:
            return {}
        return {"should": [{"bool": {"_name": _TOUCHED, "filter": [self.query]}}]}


class PlainParts:
    """The parts of a correlation that are plain rules; there may be none."""

    def __init__(self, correlation: Correlation, compile_rule: Compile, touch: Touch) -> None:
        self.leaves = [
            Leaf(position, compile_rule(part.rule), part.group_by, part.counted)
            for position, part in enumerate(correlation.parts)
            if isinstance(part.rule, SigmaRule)
        ]
        self._touch = touch
        fields = [name for leaf in self.leaves for name in leaf.group_by]
        fields += [name for leaf in self.leaves for name in leaf.counted]
        self._together = correlation.together
        fields += [ARN] if self._together else []
        decided = any(leaf.compiled.post_filter for leaf in self.leaves)
        self._reader = FieldReader(dict.fromkeys(fields), decided=decided)
        self._named = len(self.leaves) > 1

    @property
    def groupings(self) -> dict[tuple[str, ...], list[Leaf]]:
        """The leaves by the fields that they group by: one entry unless there are aliases."""
        found: dict[tuple[str, ...], list[Leaf]] = {}
        for leaf in self.leaves:
            found.setdefault(leaf.group_by, []).append(leaf)
        return found

    @property
    def grouped_by_engine(self) -> bool:
        """Whether the engine can group by all of the fields."""
        return all(groupable(name) for leaf in self.leaves for name in leaf.group_by)

    def found_by(self, leaves: Sequence[Leaf], interval: Interval) -> Query:
        """Every event of some leaves in an interval."""
        return {"bool": {"filter": [during(interval), any_of([each.query for each in leaves])]}}

    def counting(self, interval: Interval) -> dict[str, Any]:
        """The body of a search for the events in an interval, counted by leaf: see `counts`."""
        asked = {_TOUCHED: {"filter": self._touch.query}}
        if self._named:
            asked |= {leaf.name: {"filter": leaf.query} for leaf in self.leaves}
        query = self.found_by(self.leaves, interval)
        return {"query": query, "size": 0, "track_total_hits": True, "aggs": asked}

    def counts(self, answer: Mapping[str, Any]) -> Counts:
        """How many events there are, given the answer to `counting`."""
        total = int(answer["hits"]["total"]["value"])
        if not total:
            return Counts(0, 0, (0,) * len(self.leaves))
        found = answer["aggregations"]
        each = [found[leaf.name]["doc_count"] for leaf in self.leaves] if self._named else [total]
        return Counts(total, found[_TOUCHED]["doc_count"], tuple(each))

    def counting_in(self, view: PrincipalView) -> dict[str, Any]:
        """An aggregation for `counting`, of the events of a view by leaf: see `counts_in`."""
        named = {leaf.name: {"filter": leaf.query} for leaf in self.leaves} if self._named else {}
        where = {"filter": {"bool": {"filter": list(view.where)}}}
        return where | ({"aggs": named} if named else {})

    def counts_in(self, found: Mapping[str, Any]) -> tuple[int, ...]:
        """The numbers of events of a view by leaf, given the aggregation of `counting_in`."""
        if not self._named:
            return (int(found["doc_count"]),)
        return tuple(int(found[leaf.name]["doc_count"]) for leaf in self.leaves)

    def counting_with_hits(self, interval: Interval) -> dict[str, Any]:
        """As `counting`, and the first hits: see `all_hits`."""
        light = light_search(self.request)
        if light is None:
            return self.counting(interval)
        first = {"size": AT_ONCE, "sort": ["_doc"], **light.body}
        return {**self.counting(interval), "query": self.query(interval, None), **first}

    def all_hits(self, answer: Mapping[str, Any]) -> list[Hit] | None:
        """The hits of `query`, by time, given the answer to `counting_with_hits`; None if it does
        not have all of them as they are read."""
        light = light_search(self.request)
        hits: Sequence[Hit] = answer["hits"]["hits"]
        if light is None or len(hits) < answer["hits"]["total"]["value"]:
            return None
        made = light.hits(hits)
        if made is None or any(map(self.must_be_entire, made)):
            return None
        return light.ordered(made)

    @property
    def request(self) -> dict[str, Any]:
        """The part of a search body that fetches what is read of each event."""
        return self._reader.request()

    def must_be_entire(self, hit: Hit) -> bool:
        """Whether a hit has to come with the whole of its `_source`."""
        return self._reader.must_be_entire(hit)

    def occurrences(
        self, hits: Iterable[Hit], groups: Sequence[GroupsToRead] | None
    ) -> Iterator[tuple[GroupKey, Occurrence]]:
        """The occurrences of all groups or of some, by time. `hits` are those of `query`, by
        time."""
        wanted: dict[GroupKey, tuple[Interval, ...]] | None = None
        if groups is not None:
            wanted = {key: each.intervals for each in groups for key in each.keys}
        for hit in hits:
            time = int(hit["sort"][0])
            matched = [leaf for leaf in self.leaves if self._matches(hit, leaf)]
            touched = self._touch.of(hit, time)
            found = occurrences(
                self._reader, hit, matched, touched=touched, together=self._together
            )
            for key, occurrence in found:
                if wanted is None or _within(time, wanted.get(key, ())):
                    yield key, occurrence

    def query(self, interval: Interval, groups: Sequence[GroupsToRead] | None) -> Query:
        """The events in an interval, of all groups or of some."""
        clauses = []
        for leaf in self.leaves:
            filters = [leaf.query]
            if groups is not None:
                filters.append(any_of([_restricted(each, leaf.group_by) for each in groups]))
            name = {"_name": leaf.name} if self._named else {}
            clauses.append({"bool": {**name, "filter": filters}})
        return {
            "bool": {"filter": [during(interval), any_of(clauses)], **self._touch.clause()},
        }

    def _matches(self, hit: Hit, leaf: Leaf) -> bool:
        if self._named and leaf.name not in hit.get("matched_queries", ()):
            return False
        if not self._reader.must_be_decided(hit):
            return True
        return leaf.compiled.matches(hit["_source"])


def occurrences(
    reader: FieldReader,
    hit: Hit,
    matched: Sequence[Leaf],
    *,
    touched: bool,
    together: bool = False,
) -> Iterator[tuple[GroupKey, Occurrence]]:
    """The occurrences of one event: one in each of its groups, with the leaves that it matches.
    `together`: the reader reads the ARN too, which is the occurrence's session."""
    session = next(iter(reader.values(hit, ARN)), "") if together else ""
    for fields in dict.fromkeys(leaf.group_by for leaf in matched):
        leaves = [leaf for leaf in matched if leaf.group_by == fields]
        values = tuple(
            dict.fromkeys(value for leaf in leaves for value in _values(reader, hit, leaf.counted))
        )
        parts = frozenset(leaf.position for leaf in leaves)
        occurrence = Occurrence(int(hit["sort"][0]), hit["_id"], parts, values, touched, session)
        keys = product(*(reader.values(hit, name) for name in fields))
        for key in islice(keys, MOST_KEYS):
            yield key, occurrence


def _values(reader: FieldReader, hit: Hit, counted: Sequence[str]) -> Iterator[Any]:
    """The values of an event that are counted: of several fields, their combinations."""
    if len(counted) == 1:
        yield from reader.values(hit, counted[0])
    elif counted:
        combined = product(*(reader.values(hit, name) for name in counted))
        yield from islice(combined, MOST_KEYS)


def any_of(queries: Sequence[Query]) -> Query:
    """A query for the union of `queries`."""
    if len(queries) == 1:
        return queries[0]
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


def during(interval: Interval) -> Query:
    """Events of an interval."""
    limits = {"gte": interval[0], "lte": interval[1], "format": "epoch_millis"}
    return {"range": {"@timestamp": limits}}


def _restricted(groups: GroupsToRead, fields: tuple[str, ...]) -> Query:
    """A superset of the groups' events, as narrow as the engine can select them."""
    filters: list[Query] = [any_of([during(each) for each in groups.intervals])]
    for place, name in enumerate(fields):
        if groupable(name):
            filters.append({"terms": {name: sorted({key[place] for key in groups.keys})}})
    return {"bool": {"filter": filters}}


def _within(time: int, intervals: Sequence[Interval]) -> bool:
    return any(since <= time <= until for since, until in intervals)
