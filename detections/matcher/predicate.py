"""A rule's logic as a small tree of tests; `closure` gives the function that decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigma.types import SigmaType

from detections.matcher.event_values import Record, RecordTest


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A test in Sigma's terms: any of `values` at `field` (None: in any field).

    `modifiers` are pySigma's classes. No values means that nothing matches.
    """

    field: str | None
    values: tuple[SigmaType, ...]
    modifiers: frozenset[type] = frozenset()


@dataclass(frozen=True, slots=True)
class Test:
    """One test of a record. `fields` are the paths it reads; None means all of the record.

    `field_test` describes the same for compilers to other forms.
    """

    fields: frozenset[str] | None
    matches: RecordTest
    field_test: FieldTest | None = None


@dataclass(frozen=True, slots=True)
class Every:
    """True where all of `parts` are."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """True where one of `parts` is."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where `part` is not."""

    part: Node


Node = Test | Every | Some | Not


def paths(node: Node) -> frozenset[str]:
    """Every path the tree reads. A keyword search reads all of the record and adds none."""
    match node:
        case Test(fields):
            return fields or frozenset()
        case Not(part):
            return paths(part)
        case Every(parts) | Some(parts):
            return frozenset().union(*map(paths, parts))


def closure(node: Node) -> RecordTest:
    """The function that decides."""
    match node:
        case Test(_, matches):
            return matches
        case Not(part):
            return _negated(closure(part))
        case Every(parts):
            return all_of([closure(part) for part in parts])
        case Some(parts):
            return any_of([closure(part) for part in parts])


def _negated(test: RecordTest) -> RecordTest:
    return lambda record: not test(record)


def all_of(tests: Sequence[RecordTest]) -> RecordTest:
    """One test that passes where all of `tests` do."""
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) and second(record)

    def match(record: Record) -> bool:
        for test in tests:  # noqa: SIM110  a generator costs as much again as the tests
            if not test(record):
                return False
        return True

    return match


def any_of(tests: Sequence[RecordTest]) -> RecordTest:
    """One test that passes where any of `tests` does."""
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) or second(record)

    def match(record: Record) -> bool:
        for test in tests:  # noqa: SIM110  a generator costs as much again as the tests
            if test(record):
                return True
        return False

    return match
