"""Finds the bursts of a correlation in a span, exactly.

First it finds the intervals of event time that the span touches: the span itself, by `@timestamp`,
or the times of the events ingested in it. Around them, one timespan in each direction, it finds the
groups that can meet the condition, and reads their events by time through sliding windows. A burst
that continues at an edge is followed beyond it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from detections.correlations.candidates import BATCH_GROUPS, batches, candidates
from detections.correlations.correlation import Correlation
from detections.correlations.occurrences import Occurrence
from detections.correlations.parts import (
    Compile,
    Counts,
    GroupsToRead,
    Interval,
    PlainParts,
    Touch,
    during,
)
from detections.correlations.prospects import KnownEvents, Promising, Prospect, near, viewed
from detections.correlations.sweep import MAX_HELD, Sweep
from detections.correlations.windows import Burst
from detections.events.anchors import Anchor, anchor_of, anchors
from detections.events.fields import Hit
from detections.events.index import EventIndex
from detections.finding import Finding, GroupKey
from detections.span import Span, duration, moment
from trailhound.cluster.reader import HITS_PAGE
from trailhound.cluster.snapshot import Snapshot

WHOLE = 300
"""Up to this number, all events are read in one request. The search for candidate groups costs the
engine about as much as reading so many events."""
MAX_EXTENSIONS = 6
"""Number of extensions of a burst, each twice as long: 1 + 2 + … + 32 timespans on each side."""
PENDING = 200
PENDING_EVENTS = 50_000
"""Bursts that have to be followed are collected up to these numbers: of bursts, and of the ids of
their events (5 MB)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of memory: up to `whole` events are read in one request, `batch` groups are read
    together, `max_held` events are in windows at once, and `pending` ids of events are in bursts
    that have to be followed.

    `whole`, `batch` and `pending` do not change results.
    """

    whole: int = WHOLE
    batch: int = BATCH_GROUPS
    max_held: int = MAX_HELD
    pending: int = PENDING_EVENTS


class Correlator:
    """One correlation over one index."""

    def __init__(
        self,
        index: EventIndex,
        correlation: Correlation,
        compile_rule: Compile,
        limits: Limits | None = None,
        *,
        known: KnownEvents | None = None,
    ) -> None:
        """`known`: the calls and services of the span that `findings` is called with, if known."""
        self._index = index
        self._known = known
        self._correlation = correlation
        self._compile = compile_rule
        self._limits = limits or Limits()

    def findings(
        self, rule_id: str, span: Span, promising: Iterable[Promising] | None = None
    ) -> Iterator[Finding]:
        """Every burst with at least one event in the span, in no particular order.

        `promising`: its views that may find something, where that is known. Raises `ClusterError`
        where the index cannot answer in full, and `RuleError` where the correlation has more events
        in its windows than `max_held`.
        """
        for each in self._promising(span) if promising is None else promising:
            with ExitStack() as opened:
                search = _Search(each, self._index, self._limits, span, self._known, opened)
                for key, burst in search.bursts():
                    yield burst_finding(each.correlation, rule_id, key, burst)

    def _promising(self, span: Span) -> Iterator[Promising]:
        for correlation, compile_rule in viewed(self._correlation, self._compile):
            prospect = Prospect(correlation, compile_rule, span, self._known)
            yield from prospect.promising(self._index.search(prospect.body))


def burst_finding(correlation: Correlation, rule_id: str, key: GroupKey, burst: Burst) -> Finding:
    """A burst as a finding."""
    took = duration((burst.last - burst.first) / 1000)
    return Finding(
        rule_id=rule_id,
        events=tuple(burst.ids),
        count=burst.count,
        first_seen=moment(burst.first),
        last_seen=moment(burst.last),
        group=tuple(zip(correlation.group_by, key, strict=True)),
        detail=f"{burst.count} events within {took}" if burst.count > 1 else "",
    )


class _Search:
    """One evaluation: a correlation in a view, an index, a span.

    A few events are read by one search; for more, a snapshot is taken, which `opened` closes.
    """

    def __init__(
        self,
        promising: Promising,
        index: EventIndex,
        limits: Limits,
        span: Span,
        known: KnownEvents | None,
        opened: ExitStack,
    ) -> None:
        correlation = promising.correlation
        self._promising = promising
        self._correlation = correlation
        self._compile = promising.compile_rule
        self._index = index
        self._limits = limits
        self._span = span
        self._known = known
        self._opened = opened
        self._taken: Snapshot | None = None
        self._covered: Interval | None = None
        self._few = self._many = False
        self._touch = Touch(span)
        self._parts: dict[tuple[int, bool], PlainParts] = {}
        self._given: set[tuple[GroupKey, int, str]] = set()
        self._sweep = Sweep(correlation, self, limits.max_held)

    def _snapshot_of(self, interval: Interval | None) -> Snapshot:
        """A snapshot of the events of an interval at least; None for those of all time."""
        if self._taken is None or not _covers(self._covered, interval):
            query = None if interval is None else during(interval)
            self._taken = self._opened.enter_context(self._index.snapshot(query))
            self._covered = interval
        return self._taken

    def bursts(self) -> Iterator[tuple[GroupKey, Burst]]:
        """The complete bursts with a touched event."""
        reach = self._correlation.max_window
        if self._span.clock == "@timestamp":
            yield from self._of(anchor_of(self._span, reach), self._promising.counts)
            return
        for anchor in anchors(self._snapshot_of(None), self._span, self._promising.touched, reach):
            yield from self._of(anchor, None)

    def _of(self, anchor: Anchor, counts: Counts | None) -> Iterator[tuple[GroupKey, Burst]]:
        """The complete bursts of the windows that end in the anchor. `counts`: of the events in and
        around it, if known."""
        pending: list[tuple[GroupKey, Burst]] = []
        events = 0
        for key, burst in self._near(anchor, counts):
            if self._open(burst, anchor):
                pending.append((key, burst))
                events += len(burst.ids)
            elif burst.touched:
                yield key, burst
            if len(pending) >= PENDING or events >= self._limits.pending:
                yield from self._once(self._followed(pending, anchor))
                pending, events = [], 0
        yield from self._once(self._followed(pending, anchor))

    def _once(self, followed: Iterator[tuple[GroupKey, Burst]]) -> Iterator[tuple[GroupKey, Burst]]:
        """Bursts without repetition: one may be found at two edges."""
        for key, burst in followed:
            mark = key, burst.first, burst.ids[0]
            if mark not in self._given:
                self._given.add(mark)
                yield key, burst

    def _open(self, burst: Burst, anchor: Anchor) -> bool:
        """Whether a window that was not evaluated may belong to the burst."""
        return burst.touched and (self._before(burst, anchor) or self._after(burst, anchor))

    def _before(self, burst: Burst, anchor: Anchor) -> bool:
        return burst.start < anchor.since

    def _after(self, burst: Burst, anchor: Anchor) -> bool:
        return burst.fired + self._correlation.timespan > anchor.until

    def _followed(
        self, pending: list[tuple[GroupKey, Burst]], anchor: Anchor
    ) -> Iterator[tuple[GroupKey, Burst]]:
        """Bursts that continue at an edge, from wider and wider intervals of their groups.

        A burst that is longer than the last interval is returned as it is there.
        """
        step = self._correlation.timespan
        for _ in range(MAX_EXTENSIONS):
            if not pending:
                return
            since, until = anchor.since, anchor.until
            if any(self._before(burst, anchor) for _, burst in pending):
                since -= step
            if any(self._after(burst, anchor) for _, burst in pending):
                until += step
            anchor = Anchor(since, until)
            step *= 2
            known: dict[GroupKey, list[int]] = {}
            for key, burst in pending:
                known.setdefault(key, []).append(burst.first_fired)
            pending = []
            window = self._correlation.around(since, until)
            groups = [GroupsToRead((window,), list(known))]
            for key, burst in self._sweep.bursts(anchor, groups):
                # What a narrower interval showed is part of this burst.
                if not any(burst.first_fired <= each <= burst.fired for each in known.get(key, ())):
                    continue
                if self._open(burst, anchor):
                    pending.append((key, burst))
                else:
                    yield key, burst
        yield from pending

    def _near(self, anchor: Anchor, counts: Counts | None) -> Iterator[tuple[GroupKey, Burst]]:
        """The bursts of the anchor's windows, by the cheaper way."""
        correlation = self._correlation
        interval = near(anchor, correlation)
        parts = self._plain(correlation, interval)
        if correlation.nested:
            yield from self._sweep.bursts(anchor)
            return
        if counts is None:
            counts = parts.counts(self._snapshot_of(interval).search(**parts.counting(interval)))
        if not correlation.possible(counts.by_leaf):
            return
        self._many = counts.total > HITS_PAGE
        if (
            not parts.grouped_by_engine
            or counts.total <= self._limits.whole
            or (not correlation.group_by and correlation.threshold.minimum <= 1)
        ):
            self._few = counts.total <= self._limits.whole
            yield from self._sweep.bursts(anchor)
            self._few = False
            return
        snapshot = self._snapshot_of(interval)
        found = candidates(snapshot, correlation, parts, interval, counts.by_leaf)
        for groups in batches(found, self._limits.batch):
            yield from self._sweep.bursts(anchor, groups)

    def read(
        self, correlation: Correlation, interval: Interval, groups: Sequence[GroupsToRead] | None
    ) -> Iterator[tuple[GroupKey, Occurrence]]:
        """As `sweep.Occurrences`, from the index."""
        parts = self._plain(correlation, interval)
        if not parts.leaves or groups == []:
            return iter(())
        return parts.occurrences(self._hits(parts, interval, groups), groups)

    def _hits(
        self, parts: PlainParts, interval: Interval, groups: Sequence[GroupsToRead] | None
    ) -> Iterator[Hit]:
        known = self._promising.hits
        if self._few and groups is None and known is not None:
            return iter(known)
        query = parts.query(interval, groups)
        if self._few:
            hits = list(self._index.documents(query, parts.request))
            if not any(map(parts.must_be_entire, hits)):
                return iter(hits)
        return self._snapshot_of(interval).hits(
            query, parts.request, entire=parts.must_be_entire, many=self._many
        )

    def _plain(self, correlation: Correlation, interval: Interval) -> PlainParts:
        known = self._known
        compile_rule = self._compile if known is None else known.compiling(self._compile, interval)
        key = id(correlation), compile_rule is self._compile
        parts = self._parts.get(key)
        if parts is None:
            parts = self._parts[key] = PlainParts(correlation, compile_rule, self._touch)
        return parts


def _covers(covered: Interval | None, interval: Interval | None) -> bool:
    if covered is None or interval is None:
        return covered is None
    return covered[0] <= interval[0] and interval[1] <= covered[1]
