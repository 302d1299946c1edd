"""The lists of `detections.placeholders`, for which `|expand` of a rule looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detections.packs.load_faults import LoadFaults
from detections.packs.near import did_you_mean


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
