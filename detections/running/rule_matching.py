"""Which of many rules match an event, decided by their matchers alone.

Most rules test `eventName` or `eventSource`. So for each call only those rules are evaluated that
its name and source do not rule out (`detections.matcher.precheck`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detections.compiled import Compiled, has_moved
from detections.matcher.event_values import RecordTest
from detections.matcher.moved import put_back
from detections.matcher.precheck import precheck
from enrich.memo import Memo
from trailhound.errors import RuleError

_SOURCE, _NAME = "eventSource", "eventName"
_CALLS: Final = 16_384
"""Calls whose rules are cached."""


class RuleMatching:
    """Rules by number, in the order given."""

    def __init__(self, rules: Sequence[Compiled]) -> None:
        """Raises `RuleError` for a rule that has no matcher."""
        self._tests: list[RecordTest] = []
        self._checks: list[RecordTest | None] = []
        for rule in rules:
            if rule.matcher is None:
                raise RuleError("a rule cannot be decided without a cluster", hint="leave it out")
            self._tests.append(rule.matcher.matches)
            self._checks.append(precheck(rule.matcher, (_SOURCE, _NAME)))
        self._every = tuple(enumerate(self._tests))
        self._of_call: Memo[str, tuple[tuple[int, RecordTest], ...]] = Memo(
            self._possible, limit=_CALLS, longest=512
        )

    def of(self, source: Mapping[str, Any]) -> list[int]:
        """The numbers of the rules that match an event, given as it would be indexed."""
        event = put_back(source) if has_moved(source) else source
        called, name = event.get(_SOURCE), event.get(_NAME)
        possible = (
            self._of_call[f"{called}\n{name}"]
            if isinstance(called, str) and isinstance(name, str) and "\n" not in called
            else self._every
        )
        return [number for number, matches in possible if matches(event)]

    def _possible(self, call: str) -> tuple[tuple[int, RecordTest], ...]:
        source, _, name = call.partition("\n")
        known = {_SOURCE: source, _NAME: name}
        return tuple(
            (number, self._tests[number])
            for number, check in enumerate(self._checks)
            if check is None or check(known)
        )
