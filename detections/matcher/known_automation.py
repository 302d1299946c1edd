"""The field `history.known_automation`: whether an event is known automation.

It is not read from the record, even if the record has such a field: the account's own history at
the time of the event decides (`detections.automation`). Without a history no event is known
automation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sigma.types import SigmaString, SigmaType

from detections.matcher.event_values import Record, RecordTest
from detections.matcher.predicate import Every, FieldTest, Node, Not, Some, Test
from trailhound.errors import RuleError

KNOWN: Final = "history.known_automation"


def known_test(values: Sequence[SigmaType], modifiers: Collection[type]) -> Node:
    """The test of the field for `true` or `false`. Raises `RuleError` for anything else."""
    asked = {str(value).lower() for value in values}
    if modifiers or len(asked) != 1 or not asked <= {"true", "false"}:
        raise RuleError(
            f"{KNOWN} takes `true` or `false` only",
            hint=f"write `{KNOWN}: true` in a selection of its own, and `not` it",
        )
    test = Test(frozenset({KNOWN}), _nothing_is_known, FieldTest(KNOWN, (SigmaString("true"),)))
    return test if asked == {"true"} else Not(test)


def knowing(node: Node, knows: RecordTest) -> Node:
    """The tree, with `knows` as its test for known automation."""
    match node:
        case Test(fields, _, field_test):
            asked = field_test is not None and field_test.field == KNOWN
            return Test(fields, knows, field_test) if asked else node
        case Not(part):
            return Not(knowing(part, knows))
        case Every(parts):
            return Every(tuple(knowing(part, knows) for part in parts))
        case Some(parts):
            return Some(tuple(knowing(part, knows) for part in parts))


def _nothing_is_known(record: Record) -> bool:  # noqa: ARG001
    return False
