"""What a Sigma rule becomes: a query, and where the query is not exact, who decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from detections.matcher.moved import put_back

if TYPE_CHECKING:
    from detections.matcher import SigmaMatcher
    from trailhound.cluster.dialect import Dialect

Query = dict[str, Any]
"""A clause of OpenSearch's query DSL."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """`query` matches every event that the rule matches.

    Where it may match more (a comparison of numbers inside a `flat_object`, a field reference, a
    regular expression beyond Lucene's), `post_filter` is applied to each hit's `_source`; it is
    None where the query is exact.

    Exact, that is, for events that are indexed as they came. Where a repair moved a value (a text
    too long for a term) from a field that the rule reads, the query lets the event through, and
    `matcher` decides on the record put together again: ask `matches` of every hit that has
    `trail.repaired`. `exact` is the query without those events, for callers that only count;
    `repaired` is the query of those alone.
    """

    query: Query
    post_filter: SigmaMatcher | None = None
    matcher: SigmaMatcher | None = None
    plain: Query = field(default_factory=dict)
    """The query without its look at what repairs moved; it is what people should read."""
    unsearched: tuple[str, ...] = ()
    """Fields of the rule that the index does not search: only the matcher evaluates them."""

    subset: Query | None = None
    """With a `post_filter`, a query for events that match without asking it, where they came as
    they are indexed."""
    superset: Query | None = None
    """With a `post_filter`, a query that also matches every event that the rule matches, and costs
    less than `query` where few events match it; None where there is none."""
    before_exceptions: Compiled | None = None
    """The rule as it was before any exception narrowed it; None where none does."""
    among: Query = field(default_factory=lambda: {"match_all": {}})
    """The events that there are for the rule, whether it matches them or not: all of the index,
    but for a sample its own."""

    def on(self, dialect: Dialect) -> Compiled:
        """The same for a cluster that takes other queries: see `trailhound.cluster.dialect`."""
        query, exact = dialect.translated(self.query)
        before = self.before_exceptions and self.before_exceptions.on(dialect)
        if exact:
            return replace(self, before_exceptions=before) if before else self
        plain, _ = dialect.translated(self.plain)
        subset = dict(dialect.subset(self.plain)) if self.post_filter is None else None
        superset = dialect.superset(self.query)
        return replace(
            self,
            query=dict(query),
            plain=dict(plain),
            post_filter=self.post_filter or self.matcher,
            subset=subset,
            superset=None if superset is None else dict(superset),
            before_exceptions=before,
        )

    def narrowed(self, by: Callable[[Query], Query]) -> Compiled:
        """Each of its queries replaced by one that finds the same events."""
        return replace(
            self,
            query=by(self.query),
            subset=self.subset and by(self.subset),
            superset=self.superset and by(self.superset),
        )

    def matches(self, source: Mapping[str, Any]) -> bool:
        """Whether the rule matches the event of a hit, given all of its `_source`."""
        if self.matcher is not None and has_moved(source):
            return self.matcher.matches(put_back(source))
        return self.post_filter is None or self.post_filter.matches(source)

    @property
    def exact(self) -> Query:
        """What can be counted without a look at the events, if `post_filter` is None."""
        return {"bool": {"filter": [self.plain or self.query], "must_not": [REPAIRED]}}

    @property
    def decided(self) -> Query | None:
        """What can be counted without a look at the events, if there is a `post_filter`."""
        if self.subset is None:
            return None
        return {"bool": {"filter": [self.subset], "must_not": [REPAIRED]}}

    @property
    def repaired(self) -> Query:
        """What must be looked at by `matches` even if `post_filter` is None."""
        return {"bool": {"filter": [self.query, REPAIRED]}}


REPAIRED: Query = {"exists": {"field": "trail.repaired"}}
KNOWN_AUTOMATION: Query = {"term": {"history.known_automation": {"value": "true"}}}
"""Known automation, where there is no history: no index has this field, so it finds nothing.
`detections.automation.trusting` puts what is known in its place."""


def has_moved(source: Mapping[str, Any]) -> bool:
    """Whether an event had values moved out of their places, by a repair or unsearched ones."""
    trail = source.get("trail") or {}
    return bool(trail.get("repaired") or trail.get("original"))
