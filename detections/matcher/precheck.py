"""Which rules a record cannot match, decided from a few of its fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from detections.matcher import SigmaMatcher
from detections.matcher.event_values import Record, RecordTest
from detections.matcher.predicate import Every, Node, Not, Some, Test, all_of, any_of

Bound = RecordTest | bool
"""A test, or the constant that it always gives."""


def precheck(matcher: SigmaMatcher, known: Collection[str]) -> RecordTest | None:
    """A cheap test on some fields of the record itself: if false, `matches` would be too.

    `known` names those fields; the test takes a mapping with their values. None if they never
    exclude a record.
    """
    possible, _ = bounds(matcher.root, frozenset(known))
    if isinstance(possible, bool):
        return None if possible else _never
    return possible


def _never(record: Record) -> bool:  # noqa: ARG001
    return False


def bounds(node: Node, known: frozenset[str]) -> tuple[Bound, Bound]:
    """(possible, certain): the tree's upper and lower bound from the fields `known` alone.

    For every record that agrees on those fields: if `possible` is false the tree is, if `certain`
    is true the tree is. `known` names fields of the record itself, not nested ones.
    """
    match node:
        case Test(fields, matches):
            if fields is not None and fields <= known:
                return matches, matches
            return True, False
        case Not(part):
            possible, certain = bounds(part, known)
            return _opposite(certain), _opposite(possible)
        case Every(parts):
            pairs = [bounds(part, known) for part in parts]
            return _joined(pairs, 0, all_of, False), _joined(pairs, 1, all_of, False)
        case Some(parts):
            pairs = [bounds(part, known) for part in parts]
            return _joined(pairs, 0, any_of, True), _joined(pairs, 1, any_of, True)


def _joined(
    pairs: Sequence[tuple[Bound, Bound]],
    side: int,
    join: Callable[[Sequence[RecordTest]], RecordTest],
    decisive: bool,
) -> Bound:
    """`join` of one side of the pairs; `decisive` is the constant that decides it alone."""
    sides = [pair[side] for pair in pairs]
    if any(bound is decisive for bound in sides):
        return decisive
    tests = [bound for bound in sides if not isinstance(bound, bool)]
    return join(tests) if tests else not decisive


def _opposite(bound: Bound) -> Bound:
    return not bound if isinstance(bound, bool) else _negated(bound)


def _negated(test: RecordTest) -> RecordTest:
    return lambda record: not test(record)
