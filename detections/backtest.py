"""Runs rules over history and compares their hits with a noise budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic, sleep
from typing import Any, Final
from xml.etree import ElementTree as Xml

from opensearchpy import OpenSearch

from detections.events.daily_indices import SkippedDay
from detections.events.index import EventIndex
from detections.events.search import RuleOutcome, Search
from detections.finding import Finding
from detections.history import PIECE_EVENTS, HistorySlice, Survey, survey
from detections.hits import HitDetails, HitExample, Hits
from detections.packs.pack import Pack
from detections.rule import Level, Rule
from detections.running.evaluation import Evaluator
from detections.running.rule_errors import rule_error
from detections.span import BEGINNING, Span
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import TrailhoundError
from trailhound.plural import plural
from trailhound.settings import Settings

Watch = Callable[[HistorySlice, float, int], None]
"""Called with the current piece of the history, the share of the rules that have run over it, and
the number of events of the whole history."""
_WAITS: Final = (0.0, 2.0, 6.0)
"""Seconds before each further try to count a rule."""
_NO_MEMORY: Final = "Data too large"
"""In the reason of an engine's circuit breaker."""
HIGH_SEVERITY: tuple[Level, ...] = ("high", "critical")


@dataclass(frozen=True, slots=True)
class Budget:
    """Allowed hits of a rule for each 1,000 events; None for no limit."""

    each: float | None = None
    high_severity: float | None = None
    """Of rules of level high and critical."""

    def allowed(self, level: Level, events: int) -> float | None:
        """Hits allowed among `events`; one is always allowed."""
        rate = (
            self.high_severity
            if level in HIGH_SEVERITY and self.high_severity is not None
            else self.each
        )
        return None if rate is None else max(1.0, rate * events / 1000)


@dataclass(frozen=True, slots=True)
class RuleBacktest:
    """The result of one rule; `allowed` is its budget in hits. `details` are there where they were
    asked for, and `example` where the event is in the index."""

    outcome: RuleOutcome
    allowed: float | None = None
    details: Hits | None = None
    example: HitExample | None = None

    @property
    def over(self) -> bool:
        """Whether the hits exceed the budget."""
        return self.allowed is not None and self.outcome.hits > self.allowed

    @property
    def passed(self) -> bool:
        return self.outcome.error is None and not self.over


@dataclass(frozen=True, slots=True)
class Backtest:
    """All rules over the span, the noisiest first, and the number of events in it.

    `skipped` are the days of the span that can't be read; `left` is what not every rule has
    searched because of an interruption, `events` and hits are of the time before it.
    """

    events: int
    tried: tuple[RuleBacktest, ...]
    skipped: tuple[SkippedDay, ...] = ()
    left: Span | None = None

    @property
    def passed(self) -> bool:
        complete = not self.skipped and self.left is None
        return complete and all(each.passed for each in self.tried)

    def hits(self) -> dict[str, int]:
        """Rule id → hits, of the rules that had any."""
        return {each.outcome.rule.id: each.outcome.hits for each in self.tried if each.outcome.hits}

    def detailed(self) -> dict[str, dict[str, Any]]:
        """Rule id → hits, on which days, and an event, of the rules that had any."""
        return {
            each.outcome.rule.id: {
                "hits": each.outcome.hits,
                "by_day": dict(sorted(each.details.by_day.items())) if each.details else {},
                "example": each.example.as_dict() if each.example else None,
            }
            for each in self.tried
            if each.outcome.hits
        }

    def junit(self) -> str:
        """As JUnit XML for CI, one test case for each rule."""
        failed = sum(each.over for each in self.tried)
        errors = sum(each.outcome.error is not None for each in self.tried)
        suite = Xml.Element(
            "testsuite",
            name="trailhound rules backtest",
            tests=str(len(self.tried)),
            failures=str(failed),
            errors=str(errors),
            time=f"{sum(each.outcome.seconds for each in self.tried):.3f}",
        )
        for each in self.tried:
            rule, outcome = each.outcome.rule, each.outcome
            case = Xml.SubElement(
                suite,
                "testcase",
                classname=f"rules.{rule.level}",
                name=_printable(f"{rule.title} ({rule.id})"),
                time=f"{outcome.seconds:.3f}",
            )
            if outcome.error is not None:
                Xml.SubElement(case, "error", message=_printable(outcome.error.message))
            elif each.over:
                found = f"{plural(outcome.hits, 'hit')} in {plural(self.events, 'event')}"
                text = f"{found}, {each.allowed:.1f} allowed"
                Xml.SubElement(case, "failure", message=text)
            Xml.SubElement(case, "system-out").text = plural(outcome.hits, "hit")
        return Xml.tostring(suite, encoding="unicode", xml_declaration=True)


def backtest(
    client: OpenSearch,
    settings: Settings,
    pack: Pack,
    span: Span,
    *,
    budget: Budget | None = None,
    watch: Watch = lambda _piece, _share, _events: None,
    piece_events: int = PIECE_EVENTS,
    detail: bool = False,
) -> Backtest:
    """Runs every alerting rule of the pack over the events of the span, in pieces of days as
    `detect` does; `watch` is called as rules begin and end. `detail`: find the days of the hits and
    an event of each rule too, which takes one more search for each rule that has hits.

    A rule whose query fails does not stop the others. A `KeyboardInterrupt` ends it: pieces that
    every rule has searched are counted. Raises `NoEventsIndexError`, and `ClusterError` if no rule
    can be run.
    """
    with cluster_errors(settings):
        found = survey(client, settings, span, piece_events=piece_events)
    counts = {each.id: _Count(each) for each in pack.alerting}
    tried = _Pieces(client, settings, pack, found, watch, detail=detail)
    events, left = 0, None
    for piece in found.pieces:
        try:
            ran = list(tried.outcomes(piece))
        except KeyboardInterrupt:
            left = replace(piece.span, until=found.pieces[-1].span.until)
            break
        for outcome, earlier, details in ran:
            counts[outcome.rule.id].add(outcome, earlier, details)
        events += piece.events
    allowed = budget or Budget()
    made = [
        RuleBacktest(
            each.outcome(),
            allowed.allowed(each.rule.level, events),
            each.whole() if detail else None,
        )
        for each in counts.values()
    ]
    made.sort(key=lambda each: (-each.outcome.hits, each.outcome.rule.title))
    with cluster_errors(settings):
        named = {each.details.event for each in made if each.details and each.details.event}
        examples = tried.details.examples(named)
    tests = (
        replace(each, example=examples.get(each.details.event)) if each.details else each
        for each in made
    )
    return Backtest(events, tuple(tests), found.skipped, left)


@dataclass(slots=True)
class _Count:
    """The hits of a rule so far. `earlier`: findings that begin before the span, which several
    pieces may have."""

    rule: Rule
    hits: int = 0
    seconds: float = 0.0
    error: TrailhoundError | None = None
    earlier: set[Finding] = field(default_factory=set)
    details: Hits = field(default_factory=Hits)

    def add(self, outcome: RuleOutcome, earlier: Collection[Finding], details: Hits) -> None:
        self.details.add(details)
        self.hits += outcome.hits
        self.seconds += outcome.seconds
        self.error = self.error or outcome.error
        self.earlier.update(earlier)

    def outcome(self) -> RuleOutcome:
        hits = self.hits + len(self.earlier)
        return RuleOutcome(self.rule, hits, round(self.seconds, 3), self.error)

    def whole(self) -> Hits:
        """The days of all hits."""
        made = Hits()
        for each in sorted(self.earlier, key=lambda it: it.first_seen):
            made.note(each)
        made.add(self.details)
        return made


_Tried = tuple[RuleOutcome, Sequence[Finding], Hits]


class _Pieces:
    """Runs the rules of a pack over pieces of history."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        pack: Pack,
        found: Survey,
        watch: Watch,
        *,
        detail: bool,
    ) -> None:
        index = found.indices
        self._client = client
        self._pack = pack
        self._begin = found.pieces[0].span.since if found.pieces else BEGINNING
        self._search = Search(client, settings, index=index)
        self._evaluator = Evaluator(client, settings, pack.compiled, index=index)
        self._plain = [rule for rule in pack.alerting if rule.is_plain]
        self._others = [rule for rule in pack.alerting if rule.kind != "sigma"]
        self._events, self._watch = found.events, watch
        seconds = settings.cluster.timeout / 2
        self.details = HitDetails(client, EventIndex(client, index, seconds=seconds))
        self._detail = detail

    def outcomes(self, piece: HistorySlice) -> Iterator[_Tried]:
        """Each rule's hits that begin in a piece, its findings that begin before all pieces, and on
        which days the former are.

        A burst that goes on in the next piece is found in both.
        """
        span, rules, ran = piece.span, len(self._pack.alerting), 0
        self._watch(piece, 0.0, self._events)
        for outcome in self._search.count(self._plain, self._pack.compiled, span):
            ran += 1
            self._watch(piece, ran / rules, self._events)
            yield self._detailed(
                outcome if outcome.error is None else self._again(outcome.rule, span), span
            )
        idle = self._evaluator.idle(self._others, span) if self._others else ()
        for rule in self._others:
            is_idle = rule.id in idle
            yield (RuleOutcome(rule), (), Hits()) if is_idle else self._evaluated(rule, span)
            ran += 1
            self._watch(piece, ran / rules, self._events)

    def _detailed(self, outcome: RuleOutcome, span: Span) -> _Tried:
        """A plain rule's hits, with their days if they are asked for."""
        details, error = Hits(), outcome.error
        if self._detail and outcome.hits and error is None:
            try:
                details = self.details.of(self._pack.compiled[outcome.rule.id], span)
            except Exception as fault:
                error = rule_error(self._client, outcome.rule, fault)
                if error is None:
                    raise
        return replace(outcome, error=error), (), details

    def _again(self, rule: Rule, span: Span) -> RuleOutcome:
        """A rule whose count failed, by itself: beside a hundred others an engine may lack the
        memory for it, which it has a little later."""
        outcome = RuleOutcome(rule)
        for seconds in _WAITS:
            sleep(seconds)
            (outcome,) = self._search.count([rule], self._pack.compiled, span)
            if outcome.error is None or _NO_MEMORY not in outcome.error.message:
                break
        return outcome

    def _evaluated(self, rule: Rule, span: Span) -> _Tried:
        """The number of findings of a rule of another kind."""
        started = monotonic()
        hits, earlier, details = 0, list[Finding](), Hits()
        error: TrailhoundError | None = None
        try:
            for each in self._evaluator.evaluate(rule, span):
                if each.first_seen < self._begin and span.clock == "@timestamp":
                    earlier.append(each)
                elif span.clock != "@timestamp" or span.since <= each.first_seen < span.until:
                    hits += 1
                    details.note(each)
        except Exception as fault:
            error = rule_error(self._client, rule, fault)
            if error is None:
                raise
        seconds = round(monotonic() - started, 3)
        return RuleOutcome(rule, hits, seconds, error=error), earlier, details


def _printable(text: str) -> str:
    """Without characters that XML does not allow."""
    return "".join(each if each.isprintable() else " " for each in text)[:500]
