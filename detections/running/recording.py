"""Records what rules find in a span: the findings of several rules together, where they are few.

Most rules find little, and the requests that record a few findings could record many. What several
rules found is recorded rule by rule where recording it together fails: a rule whose alerts can't be
written keeps none of the others from theirs.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

from opensearchpy import OpenSearch

from detections.alerts.recorder import Recorded, Recorder
from detections.finding import Finding
from detections.rule import Rule
from trailhound.cluster.client import raise_if_unreachable
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import TrailhoundError

RECORDED_AT_ONCE = 1_000
EVENTS_AT_ONCE = 20_000
"""Events of the findings that are recorded at once: some 2 KB each while they are read."""


@dataclass(slots=True)
class RuleRun:
    """What one rule did in one span.

    `findings` counts the rule's findings (for a plain rule, its events); `recorded` are the alerts
    that were written, before the `error` if there is one. `seconds` is the time that it took; of
    what is recorded for several rules at once, each has a share by its findings.
    """

    rule: Rule
    findings: int = 0
    seconds: float = 0.0
    recorded: Recorded = field(default_factory=Recorded)
    error: TrailhoundError | None = None


def next_chunk(findings: Iterator[Finding]) -> list[Finding]:
    """The next findings to record at once; empty at the end."""
    chunk: list[Finding] = []
    events = 0
    for finding in findings:
        chunk.append(finding)
        events += len(finding.events)
        if is_full(len(chunk), events):
            break
    return chunk


def is_full(findings: int, events: int) -> bool:
    """Whether these numbers of findings and events are enough for one batch."""
    return findings >= RECORDED_AT_ONCE or events >= EVENTS_AT_ONCE


@dataclass(frozen=True, slots=True)
class _Part:
    """Findings of one rule, which are recorded at once."""

    run: RuleRun
    findings: Sequence[Finding]

    @property
    def events(self) -> int:
        return sum(len(each.events) for each in self.findings)


class Recording:
    """Records the findings of rules that run over one span, perhaps in several threads.

    Memory is bounded: what waits to be recorded is no more than is recorded at once.
    """

    def __init__(self, client: OpenSearch, where: str, recorder: Recorder, together: int) -> None:
        """`where`: the cluster, in errors. `together`: the number of findings, of several rules,
        from which on those that wait are recorded; 1: none waits."""
        self._client = client
        self._where = where
        self._recorder = recorder
        self._together = together
        self._lock = threading.Lock()
        self._waiting: list[_Part] = []
        self._ended: deque[RuleRun] = deque()

    def record(self, run: RuleRun, findings: Sequence[Finding]) -> None:
        """Record findings of a rule now. A failure is the run's `error`.

        Raises `ClusterUnreachableError` if the cluster does not answer at all.
        """
        self._record([_Part(run, findings)])

    def end(self, run: RuleRun, rest: Sequence[Finding] = ()) -> None:
        """Record the rest of a rule's findings, now or with those of others. Raises as `record`."""
        if not rest:
            self._ended.append(run)
            return
        for parts in self._ready(_Part(run, rest)):
            self._record_and_end(parts)

    def ended(self) -> Iterator[RuleRun]:
        """The runs that are complete, each once."""
        while self._ended:
            yield self._ended.popleft()

    def flush(self) -> None:
        """Record what waits. Raises as `record`."""
        with self._lock:
            parts = self._take()
        self._record_and_end(parts)

    def _ready(self, part: _Part) -> list[list[_Part]]:
        """What is to be recorded now that there is another part."""
        ready = []
        with self._lock:
            number, events = len(part.findings), part.events
            for each in self._waiting:
                number += len(each.findings)
                events += each.events
            if self._waiting and is_full(number, events):
                ready.append(self._take())
                number, events = len(part.findings), part.events
            self._waiting.append(part)
            if number >= self._together:
                ready.append(self._take())
        return ready

    def _take(self) -> list[_Part]:
        parts, self._waiting = self._waiting, []
        return parts

    def _record_and_end(self, parts: Sequence[_Part]) -> None:
        if not parts:
            return
        self._record(parts)
        self._ended.extend(each.run for each in parts)

    def _record(self, parts: Sequence[_Part]) -> None:
        began = monotonic()
        made: defaultdict[str, Recorded] = defaultdict(Recorded)
        findings = [each for part in parts for each in part.findings]
        error: TrailhoundError | None = None
        try:
            with cluster_errors(self._where):
                self._recorder.record_by_rule(findings, made)
        except TrailhoundError as fault:
            raise_if_unreachable(self._client, fault)
            error = fault
        seconds = monotonic() - began
        for part in parts:
            part.run.recorded.add(made[part.run.rule.id])
            part.run.seconds += seconds * len(part.findings) / len(findings)
        if error is None:
            return
        if len(parts) == 1:
            parts[0].run.error = error
            return
        # What was written is found to be there; who fails again has this error.
        for part in parts:
            self._record([part])
