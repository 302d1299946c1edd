"""Evaluates a rule of any kind over a span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from opensearchpy import OpenSearch
from sigma.rule import SigmaRule

from detections.backend.clause import NOTHING
from detections.compiled import Compiled, Query
from detections.correlations.correlation import Correlation
from detections.correlations.correlator import Correlator
from detections.correlations.prospects import (
    KnownEvents,
    Promising,
    Prospect,
    in_span,
    viewed,
)
from detections.events.index import Days, EventIndex
from detections.events.search import RULES_A_REQUEST, WORTH_A_LOOK, Search
from detections.finding import Finding
from detections.packs.kinds import OWN_KINDS
from detections.packs.reading import rule_id
from detections.rule import Rule
from detections.span import Span
from trailhound.batching import batched
from trailhound.cluster.client import raise_if_unreachable
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.reader import has_any, is_any
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError, ClusterUnreachableError, RuleError
from trailhound.internal_errors import is_internal
from trailhound.settings import Settings


@dataclass(slots=True)
class _Looked:
    """The result of `Evaluator.idle` for a span: `promising` has, by rule id, the views of
    correlations that may find something. For the `unanswered` rules the request failed: their own
    run repeats it."""

    span: Span | None = None
    known: KnownEvents | None = None
    promising: dict[str, list[Promising]] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)


class Evaluator:
    """Evaluates rules over the events of the settings' namespace.

    `compiled` has the query of every rule with a `detection`, by rule id, including rules that are
    only parts of correlations.
    """

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        compiled: Mapping[str, Compiled],
        *,
        index: str | Days | None = None,
    ) -> None:
        """`index`: an expression of daily indices; default: all."""
        self._search = Search(client, settings, index=index)
        self._index = EventIndex(
            client, index or Names(settings.prefix).days, seconds=settings.cluster.timeout / 2
        )
        self._client = client
        self._compiled = compiled
        self._correlations: dict[str, Correlation] = {}
        self._looked = _Looked()

    def evaluate(self, rule: Rule, span: Span) -> Iterator[Finding]:
        """Every finding of a rule in a span, in no particular order.

        An incomplete reply (a failed shard, a search cut off) is an error: findings before it are
        correct, and the span has to be evaluated again.
        Raises `ClusterError`, and `RuleError` for a rule that can't be evaluated.
        """
        own = OWN_KINDS.get(rule.kind)
        if own is not None:
            return own.findings(self._index, rule.id, rule.definition, self._events(rule), span)
        if rule.is_correlation:
            looked = self._looked if self._looked.span == span else _Looked()
            correlator = Correlator(
                self._index, self._correlation(rule), self._of, known=looked.known
            )
            return correlator.findings(rule.id, span, looked.promising.get(rule.id))
        return self._plain(rule, span)

    def idle(self, rules: Sequence[Rule], span: Span) -> frozenset[str]:
        """The ids of the rules that can find nothing in the span, since it has none or too few of
        their events.

        One request for many rules: most have no events in most intervals, and need no requests of
        their own. A rule whose query fails is not idle, and none is where a request gets no reply
        in time. Raises `ClusterUnreachableError` if the cluster does not answer at all.
        """
        try:
            return self._idle(rules, span)
        except ClusterUnreachableError as error:
            raise_if_unreachable(self._client, error)
            self._looked = _Looked()  # of a rule it may have only a part of what is promising
            return frozenset()

    def _idle(self, rules: Sequence[Rule], span: Span) -> frozenset[str]:
        known = self._look_around(rules, span) if len(rules) >= WORTH_A_LOOK else None
        self._looked = looked = _Looked(span, known)
        hopeful: set[str] = set()
        asked: list[tuple[str, Prospect | Query]] = []
        for rule in rules:
            try:
                prospects = self._prospects(rule, span, known)
            except Exception as error:
                if not _is_of_rule(error):
                    raise
                hopeful.add(rule.id)  # its own run gives the error
                continue
            asked += [(rule.id, each) for each in prospects]
        for some in batched(asked, RULES_A_REQUEST):
            bodies = [
                each.body if isinstance(each, Prospect) else has_any(each) for _, each in some
            ]
            indices = [
                self._index.on(query, None if known is None else known.days_of(query))
                for query in (body["query"] for body in bodies)
            ]
            few_days = span.clock == "@timestamp"
            try:
                answers = self._index.answers(bodies, few_days=few_days, indices=indices)
            except ClusterUnreachableError:
                raise
            except ClusterError:
                answers = [None] * len(some)
            for (key, each), answer in zip(some, answers, strict=True):
                if answer is None:
                    hopeful.add(key)
                    looked.unanswered.add(key)
                elif not isinstance(each, Prospect):
                    hopeful |= {key} if is_any(answer) else set()
                elif found := each.promising(answer):
                    hopeful.add(key)
                    looked.promising.setdefault(key, []).extend(found)
        for key in looked.unanswered:
            looked.promising.pop(key, None)
        return frozenset(rule.id for rule in rules if rule.id not in hopeful)

    def _look_around(self, rules: Sequence[Rule], span: Span) -> KnownEvents | None:
        """The calls and services that the span has (`Search.vocabulary`); for a span of
        `@timestamp` also of the time around it that the rules' windows reach."""
        around = span
        if span.clock == "@timestamp":
            widest = max(map(self._reach, rules), default=timedelta(0))
            around = Span(span.since - widest, span.until + widest)
        known = self._search.vocabulary(around)
        return None if known is None else KnownEvents(span, around, known)

    def _reach(self, rule: Rule) -> timedelta:
        """How far from an event in the span the others of its windows may be."""
        try:
            window = self._correlation(rule).max_window if rule.is_correlation else 0
            window *= 2 if rule.by_role else 1
        except Exception as error:
            if not _is_of_rule(error):
                raise
            window = 0
        return timedelta(milliseconds=window)

    def _prospects(
        self, rule: Rule, span: Span, known: KnownEvents | None
    ) -> list[Prospect] | list[Query]:
        """The queries of a rule, without those that `known` shows to find nothing: most rules name
        calls that were not made. Raises `RuleError`."""
        if not rule.is_correlation:
            touched = in_span(self._events(rule).query, span, known)
            return [] if touched == NOTHING else [touched]
        correlation = self._correlation(rule)
        found = [
            Prospect(each, compile_rule, span, known)
            for each, compile_rule in viewed(correlation, self._of)
        ]
        return [each for each in found if each.touched != NOTHING]

    def _plain(self, rule: Rule, span: Span) -> Iterator[Finding]:
        for found in self._search.find([rule], self._compiled, span):
            yield from found.findings

    def _correlation(self, rule: Rule) -> Correlation:
        if rule.id not in self._correlations:
            self._correlations[rule.id] = Correlation.of_rule(rule)
        return self._correlations[rule.id]

    def _events(self, rule: Rule) -> Compiled:
        """The query of a rule of our own kinds."""
        return self._at(rule.id, rule.title)

    def _of(self, sigma: SigmaRule) -> Compiled:
        return self._at(rule_id(sigma), sigma.title)

    def _at(self, key: str, title: str) -> Compiled:
        compiled = self._compiled.get(key)
        if compiled is None:
            raise RuleError(f"the rule {title!r} ({key}) has no query", hint="load its pack again")
        return compiled.on(dialect_of(self._client))


def _is_of_rule(error: Exception) -> bool:
    """Whether it is due to one rule, a fault of the program included: others are not affected."""
    return isinstance(error, RuleError) or is_internal(error)
