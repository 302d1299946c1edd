"""Evaluates a rule of any kind over a span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from opensearchpy import OpenSearch
from sigma.rule import SigmaRule

from detections.backend.clause import NOTHING
from detections.compiled import Compiled, Query
from detections.correlations.correlation import Correlation
from detections.correlations.correlator import Correlator
from detections.correlations.parts import any_of
from detections.events.index import EventIndex
from detections.events.search import RULES_A_REQUEST, WORTH_A_LOOK, Search
from detections.finding import Finding
from detections.packs.kinds import OWN_KINDS
from detections.packs.reading import rule_id
from detections.rule import Rule
from detections.span import Span
from trailhound.batching import batched
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError, ClusterUnreachableError, RuleError
from trailhound.settings import Settings


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
        index: str | None = None,
    ) -> None:
        """`index`: an expression of daily indices; default: all."""
        self._search = Search(client, settings, index=index)
        self._index = EventIndex(
            client, index or Names(settings.prefix).days, seconds=settings.cluster.timeout / 2
        )
        self._client = client
        self._compiled = compiled
        self._correlations: dict[str, Correlation] = {}

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
            correlator = Correlator(self._index, self._correlation(rule), self._of)
            return correlator.findings(rule.id, span)
        return self._plain(rule, span)

    def idle(self, rules: Sequence[Rule], span: Span) -> frozenset[str]:
        """The ids of the rules without any of their events in the span, which can find nothing.

        One request for many rules: most have no events in most intervals, and need no requests of
        their own. Raises `ClusterUnreachableError`; a rule whose query fails is not
        idle.
        """
        found: set[str] = set()
        known = self._search.vocabulary(span) if len(rules) >= WORTH_A_LOOK else None
        for some in batched(rules, RULES_A_REQUEST):
            queries = [
                (rule.id, query)
                for rule in some
                for query in [self._events_of(rule)]
                if query is not None
            ]
            if known is not None:
                # Most name calls that nobody made: they need not be asked of each day.
                queries = [(key, known.narrowed(query)) for key, query in queries]
                found.update(key for key, query in queries if query == NOTHING)
                queries = [each for each in queries if each[1] != NOTHING]
            touched = [{"bool": {"filter": [query, span.query()]}} for _, query in queries]
            try:
                none = self._index.none_match(touched) if touched else []
            except ClusterUnreachableError:
                raise
            except ClusterError:
                continue  # each rule's own run gives the error
            found.update(key for (key, _), nothing in zip(queries, none, strict=True) if nothing)
        return frozenset(found)

    def _events_of(self, rule: Rule) -> Query | None:
        """A query for every event of a rule; None if there is none."""
        try:
            if rule.is_correlation:
                leaves = self._correlation(rule).leaves()
                return any_of([self._of(leaf).query for leaf in leaves])
            return self._events(rule).query
        except RuleError:
            return None

    def _plain(self, rule: Rule, span: Span) -> Iterator[Finding]:
        for found in self._search.find([rule], self._compiled, span):
            yield from found.findings

    def _correlation(self, rule: Rule) -> Correlation:
        if rule.id not in self._correlations:
            self._correlations[rule.id] = Correlation.of(rule.definition)
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
