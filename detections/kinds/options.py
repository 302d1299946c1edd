"""Reads the options of our own kinds of rule; errors name the kind and the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detections.events.fields import groupable
from trailhound.errors import RuleError

_RENAMED: Mapping[str, Mapping[str, str]] = {
    "new_terms": {"per": "group_by", "learn": "training_days"},
    "anomaly": {"per": "group_by", "least": "min_count", "learn": "training_weeks"},
    "impossible_travel": {"per": "group_by"},
}
"""Kind → old key → current key. The old keys are still read for one release."""


def renamed_options(kind: str) -> Mapping[str, str]:
    """The old keys of a kind that are still read → the current keys; empty for other kinds."""
    return _RENAMED.get(kind, {})


def current_options(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a rule under their current keys. Raises `RuleError` where both are given.

    >>> current_options("anomaly", {"per": "userIdentity.arn", "least": 3})
    {'group_by': 'userIdentity.arn', 'min_count': 3}
    """
    renamed = renamed_options(kind)
    for old, new in renamed.items():
        if old in content and new in content:
            raise RuleError(
                f"{kind}: {old} is the old name of {new}, and both are given",
                hint=f"remove {old}",
            )
    return {renamed.get(key, key): value for key, value in content.items()}


class Options:
    """The options of one rule. Read each key, then call `done`, which rejects unknown keys.

    All methods raise `RuleError`.
    """

    def __init__(self, kind: str, content: Mapping[str, Any]) -> None:
        self._kind = kind
        self._left = current_options(kind, content)
        renamed = renamed_options(kind)
        self._written = {renamed[key]: key for key in content if key in renamed}
        self._known: list[str] = []

    def field(self, key: str) -> str:
        """A field that the engine can group by."""
        return self._groupable(key, self._take(key, None))

    def fields(self, key: str) -> tuple[str, ...]:
        """Fields that the engine can group by; may be empty."""
        given = self._take(key, [])
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, Sequence):
            raise self._fault(key, given, "a field or a list of fields")
        return tuple(self._groupable(key, name) for name in names)

    def number(self, key: str, default: float, lowest: float, highest: float) -> float:
        """A number within limits."""
        given = self._take(key, default)
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise self._fault(key, given, "a number")
        if not lowest <= given <= highest:
            raise self._fault(key, given, f"a number from {lowest:g} to {highest:g}")
        return given

    def whole(self, key: str, default: int, lowest: int, highest: int) -> int:
        """A whole number within limits."""
        given = self.number(key, default, lowest, highest)
        if given != int(given):
            raise self._fault(key, given, "a whole number")
        return int(given)

    def boolean(self, key: str, *, default: bool) -> bool:
        """true or false."""
        given = self._take(key, default)
        if not isinstance(given, bool):
            raise self._fault(key, given, "true or false")
        return given

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """One of `choices`; the first is the default."""
        given = self._take(key, choices[0])
        if given not in choices:
            raise self._fault(key, given, f"one of {', '.join(choices)}")
        return str(given)

    def has(self, key: str) -> bool:
        """Whether the key is given and not read yet."""
        return key in self._left

    def done(self) -> None:
        """Raises for keys that were not read."""
        if self._left:
            unknown = ", ".join(map(str, self._left))
            raise RuleError(
                f"{self._kind} has no key {unknown!r}",
                hint=f"it takes {', '.join(self._known)}",
            )

    def _take(self, key: str, default: Any) -> Any:
        self._known.append(key)
        return self._left.pop(key, default)

    def _groupable(self, key: str, name: object) -> str:
        if not isinstance(name, str) or not name:
            raise self._fault(key, name, "the name of a field")
        if not groupable(name):
            raise RuleError(
                f"{self._kind}: {self._name(key)}: the index cannot group by {name!r}",
                hint="use a field outside requestParameters and the like, such as resource.arn",
            )
        return name

    def _name(self, key: str) -> str:
        """The key as the rule has it: its old name where that was used."""
        return self._written.get(key, key)

    def _fault(self, key: str, given: object, expected: str) -> RuleError:
        return RuleError(
            f"{self._kind}: {self._name(key)} is {given!r}, not {expected}", hint="fix the rule"
        )
