"""Reading what stands under a kind's key in `trailhound:`, with faults that name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detections.events.fields import groupable
from trailhound.errors import RuleError


class Options:
    """The mapping of one rule. Ask for each key, then `done`, which refuses what is left.

    All methods raise `RuleError`.
    """

    def __init__(self, kind: str, content: Mapping[str, Any]) -> None:
        self._kind = kind
        self._left = dict(content)
        self._known: list[str] = []

    def field(self, key: str) -> str:
        """A field that the engine can group by."""
        return self._groupable(key, self._take(key, None))

    def fields(self, key: str) -> tuple[str, ...]:
        """Fields that the engine can group by; there may be none."""
        given = self._take(key, [])
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, Sequence):
            raise self._fault(key, given, "a field or a list of fields")
        return tuple(self._groupable(key, name) for name in names)

    def number(self, key: str, default: float, least: float, most: float) -> float:
        """A number within limits."""
        given = self._take(key, default)
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise self._fault(key, given, "a number")
        if not least <= given <= most:
            raise self._fault(key, given, f"a number from {least:g} to {most:g}")
        return given

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number within limits."""
        given = self.number(key, default, least, most)
        if given != int(given):
            raise self._fault(key, given, "a whole number")
        return int(given)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """One of some words; the first where none is given."""
        given = self._take(key, choices[0])
        if given not in choices:
            raise self._fault(key, given, f"one of {', '.join(choices)}")
        return str(given)

    def has(self, key: str) -> bool:
        """Whether the key is there, and not yet taken."""
        return key in self._left

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
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
                f"{self._kind}: {key}: the index cannot group by {name!r}",
                hint="take a field outside requestParameters and its like, such as resource.arn",
            )
        return name

    def _fault(self, key: str, given: object, wanted: str) -> RuleError:
        return RuleError(f"{self._kind}: {key} is {given!r}, not {wanted}", hint="mend the rule")
