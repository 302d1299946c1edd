"""The faults of one load of a pack, and the place of every rule and exception that it parsed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sigma.filters import SigmaFilter

from detections.kinds.options import renamed_options
from detections.packs.actions import Parsed, ParsedRule
from detections.packs.documents import SETTINGS, Document, RuleFault, Subject
from detections.packs.fault_lines import at_their_lines
from detections.packs.reading import rule_id
from detections.rule import FilePosition, RuleKind


class LoadFaults:
    """Collects faults while a pack is loaded; every step of loading adds to the same one.

    pySigma's objects have no room for a place and are not hashable, so places are by identity. Each
    object is kept with its place: the identity of one that is gone could be that of another.
    """

    def __init__(self) -> None:
        self._found: list[RuleFault] = []
        self._checked: list[tuple[Document, list[RuleFault]]] = []
        self._places: dict[int, tuple[Parsed, FilePosition]] = {}

    def place(self, sigma: Parsed) -> FilePosition:
        """Where a rule or exception was read. Raises `KeyError` if `set_place` was not called."""
        return self._places[id(sigma)][1]

    def set_place(self, sigma: Parsed, place: FilePosition) -> None:
        """Where a rule or exception was read; also one that was made of another."""
        self._places[id(sigma)] = (sigma, place)

    def add(self, fault: RuleFault) -> None:
        """A fault whose place is known."""
        self._found.append(fault)

    def add_of(
        self,
        sigma: Parsed,
        reason: str,
        hint: str = "",
        *,
        stops: bool = True,
        what: Subject | None = None,
    ) -> None:
        """A fault of a rule or exception. `what`: by default, which of the two it is."""
        name = "" if isinstance(sigma, SigmaFilter) else rule_id(sigma)
        what = what or ("exception" if isinstance(sigma, SigmaFilter) else "rule")
        self.add(RuleFault(self.place(sigma), reason, hint, name, stops, what))

    def add_of_setting(
        self, setting: tuple[str, ...], reason: str, hint: str, *, what: Subject
    ) -> None:
        """A fault of a setting, by its path; it stops no rule."""
        self.add(RuleFault(SETTINGS, reason, hint, stops=False, what=what, setting=setting))

    def note_renamed(
        self, sigma: ParsedRule, kind: RuleKind, keys: Iterable[str], prefix: str = ""
    ) -> None:
        """A note for each option in `keys` that is still read under its old name."""
        renamed = renamed_options(kind)
        for key in sorted(set(keys) & renamed.keys()):
            self.add_of(
                sigma,
                f"{prefix}{kind}: {key} is the old name of {renamed[key]}",
                f"rename it to {renamed[key]}: the next release no longer reads {key}",
                stops=False,
                what="note",
            )

    def add_check(self, document: Document, found: list[RuleFault]) -> None:
        """What checking each part of a document found: more than the first error, which ends the
        loading of its rule."""
        self._checked.append((document, found))

    def stopped(self) -> set[str]:
        """Ids of the rules that do not run because of a fault."""
        return {each.rule_id for each in self._found if each.stops}

    def known(self, sigma: Parsed, reason: str) -> bool:
        """Whether there is a fault with this reason at the place of a rule or exception."""
        place = self.place(sigma)
        return any(each.place == place and each.reason == reason for each in self._found)

    def by_line(self) -> tuple[RuleFault, ...]:
        """Every fault once, by file and line, those of a check in place of the first error."""
        return _once(list(at_their_lines(self._found, self._checked)))


def _once(faults: Sequence[RuleFault]) -> tuple[RuleFault, ...]:
    """Each fault once: the settings and the command line may name one folder in two ways."""
    found = {(each.place.path.resolve(), each.place.line, each.reason): each for each in faults}
    return tuple(found.values())
