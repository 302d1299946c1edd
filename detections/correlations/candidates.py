"""Finds the groups that can meet a correlation's condition, and when, by aggregations.

Time is divided into buckets of one timespan. A window ends at an event and starts one timespan
before it, both ends included, so it lies within two adjacent buckets, and the sum of their counts
is an upper bound for it. Only groups with a sufficient bound are read, and only there. Composite
aggregations return the groups in pages, in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from detections.correlations.correlation import Correlation
from detections.correlations.parts import GroupsToRead, Interval, Leaf, PlainParts
from detections.events.fields import groupable
from detections.events.index import histogram, terms
from detections.finding import GroupKey
from detections.matcher.event_values import text
from trailhound.cluster.snapshot import Snapshot

BATCH_GROUPS = 500
BATCH_CLAUSES = 200
"""Of the limit of 1,024 for a query; the rules need some as well."""
BATCH_CHARACTERS = 4_000_000
_TIME = "time"
_VALUE = "value"


def candidates(
    snapshot: Snapshot,
    correlation: Correlation,
    parts: PlainParts,
    interval: Interval,
    by_leaf: Sequence[int],
) -> Iterator[tuple[GroupKey, tuple[Interval, ...]]]:
    """Groups that may meet the condition, each once, with the intervals to read.

    `by_leaf` are the leaves' events in the interval. Requires that all parts are plain rules and
    that the engine can group by all of their fields.
    """
    groupings = list(parts.groupings.items())
    if correlation.type in ("event_count", "value_count") and len(groupings) == 1:
        (fields, leaves) = groupings[0]
        if correlation.threshold.minimum > 1:
            yield from _crowded(snapshot, correlation, parts, fields, leaves, interval)
            return
    cover = correlation.cover(by_leaf)
    earlier: list[tuple[tuple[str, ...], list[Leaf]]] = []
    for fields, leaves in groupings:
        chosen = [leaf for leaf in leaves if leaf.position in cover]
        if not chosen:
            continue
        for key in _groups(snapshot, parts, fields, chosen, interval):
            if not _any_seen(snapshot, parts, earlier, key, interval):
                yield key, (interval,)
        earlier.append((fields, chosen))


def batches(
    found: Iterable[tuple[GroupKey, tuple[Interval, ...]]], most: int = BATCH_GROUPS
) -> Iterator[list[GroupsToRead]]:
    """Groups in batches that fit into one query; groups with the same intervals together."""
    batch: dict[tuple[Interval, ...], list[GroupKey]] = {}
    groups = clauses = characters = 0
    for key, intervals in found:
        fresh = 0 if intervals in batch else len(intervals) + len(key)
        size = sum(map(len, key))
        full = (
            groups >= most
            or clauses + fresh > BATCH_CLAUSES
            or characters + size > BATCH_CHARACTERS
        )
        if full and batch:
            yield [GroupsToRead(times, keys) for times, keys in batch.items()]
            batch, groups, clauses, characters = {}, 0, 0, 0
            fresh = len(intervals) + len(key)
        batch.setdefault(intervals, []).append(key)
        groups, clauses, characters = groups + 1, clauses + fresh, characters + size
    if batch:
        yield [GroupsToRead(times, keys) for times, keys in batch.items()]


def _crowded(
    snapshot: Snapshot,
    correlation: Correlation,
    parts: PlainParts,
    fields: tuple[str, ...],
    leaves: Sequence[Leaf],
    interval: Interval,
) -> Iterator[tuple[GroupKey, tuple[Interval, ...]]]:
    """Groups with at least the threshold in two adjacent buckets."""
    minimum, timespan = correlation.threshold.minimum, correlation.timespan
    sources = [terms(f"by{place}", name) for place, name in enumerate(fields)]
    sources.append(histogram(_TIME, timespan))
    valued = {leaf.counted for leaf in leaves} if correlation.type == "value_count" else set()
    named = next(iter(valued)) if len(valued) == 1 else ()
    by_value = len(named) == 1 and groupable(named[0])
    if by_value:
        sources.append(terms(_VALUE, named[0]))
    elif valued:
        for key in _groups(snapshot, parts, fields, leaves, interval):
            yield key, (interval,)
        return
    buckets = snapshot.buckets(parts.found_by(leaves, interval), sources)
    for key, of_group in groupby(buckets, key=lambda bucket: _key(bucket["key"], len(fields))):
        crowded = _crowded_times(of_group, minimum, timespan, by_value=by_value)
        found = tuple(_clipped(crowded, interval))
        if found:
            yield key, found if len(found) <= BATCH_CLAUSES // 2 else ((found[0][0], found[-1][1]),)


def _crowded_times(
    buckets: Iterable[Mapping[str, Any]], minimum: int, timespan: int, *, by_value: bool
) -> Iterator[Interval]:
    """Runs of adjacent buckets of one group in which a window may contain `minimum` events, or
    `minimum` different values. `buckets` are ordered by time.

    A bucket that is sufficient alone is in two pairs, with the bucket before it and the one after
    it. Both are in the run even where the engine returned none: a bucket of `value_count` is
    missing where its events have no value, and those events are in the windows too.
    """
    run: Interval | None = None
    before, before_values, before_count = None, frozenset[str](), 0
    for start, of_time in groupby(buckets, key=lambda bucket: int(bucket["key"][_TIME])):
        count, values = 0, set()
        for bucket in of_time:
            count += bucket["doc_count"]
            if by_value:
                values.add(bucket["key"][_VALUE])
        neighbours = before is not None and start - before == timespan
        alone = len(values) if by_value else count
        pair = alone
        if neighbours:
            pair = len(values | before_values) if by_value else count + before_count
        if pair >= minimum:
            since = start - timespan
            until = start + (2 if alone >= minimum else 1) * timespan - 1
            if run is not None and since <= run[1] + 1:
                run = run[0], max(run[1], until)
            else:
                if run is not None:
                    yield run
                run = since, until
        before, before_values, before_count = start, frozenset(values), count
    if run is not None:
        yield run


def _clipped(runs: Iterable[Interval], interval: Interval) -> Iterator[Interval]:
    """Runs of buckets, cut to the interval: buckets begin before it and end after it."""
    for since, until in runs:
        yield max(since, interval[0]), min(until, interval[1])


def _groups(
    snapshot: Snapshot,
    parts: PlainParts,
    fields: tuple[str, ...],
    leaves: Sequence[Leaf],
    interval: Interval,
) -> Iterator[GroupKey]:
    """Every group in which one of the leaves occurs."""
    if not fields:
        yield ()
        return
    sources = [terms(f"by{place}", name) for place, name in enumerate(fields)]
    for bucket in snapshot.buckets(parts.found_by(leaves, interval), sources):
        yield _key(bucket["key"], len(fields))


def _any_seen(
    snapshot: Snapshot,
    parts: PlainParts,
    earlier: Sequence[tuple[tuple[str, ...], list[Leaf]]],
    key: GroupKey,
    interval: Interval,
) -> bool:
    """Whether rules that group by other fields have already returned the group."""
    for fields, leaves in earlier:
        held = [{"term": {name: value}} for name, value in zip(fields, key, strict=True)]
        query = {"bool": {"filter": [parts.found_by(leaves, interval), *held]}}
        if snapshot.search(query, size=1, _source=False, track_total_hits=False)["hits"]["hits"]:
            return True
    return False


def _key(key: Mapping[str, Any], fields: int) -> GroupKey:
    return tuple(text(key[f"by{place}"]) for place in range(fields))
