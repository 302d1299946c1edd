"""Which rule a correlation or an exception means by an id, a `name` or a title.

Names are no identity: a rule of one's own may have the `name` of a shipped one. A reference means
a rule of its own file first, then one of its own pack, and only then any other.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sigma.rule import SigmaRule

from detections.packs.actions import Parsed, ParsedRule
from detections.packs.load_faults import LoadFaults
from detections.packs.reading import rule_id

_SHOWN: Final = 5
"""Rules that a warning names."""


class PackFolders:
    """The pack that a file belongs to: the folder that was given for it, and of a file that was
    given itself, the folder that it is in."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._given = list(
            dict.fromkeys(
                found if found.is_dir() else found.parent
                for found in (path.expanduser().resolve() for path in paths)
            )
        )

    def folder(self, file: Path) -> Path:
        """The first given folder that a file is below, else the folder that it is in."""
        resolved = file.resolve()
        return next((each for each in self._given if resolved.is_relative_to(each)), file.parent)


@dataclass(frozen=True, slots=True)
class Meant:
    """The rule that a reference means. `others` have the same name and are as near: nothing decides
    between them and `rule`, the first of them."""

    rule: ParsedRule
    by_title: bool = False
    others: tuple[ParsedRule, ...] = ()


class RuleNames:
    """Rules by id, `name` and title."""

    def __init__(
        self, rules: Sequence[ParsedRule], folders: PackFolders, faults: LoadFaults
    ) -> None:
        self._folders = folders
        self._faults = faults
        self._ids = {rule_id(each): each for each in rules}
        self._names = _grouped(rules, lambda each: each.name)
        self._titles = _grouped(rules, lambda each: each.title)

    @property
    def references(self) -> list[str]:
        """Every id and `name`."""
        return sorted({*self._ids, *self._names})

    def meant(self, reference: str, by: Parsed) -> Meant | None:
        """The rule that the correlation `by` refers to; None if there is none.

        A title is no reference in Sigma. It is taken where one rule alone has it, and no rule of
        the same pack has it as its `name`.
        """
        if found := self._by_id(reference):
            return Meant(found)
        named, titled = (
            _without(by, known.get(reference, [])) for known in (self._names, self._titles)
        )
        near = self._near(named, by)
        if not near and (own := self._near(titled, by)):
            return _only(own)
        return _first(near or named) or _only(titled)

    def narrowed(self, reference: str, by: Parsed) -> Meant | None:
        """The rule with a `detection` that the exception `by` refers to by its id or `name`; else
        a correlation of that id or `name`, or None."""
        if found := self._by_id(reference):
            return Meant(found)
        named = self._names.get(reference, [])
        named = [each for each in named if isinstance(each, SigmaRule)] or named
        return _first(self._near(named, by) or named)

    def warn(self, reference: str, meant: Meant, by: Parsed) -> None:
        """A warning where nothing decides which rule a reference means."""
        if not meant.others:
            return
        rules = (meant.rule, *meant.others)
        named = " and ".join(self._described(each) for each in rules[:_SHOWN])
        more = " and others" if len(rules) > _SHOWN else ""
        reason = f"it refers to {reference!r}, the name of {named}{more}: the first is taken"
        if not self._faults.known(by, reason):  # references are resolved more than once
            self._faults.add_of(by, reason, "name the rule by its id", stops=False, what="warning")

    def _by_id(self, reference: str) -> ParsedRule | None:
        try:
            return self._ids.get(str(uuid.UUID(reference)))
        except ValueError:
            return None

    def _near(self, rules: Sequence[ParsedRule], by: Parsed) -> list[ParsedRule]:
        """Those of the same file, else those of the same pack."""
        place = self._faults.place
        file = place(by).path
        folder = self._folders.folder(file)
        of_file = [each for each in rules if place(each).path == file]
        return of_file or [
            each for each in rules if self._folders.folder(place(each).path) == folder
        ]

    def _described(self, rule: ParsedRule) -> str:
        return f"{rule.title!r} ({rule_id(rule)}, {self._faults.place(rule)})"


def _grouped(
    rules: Iterable[ParsedRule], key: Callable[[ParsedRule], str | None]
) -> dict[str, list[ParsedRule]]:
    found: dict[str, list[ParsedRule]] = {}
    for each in rules:
        if (name := key(each)) is not None:
            found.setdefault(name, []).append(each)
    return found


def _without(by: Parsed, rules: Sequence[ParsedRule]) -> list[ParsedRule]:
    """The rules without the one that refers: a correlation may have the name of its part."""
    return [each for each in rules if each is not by] or list(rules)


def _first(rules: Sequence[ParsedRule]) -> Meant | None:
    return Meant(rules[0], others=tuple(rules[1:])) if rules else None


def _only(rules: Sequence[ParsedRule]) -> Meant | None:
    return Meant(rules[0], by_title=True) if len(rules) == 1 else None
