"""Rules that leave out known automation: puts the relation into their queries and matchers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from detections.automation.relation import Relation
from detections.backend.clause import EVERYTHING, NOTHING, leaves
from detections.backend.compiler import MOST_CLAUSES
from detections.compiled import KNOWN_AUTOMATION, Compiled, Query
from detections.matcher import SigmaMatcher
from detections.matcher.known_automation import KNOWN, knowing
from detections.matcher.precheck import precheck

CALL: Final = ("eventSource", "eventName")


def asks(compiled: Compiled) -> bool:
    """Whether a rule, or the rule before its exceptions, tests for known automation."""
    matcher = compiled.matcher
    before = compiled.before_exceptions
    return (matcher is not None and KNOWN in matcher.fields) or (
        before is not None and asks(before)
    )


def trusting(compiled: Compiled, rule_id: str, relation: Relation) -> Compiled:
    """A rule that uses the relation. Its query stays exact, unless it would become too large for
    the engine; then it finds a superset, and the matcher decides each hit."""
    if not asks(compiled):
        return compiled
    before = compiled.before_exceptions
    made = _asked(compiled, rule_id, relation)
    if before is not None:
        made = replace(made, before_exceptions=trusting(before, rule_id, relation))
    return made


def _asked(compiled: Compiled, rule_id: str, relation: Relation) -> Compiled:
    if compiled.matcher is None or KNOWN not in compiled.matcher.fields:
        return compiled
    clause = relation.clause(rule_id, precheck(compiled.matcher, CALL))
    if clause is None:
        return compiled
    knows = partial(relation.knows, rule_id)
    matcher = SigmaMatcher(knowing(compiled.matcher.root, knows))
    made = replace(
        compiled.narrowed(lambda query: _with(query, clause, clause)),
        plain=_with(compiled.plain, clause, clause) if compiled.plain else {},
        matcher=matcher,
        post_filter=matcher if compiled.post_filter is not None else None,
    )
    if leaves(made.query) <= MOST_CLAUSES:
        return made
    return replace(
        compiled.narrowed(lambda query: _with(query, EVERYTHING, NOTHING)),
        plain=_with(compiled.plain, EVERYTHING, NOTHING) if compiled.plain else {},
        matcher=matcher,
        post_filter=matcher,
        subset=None,
    )


def _with(query: Query, known: Query, known_if_negated: Query) -> Query:
    """A query with its placeholder for known automation replaced: by `known`, or under a `must_not`
    by `known_if_negated`."""
    if query == KNOWN_AUTOMATION:
        return known
    inner = query.get("bool")
    if inner is None:
        return query
    made = dict(inner)
    for kind in ("filter", "should"):
        if kind in inner:
            made[kind] = [_with(each, known, known_if_negated) for each in inner[kind]]
    if "must_not" in inner:
        made["must_not"] = [_with(each, known_if_negated, known) for each in inner["must_not"]]
    return {"bool": made}


class TrustingRules(Mapping[str, Compiled]):
    """The compiled rules of a pack with the relation that was last given to `use`."""

    def __init__(self, compiled: Mapping[str, Compiled]) -> None:
        self._compiled = compiled
        self._asking = {name: each for name, each in compiled.items() if asks(each)}
        self._made: dict[str, Compiled] = {}

    @property
    def asking(self) -> Mapping[str, Compiled]:
        """The rules that test for known automation, with an empty relation."""
        return self._asking

    def use(self, relation: Relation) -> None:
        """Use this relation from now on."""
        self._made = {name: trusting(each, name, relation) for name, each in self._asking.items()}

    def __getitem__(self, name: str) -> Compiled:
        return self._made.get(name) or self._compiled[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._compiled)

    def __len__(self) -> int:
        return len(self._compiled)
