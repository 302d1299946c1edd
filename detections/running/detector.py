"""Runs rules of any kind over a span and records their findings as alerts.

A rule that fails or times out does not stop the others; only an unreachable cluster does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

from opensearchpy import OpenSearch

from detections.alerts.event_query import EventQueries
from detections.alerts.recorder import Recorded, Recorder
from detections.events.search import Search
from detections.finding import Finding
from detections.packs.pack import Pack
from detections.rule import Rule
from detections.span import Span
from trailhound.cluster.client import answers
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import ClusterUnreachableError, TrailhoundError
from trailhound.settings import Settings
from trailhound.threads import in_order

RECORDED_AT_ONCE = 1_000
EVENTS_AT_ONCE = 20_000
"""Events of the findings that are recorded at once: some 2 KB each while they are read."""

Evaluate = Callable[[Rule, Span], Iterator[Finding]]
"""Evaluates a rule of any kind but plain. Raises `TrailhoundError`s."""
Idle = Callable[[Sequence[Rule], Span], Collection[str]]
"""The ids of the rules that find nothing in a span, checked for many rules at once."""


@dataclass(slots=True)
class RuleRun:
    """What one rule did in one span.

    `findings` counts the rule's findings (for a plain rule, its events); `recorded` are the alerts
    that were written, before the `error` if there is one. `seconds` is the time that it took.
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
        if len(chunk) >= RECORDED_AT_ONCE or events >= EVENTS_AT_ONCE:
            break
    return chunk


class Detector:
    """Runs the rules of a pack."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        pack: Pack,
        evaluate: Evaluate,
        idle: Idle | None = None,
        *,
        index: str | None = None,
        prepare: Callable[[], object] = lambda: None,
        at_once: int = 1,
    ) -> None:
        """`index`: an expression of daily indices; default: all. `prepare` is called before each
        run, to update what the rules' queries depend on (the known automation). `at_once`: how many
        rules, of other kinds than plain, are evaluated beside each other, each in a thread."""
        self._prepare = prepare
        self._at_once = at_once
        self._client = client
        self._where = settings.hosts[0]
        self._pack = pack
        self._search = Search(client, settings, index=index)
        self._evaluate = evaluate
        self._idle = idle
        rules = {rule.id: rule for rule in (*pack.rules, *pack.disabled)}
        self._recorder = Recorder(client, settings, rules, EventQueries(pack.compiled))

    def run(
        self, rules: Sequence[Rule], span: Span, *, record: bool = True, catch_up: str = ""
    ) -> Iterator[RuleRun]:
        """Yields each rule's run, plain rules first; without `record` no alert is written.

        `catch_up` names the catch-up that new alerts belong to: channels get one digest of them.

        Raises `ClusterUnreachableError` if the cluster does not answer at all.
        """
        self._prepare()
        self._recorder.catch_up = catch_up
        plain = [rule for rule in rules if rule.is_plain]
        for found in self._search.find(plain, self._pack.compiled, span):
            run = RuleRun(found.rule, seconds=found.seconds)
            self._consume(run, found.findings, record=record)
            yield run
        others = [rule for rule in rules if rule.kind != "sigma"]
        idle = self._idle_of(others, span)

        def run_of(rule: Rule) -> RuleRun:
            run = RuleRun(rule)
            if rule.id not in idle:
                self._consume(run, self._evaluate(rule, span), record=record)
            return run

        yield from in_order(run_of, others, self._at_once, "rule")

    def _idle_of(self, rules: Sequence[Rule], span: Span) -> Collection[str]:
        if self._idle is None or not rules:
            return ()
        try:
            return self._idle(rules, span)
        except ClusterUnreachableError:
            if not answers(self._client):
                raise
            return ()

    def _consume(self, run: RuleRun, findings: Iterable[Finding], *, record: bool) -> None:
        began = monotonic()
        waiting = iter(findings)
        try:
            while chunk := next_chunk(waiting):
                run.findings += len(chunk)
                if record:
                    self._record(run.recorded, chunk)
        except ClusterUnreachableError as error:
            if not answers(self._client):
                raise
            run.error = error
        except TrailhoundError as error:
            run.error = error
        run.seconds += monotonic() - began

    def _record(self, recorded: Recorded, findings: list[Finding]) -> None:
        with cluster_errors(self._where):
            made = self._recorder.record(findings)
        recorded.created |= made.created
        recorded.updated |= made.updated
        recorded.merged |= made.merged
