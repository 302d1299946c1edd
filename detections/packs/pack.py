"""A pack: all active rules, compiled, and every fault found while loading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from detections.compiled import Compiled
from detections.packs.documents import RuleFault
from detections.packs.exceptions import RuleException
from detections.rule import Rule
from detections.suggestions import did_you_mean
from trailhound.errors import UsageError

_NAMED = 5
"""Rules listed when a prefix is ambiguous."""


@dataclass(frozen=True, slots=True)
class Pack:
    """`rules` are active; `compiled` holds the query of each that has a `detection`, by id."""

    rules: tuple[Rule, ...] = ()
    compiled: Mapping[str, Compiled] = field(default_factory=dict)
    faults: tuple[RuleFault, ...] = ()
    disabled: tuple[Rule, ...] = ()
    exceptions: tuple[RuleException, ...] = ()

    @property
    def next_end(self) -> date | None:
        """The last day of the exception in use that ends first; None if none has an end."""
        ends = [each.expires for each in self.exceptions if each.active and each.expires]
        return min(ends, default=None)

    @property
    def incomplete(self) -> bool:
        """Whether anything is wrong beyond warnings and notes."""
        return any(each.what != "warning" for each in self.problems)

    @property
    def problems(self) -> tuple[RuleFault, ...]:
        """Every fault but the notes: what is not used, or probably not meant, and warnings."""
        return tuple(each for each in self.faults if each.what != "note")

    def rule(self, wanted: str) -> Rule:
        """The rule whose id, title or `name` equals `wanted`, or whose id or title starts with it.
        Raises `UsageError`."""
        known = [*self.rules, *self.disabled]
        exact = [each for each in known if wanted in (each.id, each.title)]
        exact = exact or [each for each in known if wanted == each.name]
        low = wanted.lower()
        found = exact or [
            each for each in known if each.id.startswith(low) or each.title.lower().startswith(low)
        ]
        if len(found) == 1:
            return found[0]
        what = "no rule has this id, title or `name`"
        if found:
            same = len({each.title for each in found}) < len(found)
            names = "; ".join(
                f"{each.title} ({each.id}, {each.place})" if same else each.title
                for each in found[:_NAMED]
            )
            more = "; …" if len(found) > _NAMED else ""
            begin = "have this name" if exact else "begin with it"
            what = f"{len(found)} rules {begin}: {names}{more}"
        titles = () if found else sorted(each.title for each in known)
        raise UsageError(
            f"{wanted!r}: {what}", hint=did_you_mean(wanted, titles, "see `trailhound rules list`")
        )

    @property
    def alerting(self) -> tuple[Rule, ...]:
        """The rules that raise alerts themselves."""
        return tuple(rule for rule in self.rules if rule.alerts)
