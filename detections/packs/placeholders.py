"""The lists of `detections.placeholders`, for which `|expand` of a rule looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from detections.matcher.placeholders import SHIPPED
from detections.packs.load_faults import LoadFaults
from detections.suggestions import did_you_mean

_NAMED = 3


class UsedPlaceholders(dict[str, Sequence[str]]):
    """Values by the name of their placeholder; records which names rules and exceptions look up."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        super().__init__(given)
        self._used: set[str] = set()
        self._missing: set[str] = set()

    def __contains__(self, name: object) -> bool:
        found = super().__contains__(name)
        (self._used if found else self._missing).add(str(name))
        return found

    def name_unused(self, faults: LoadFaults) -> None:
        """A fault for each placeholder that nothing looked up; call it after all is compiled."""
        for name in sorted(self.keys() - self._used):
            faults.add_of_setting(
                ("detections", "placeholders", name),
                f"detections.placeholders: no active rule uses %{name}%",
                did_you_mean(name, sorted(self._missing), "remove it"),
                what="placeholder",
            )

    def name_narrowed(self, faults: LoadFaults) -> None:
        """A warning for each shipped list that the settings replace by one that lacks some of it:
        what such a service does is left out by the rules as a service's own."""
        for name in sorted(self.keys() & SHIPPED.keys()):
            given = [str(each).lower() for each in self[name]]
            lacking = [
                each for each in SHIPPED[name] if not any(fnmatchcase(each, own) for own in given)
            ]
            if lacking:
                named = ", ".join(lacking[:_NAMED]) + (", …" if len(lacking) > _NAMED else "")
                faults.add_of_setting(
                    ("detections", "placeholders", name),
                    f"detections.placeholders.{name} replaces the shipped list and lacks "
                    f"{len(lacking)} of it: {named}",
                    "repeat the shipped ones beside yours, or rules leave out what a caller has "
                    "them do",
                    what="warning",
                )
