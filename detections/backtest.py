"""Runs rules over history and compares their hits with a noise budget."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from time import monotonic
from xml.etree import ElementTree as Xml

from opensearchpy import OpenSearch

from detections.events.daily_indices import SkippedDay
from detections.events.search import RuleOutcome, Search
from detections.history import survey
from detections.packs.pack import Pack
from detections.rule import Level, Rule
from detections.running.detector import Evaluate
from detections.running.evaluation import Evaluator
from detections.span import Span
from trailhound.cluster.client import answers
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import ClusterUnreachableError, TrailhoundError
from trailhound.plural import plural
from trailhound.settings import Settings

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
    """The result of one rule; `allowed` is its budget in hits."""

    outcome: RuleOutcome
    allowed: float | None = None

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

    `skipped` are the days of the span that can't be read.
    """

    events: int
    tried: tuple[RuleBacktest, ...]
    skipped: tuple[SkippedDay, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.skipped and all(each.passed for each in self.tried)

    def hits(self) -> dict[str, int]:
        """Rule id → hits, of the rules that had any."""
        return {each.outcome.rule.id: each.outcome.hits for each in self.tried if each.outcome.hits}

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
) -> Backtest:
    """Runs every alerting rule of the pack over the events of the span.

    A rule whose query fails does not stop the others. Raises `NoEventsIndexError`, and
    `ClusterError` if no rule can be run.
    """
    with cluster_errors(settings):
        found = survey(client, settings, span)
    rules = pack.alerting
    if found.span is None:
        outcomes = [RuleOutcome(each) for each in rules]
    else:
        index = found.indices
        evaluator = Evaluator(client, settings, pack.compiled, index=index)
        plain = [rule for rule in rules if rule.is_plain]
        outcomes = list(
            Search(client, settings, index=index).count(plain, pack.compiled, found.span)
        )
        others = [rule for rule in rules if rule.kind != "sigma"]
        idle = _idle(client, others, found.span, evaluator)
        outcomes += [
            RuleOutcome(each)
            if each.id in idle
            else _evaluated(client, each, found.span, evaluator.evaluate)
            for each in others
        ]
    outcomes.sort(key=lambda each: (-each.hits, each.rule.title))
    allowed, events = budget or Budget(), found.events
    tried = tuple(RuleBacktest(each, allowed.allowed(each.rule.level, events)) for each in outcomes)
    return Backtest(events, tried, found.skipped)


def _idle(
    client: OpenSearch, rules: Sequence[Rule], span: Span, evaluator: Evaluator
) -> Collection[str]:
    """The ids of rules that find nothing, asked at once; none where that request fails."""
    try:
        return evaluator.idle(rules, span)
    except ClusterUnreachableError:
        if not answers(client):
            raise
        return ()


def _evaluated(client: OpenSearch, rule: Rule, span: Span, evaluate: Evaluate) -> RuleOutcome:
    """The number of findings of a rule of another kind."""
    started = monotonic()
    hits = 0
    error: TrailhoundError | None = None
    try:
        hits = sum(1 for _ in evaluate(rule, span))
    except ClusterUnreachableError as fault:
        if not answers(client):
            raise
        error = fault
    except TrailhoundError as fault:
        error = fault
    return RuleOutcome(rule, hits, round(monotonic() - started, 3), error=error)


def _printable(text: str) -> str:
    """Without characters that XML does not allow."""
    return "".join(each if each.isprintable() else " " for each in text)[:500]
