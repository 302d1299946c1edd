"""Sigma to OpenSearch's query DSL.

pySigma parses a rule; `matcher` converts it to a tree that defines what the rule means; this module
compiles the same tree to a query. So query and matcher have the same structure. Where the query DSL
cannot express a leaf of the tree, the query finds more events and the matcher decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sigma.rule import SigmaRule
from sigma.types import SigmaFieldReference, SigmaString

from detections.backend.clause import EVERYTHING, Clause, any_of, every, leaves, negated, some
from detections.backend.strings import one_of, present
from detections.backend.values import value_clause
from detections.compiled import KNOWN_AUTOMATION, REPAIRED, Compiled, Query
from detections.event_fields import (
    RAW_LEAVES,
    Field,
    around,
    fields_at,
    is_unsearched,
    named,
    unsearchable,
)
from detections.matcher import NO_PLACEHOLDERS, SigmaMatcher
from detections.matcher.known_automation import KNOWN
from detections.matcher.predicate import Every, FieldTest, Node, Not, Some, Test
from trailhound.errors import RuleError

MOST_CLAUSES = 1_000
"""In one rule; the engine allows 1,024 (`indices.query.bool.max_clause_count`)."""


def compile_rule(
    rule: SigmaRule, placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS
) -> Compiled:
    """The query of a parsed rule, with the matcher that decides on its hits if it is not exact.

    Raises `RuleError` for a rule that is faulty, too large, or without a searchable field.
    """
    return compile_matcher(SigmaMatcher.from_rule(rule, placeholders), f"rule {rule.title!r}")


def compile_matcher(matcher: SigmaMatcher, name: str = "the rule") -> Compiled:
    """The query of what `matcher` matches. Raises `RuleError`."""
    unsearched: list[str] = []
    clause = _clause(matcher.root, unsearched)
    if clause.superset == EVERYTHING and unsearched:
        raise unsearchable(unsearched[0])
    moved = REPAIRED if _has_keyword(matcher.root) else _moved(matcher.fields - {KNOWN})
    query = any_of([clause.superset, moved]) if moved else clause.superset
    if leaves(query) > MOST_CLAUSES:
        raise RuleError(
            f"{name} compiles to a query of {leaves(query):,} clauses; the cluster allows 1,024",
            hint="split the rule in two, or match what its many values have in common",
        )
    return Compiled(
        query,
        None if clause.exact else matcher,
        matcher,
        clause.superset,
        tuple(dict.fromkeys(unsearched)),
    )


def _clause(node: Node, unsearched: list[str]) -> Clause:
    match node:
        case Every(parts):
            return every([_clause(part, unsearched) for part in parts])
        case Some(parts):
            return some([_clause(part, unsearched) for part in parts])
        case Not(part):
            return negated(_clause(part, unsearched))
        case Test(_, _, field_test):
            if field_test is None:
                raise RuleError(
                    "a test of the matcher has no query", hint="report the rule, please"
                )
            return _clause_of(field_test, unsearched)


def _clause_of(field_test: FieldTest, unsearched: list[str]) -> Clause:
    """Any of the values, at any of the places where the field may be.

    A field that the index doesn't search adds no clause: the matcher decides, from the event.
    """
    if field_test.field == KNOWN:
        return Clause.exactly(KNOWN_AUTOMATION)
    read = [
        field_test.field,
        *(v.field for v in field_test.values if isinstance(v, SigmaFieldReference)),
    ]
    missing = [path for path in read if path is not None and is_unsearched(path)]
    if missing:
        unsearched += missing
        return Clause.approximate(EVERYTHING)
    places = RAW_LEAVES if field_test.field is None else fields_at(field_test.field)
    return some([_at(place, field_test) for place in places])


def _at(place: Field, field_test: FieldTest) -> Clause:
    strings = [value for value in field_test.values if isinstance(value, SigmaString)]
    clauses = [one_of(place, strings)] if strings else []
    for value in field_test.values:
        if isinstance(value, SigmaFieldReference):
            other = any_of(present(each) for each in fields_at(value.field))
            clauses.append(every([Clause.approximate(present(place)), Clause.approximate(other)]))
        elif not isinstance(value, SigmaString):
            clauses.append(value_clause(place, value, field_test.modifiers))
    return some(clauses)


def _has_keyword(node: Node) -> bool:
    """Whether the rule searches all fields, and so also values that a repair moved."""
    match node:
        case Every(parts) | Some(parts):
            return any(map(_has_keyword, parts))
        case Not(part):
            return _has_keyword(part)
        case Test(fields):
            return fields is None


def _moved(paths: frozenset[str]) -> Query | None:
    """Events of which a repair moved a value that a rule on these paths tests."""
    if not paths:
        return None
    at: dict[str, None] = {}
    below: dict[str, None] = {}
    for path in sorted(paths):
        upward, open_below = around(path)
        at |= dict.fromkeys(upward)
        if open_below:
            below[f"{named(path)}."] = None
    field = "trail.repaired"
    return any_of(
        [{"terms": {field: list(at)}}, *({"prefix": {field: {"value": each}}} for each in below)]
    )
