"""Finds the bursts of a correlation in a span, exactly.

First it finds the intervals of event time that the span touches: the span itself, by `@timestamp`,
or the times of the events ingested in it. Around them, one timespan in each direction, it finds the
groups that can meet the condition, and reads their events by time through sliding windows. A burst
that continues at an edge is followed beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sigma.rule import SigmaRule

from detections.compiled import Compiled, Query
from detections.correlations.candidates import BATCH_GROUPS, batches, candidates
from detections.correlations.correlation import Correlation
from detections.correlations.occurrences import GroupKey, Occurrence
from detections.correlations.parts import Compile, Interval, PlainParts, Some, Touch, any_of
from detections.correlations.sweep import MAX_HELD, Sweep
from detections.correlations.windows import Burst
from detections.events.anchors import Anchor, anchors
from detections.events.index import EventIndex
from detections.events.principal import View, views
from detections.finding import Finding
from detections.span import Span, duration, moment
from trailhound.cluster.reader import Snapshot

WHOLE = 10_000
"""Up to this number, events are read at once, without looking for candidate groups first."""
MAX_EXTENSIONS = 6
"""How often a burst is followed, twice as far each time: 1 + 2 + … + 32 timespans per side."""
PENDING = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """Of memory: `batch` groups are read together, `max_held` events are in windows at once.

    `whole` and `batch` do not change results.
    """

    whole: int = WHOLE
    batch: int = BATCH_GROUPS
    max_held: int = MAX_HELD


class Correlator:
    """One correlation over one index."""

    def __init__(
        self,
        index: EventIndex,
        correlation: Correlation,
        compile_rule: Compile,
        limits: Limits | None = None,
    ) -> None:
        self._index = index
        self._correlation = correlation
        self._compile = compile_rule
        self._limits = limits or Limits()

    def findings(self, rule_id: str, span: Span) -> Iterator[Finding]:
        """Every burst with at least one event in the span, in no particular order.

        Raises `ClusterError` where the index cannot answer in full, and `RuleError` where the
        correlation has more events in its windows than `max_held`.
        """
        names = self._correlation.group_by
        if not self._correlation.grouped_alike:  # aliases: the parts' own fields are compared
            yield from self._findings(self._correlation, self._compile, rule_id, span)
            return
        for view in views(names):
            viewed = self._correlation.grouped_by(dict(zip(names, view.fields, strict=True)))
            compile_rule = partial(_viewed, view, self._compile)
            yield from self._findings(viewed, compile_rule, rule_id, span)

    def _findings(
        self, correlation: Correlation, compile_rule: Compile, rule_id: str, span: Span
    ) -> Iterator[Finding]:
        leaves = any_of([compile_rule(rule).query for rule in correlation.leaves()])
        touched: Query = {"bool": {"filter": [leaves, span.query()]}}
        if not self._index.count(touched):
            return
        with self._index.snapshot() as snapshot:
            search = _Search(correlation, compile_rule, self._limits, snapshot, span)
            for anchor in anchors(snapshot, span, touched, correlation.max_window):
                for key, burst in search.bursts(anchor):
                    yield burst_finding(correlation, rule_id, key, burst)


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


def _viewed(view: View, compile_rule: Compile, rule: SigmaRule) -> Compiled:
    return view.of(compile_rule(rule))


class _Search:
    """One evaluation: a correlation, a snapshot, a span."""

    def __init__(
        self,
        correlation: Correlation,
        compile_rule: Compile,
        limits: Limits,
        snapshot: Snapshot,
        span: Span,
    ) -> None:
        self._correlation = correlation
        self._compile = compile_rule
        self._limits = limits
        self._snapshot = snapshot
        self._touch = Touch(span)
        self._parts: dict[int, PlainParts] = {}
        self._given: set[tuple[GroupKey, int, str]] = set()
        self._sweep = Sweep(correlation, self, limits.max_held)

    def bursts(self, anchor: Anchor) -> Iterator[tuple[GroupKey, Burst]]:
        """The complete bursts of the anchor's windows with a touched event."""
        pending: list[tuple[GroupKey, Burst]] = []
        for key, burst in self._near(anchor):
            if self._open(burst, anchor):
                pending.append((key, burst))
            elif burst.touched:
                yield key, burst
            if len(pending) >= PENDING:
                yield from self._once(self._followed(pending, anchor))
                pending = []
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
            known: dict[GroupKey, list[Burst]] = {}
            for key, burst in pending:
                known.setdefault(key, []).append(burst)
            pending = []
            window = since - self._correlation.timespan, until
            groups = [Some((window,), list(known))]
            for key, burst in self._sweep.bursts(anchor, groups):
                if not any(_holds(burst, each) for each in known.get(key, ())):
                    continue
                if self._open(burst, anchor):
                    pending.append((key, burst))
                else:
                    yield key, burst
        yield from pending

    def _near(self, anchor: Anchor) -> Iterator[tuple[GroupKey, Burst]]:
        """The bursts of the anchor's windows, by the cheaper way."""
        correlation = self._correlation
        parts = self._plain(correlation)
        interval = anchor.since - correlation.timespan, anchor.until
        if (
            correlation.nested
            or not parts.grouped_by_engine
            or self._snapshot.count(parts.found_by(parts.leaves, interval)) <= self._limits.whole
            or (not correlation.group_by and correlation.threshold.minimum <= 1)
        ):
            yield from self._sweep.bursts(anchor)
            return
        found = candidates(self._snapshot, correlation, parts, interval)
        for groups in batches(found, self._limits.batch):
            yield from self._sweep.bursts(anchor, groups)

    def read(
        self, correlation: Correlation, interval: Interval, groups: Sequence[Some] | None
    ) -> Iterator[tuple[GroupKey, Occurrence]]:
        """As `sweep.Occurrences`, from the index."""
        return self._plain(correlation).read(self._snapshot, interval, groups)

    def _plain(self, correlation: Correlation) -> PlainParts:
        parts = self._parts.get(id(correlation))
        if parts is None:
            parts = PlainParts(correlation, self._compile, self._touch)
            self._parts[id(correlation)] = parts
        return parts


def _holds(burst: Burst, part: Burst) -> bool:
    """Whether `part` is what an earlier, narrower interval showed of `burst`."""
    return burst.first_fired <= part.first_fired <= burst.fired
