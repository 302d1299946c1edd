"""Two queries for one piece of logic: a superset and a subset of what it matches.

Where the query DSL can express it exactly, both are the same. Where it cannot, `superset` lets more
through and `subset` less; under a `not` they are swapped, so that the whole never misses an event
that the rule matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detections.compiled import Query

EVERYTHING: Query = {"match_all": {}}
NOTHING: Query = {"match_none": {}}


@dataclass(frozen=True, slots=True)
class Clause:
    """`subset` matches only events that the rule matches, `superset` all of them and perhaps more.

    `exact` where the two differ by nothing that CloudTrail writes.
    """

    superset: Query
    subset: Query
    exact: bool

    @classmethod
    def exactly(cls, query: Query) -> Clause:
        """A query that matches exactly."""
        return cls(query, query, exact=True)

    @classmethod
    def approximate(cls, query: Query) -> Clause:
        """A query that matches a superset, and no known subset."""
        return cls(query, NOTHING, exact=query == NOTHING)


def every(clauses: Sequence[Clause]) -> Clause:
    """All of them."""
    return Clause(
        all_of([each.superset for each in clauses]),
        all_of([each.subset for each in clauses]),
        all(each.exact for each in clauses),
    )


def some(clauses: Sequence[Clause]) -> Clause:
    """Any of them."""
    return Clause(
        any_of([each.superset for each in clauses]),
        any_of([each.subset for each in clauses]),
        all(each.exact for each in clauses),
    )


def negated(clause: Clause) -> Clause:
    """None of it."""
    return Clause(_not(clause.subset), _not(clause.superset), clause.exact)


def any_of(queries: Iterable[Query]) -> Query:
    """A query for any of `queries`; nested ones are flattened.

    >>> any_of([NOTHING, {"term": {"a": 1}}])
    {'term': {'a': 1}}
    """
    parts: list[Query] = []
    for query in queries:
        inner = query.get("bool", {})
        if query == EVERYTHING:
            return EVERYTHING
        if set(inner) == {"should", "minimum_should_match"}:
            parts.extend(inner["should"])
        elif query != NOTHING:
            parts.append(query)
    if len(parts) < 2:
        return parts[0] if parts else NOTHING
    return {"bool": {"should": parts, "minimum_should_match": 1}}


def all_of(queries: Iterable[Query]) -> Query:
    """A query for all of `queries`; nested ones are flattened."""
    parts: list[Query] = []
    barred: list[Query] = []
    for query in queries:
        inner = query.get("bool", {})
        if query == NOTHING:
            return NOTHING
        if inner and set(inner) <= {"filter", "must_not"}:
            parts.extend(inner.get("filter", []))
            barred.extend(inner.get("must_not", []))
        elif query != EVERYTHING:
            parts.append(query)
    if not barred and len(parts) < 2:
        return parts[0] if parts else EVERYTHING
    made = {"filter": parts} if parts else {}
    return {"bool": made | ({"must_not": barred} if barred else {})}


def _not(query: Query) -> Query:
    if query in (EVERYTHING, NOTHING):
        return NOTHING if query == EVERYTHING else EVERYTHING
    return {"bool": {"must_not": [query]}}


def leaves(query: Query) -> int:
    """How many clauses the engine counts: it allows 1,024 (`max_clause_count`)."""
    inner = query.get("bool")
    if inner is None:
        return 1
    return sum(
        leaves(each) for kind in ("filter", "must_not", "should") for each in inner.get(kind, [])
    )
