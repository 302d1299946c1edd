"""Runs rules of any kind over a span and records their findings as alerts.

A rule that fails or times out does not stop the others; only an unreachable cluster does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from time import monotonic

from opensearchpy import OpenSearch

from detections.alerts.event_query import EventQueries
from detections.alerts.named_events import NamedEvents
from detections.alerts.recorder import Recorder
from detections.events.index import Days
from detections.events.search import Search
from detections.finding import Finding
from detections.packs.pack import Pack
from detections.rule import Rule
from detections.running.recording import Recording, RuleRun, is_full, next_chunk
from detections.running.rule_errors import rule_error
from detections.span import Span
from trailhound.errors import ClusterUnreachableError
from trailhound.settings import Settings
from trailhound.threads import in_order

Evaluate = Callable[[Rule, Span], Iterator[Finding]]
"""Evaluates a rule of any kind but plain. Raises `TrailhoundError`s."""
Idle = Callable[[Sequence[Rule], Span], Collection[str]]
"""The ids of the rules that find nothing in a span, checked for many rules at once. Raises
`ClusterUnreachableError` if the cluster does not answer at all."""


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
        index: str | Days | None = None,
        prepare: Callable[[], object] = lambda: None,
        at_once: int = 1,
        together: int = 1,
        events: NamedEvents | None = None,
    ) -> None:
        """`index`: an expression of daily indices; default: all. `prepare` is called before each
        run, to update what the rules' queries depend on (the known automation). `at_once`: how many
        rules, of other kinds than plain, are evaluated beside each other, each in a thread.
        `together`: from how many findings on those of several rules are recorded at once; 1: each
        rule's by themselves, as soon as it has run. `events`: as for `Recorder`."""
        self._prepare = prepare
        self._at_once = at_once
        self._together = together
        self._client = client
        self._where = settings.hosts[0]
        self._pack = pack
        self._search = Search(client, settings, index=index)
        self._evaluate = evaluate
        self._idle = idle
        rules = {rule.id: rule for rule in (*pack.rules, *pack.disabled)}
        self._recorder = Recorder(client, settings, rules, EventQueries(pack.compiled), events)
        self._took: defaultdict[str, float] = defaultdict(float)
        """The seconds of each rule's last run, by its id."""

    def run(
        self, rules: Sequence[Rule], span: Span, *, record: bool = True, catch_up: str = ""
    ) -> Iterator[RuleRun]:
        """Yields each rule's run once its findings are recorded; without `record` no alert is
        written.

        `catch_up` names the catch-up that new alerts belong to: channels get one digest of them.

        Raises `ClusterUnreachableError` if the cluster does not answer at all.
        """
        self._prepare()
        self._recorder.catch_up = catch_up
        recording = Recording(self._client, self._where, self._recorder, self._together)
        try:
            for _ in self._evaluated(rules, span, recording, record=record):
                yield from self._ended(recording)
        except ClusterUnreachableError:
            raise
        except Exception:
            recording.flush()  # a fault of ours that comes again keeps no alert from being written
            raise
        recording.flush()
        yield from self._ended(recording)

    def _ended(self, recording: Recording) -> Iterator[RuleRun]:
        for run in recording.ended():
            self._took[run.rule.id] = run.seconds
            yield run

    def _evaluated(
        self, rules: Sequence[Rule], span: Span, recording: Recording, *, record: bool
    ) -> Iterator[None]:
        """Evaluates the rules, the plain ones first; after each something may be recorded."""
        plain = [rule for rule in rules if rule.is_plain]
        for found in self._search.find(plain, self._pack.compiled, span):
            run = RuleRun(found.rule, seconds=found.seconds)
            self._consume(run, found.findings, recording, record=record)
            yield
        others = [rule for rule in rules if rule.kind != "sigma"]
        if self._at_once > 1:
            # Those that took longest in the last run first: begun last, such a rule would go on
            # while the other threads have nothing left.
            others.sort(key=lambda rule: -self._took[rule.id])
        idle = self._idle(others, span) if self._idle is not None and others else ()

        def run_of(rule: Rule) -> None:
            findings = iter(()) if rule.id in idle else self._evaluate(rule, span)
            self._consume(RuleRun(rule), findings, recording, record=record)

        yield from in_order(run_of, others, self._at_once, "rule")

    def _consume(
        self, run: RuleRun, findings: Iterable[Finding], recording: Recording, *, record: bool
    ) -> None:
        began = monotonic()
        waiting, rest = iter(findings), list[Finding]()
        try:
            while chunk := next_chunk(waiting):
                run.findings += len(chunk)
                if not record:
                    continue
                if not is_full(len(chunk), sum(len(each.events) for each in chunk)):
                    rest = chunk  # there are no more
                    break
                run.seconds += monotonic() - began
                recording.record(run, chunk)
                began = monotonic()
                if run.error is not None:
                    break
        except Exception as error:
            run.error = rule_error(self._client, run.rule, error)
            if run.error is None:
                raise
        run.seconds += monotonic() - began
        recording.end(run, rest)
