"""Applies exceptions to the rules that they name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy

from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from detections.matcher import SigmaMatcher
from detections.packs.actions import ParsedRule
from detections.packs.checking import reason_of
from detections.packs.exceptions import RuleException, exception_id, is_default, is_named
from detections.packs.load_faults import LoadFaults
from detections.packs.near import did_you_mean
from detections.packs.reading import rule_id


class ExceptionApplier:
    """Narrows rules by exceptions, one after the other.

    `rules` are the rules as narrowed so far; `unfiltered` are those of them that an exception
    narrowed, by id, as they were before any.
    """

    def __init__(
        self,
        rules: Sequence[ParsedRule],
        placeholders: Mapping[str, Sequence[str]],
        faults: LoadFaults,
    ) -> None:
        self.rules = list(rules)
        self.unfiltered: dict[str, SigmaRule] = {}
        self._placeholders = placeholders
        self._faults = faults

    def apply_all(
        self, exceptions: Sequence[SigmaFilter], disabled: Collection[str]
    ) -> tuple[RuleException, ...]:
        """Applies every exception whose id and title are not `disabled`, in any case of letters.

        Returns them without the broken ones, which are faults. So is an entry of `disabled` that
        names none.
        """
        off = {name.lower() for name in disabled}
        known: set[str] = set()
        loaded: list[RuleException] = []
        for exception in exceptions:
            names = {exception_id(exception), exception.title} - {""}
            known |= names
            narrowed = () if off.intersection(map(str.lower, names)) else self._apply(exception)
            if narrowed is None:
                continue
            place = self._faults.place(exception)
            loaded.append(
                RuleException(
                    exception_id(exception),
                    exception.title,
                    (exception.description or "").strip(),
                    place,
                    default=is_default(place),
                    active=bool(narrowed),
                    rules=narrowed,
                )
            )
        for name in sorted(disabled):
            if name.lower() not in map(str.lower, known):
                self._faults.add_of_setting(
                    ("detections", "disabled_exceptions"),
                    f"detections.disabled_exceptions: no exception has the id or title {name!r}",
                    did_you_mean(name, sorted(known), "see `trailhound rules list`"),
                    what="exception",
                )
        return tuple(loaded)

    def _apply(self, exception: SigmaFilter) -> tuple[str, ...] | None:
        """Narrows the rules that an exception names. Their titles; None for a broken exception."""
        try:  # alone first: a broken exception must not break its rules
            SigmaMatcher.from_detections(exception.filter, self._placeholders)
        except Exception as error:  # noqa: BLE001  pySigma raises anything on hostile YAML
            hint = getattr(error, "hint", "fix the exception")
            self._faults.add_of(exception, reason_of(error), hint)
            return None
        narrowed: list[str] = []
        for index, rule in enumerate(self.rules):
            if not isinstance(rule, SigmaRule) or not is_named(exception, rule):
                continue
            before = list(rule.detection.condition)
            try:
                made = exception.apply_on_rule(deepcopy(rule))
            except Exception as error:  # noqa: BLE001  as above
                self._faults.add_of(exception, reason_of(error), "fix the exception")
                return None
            self.rules[index] = made
            self._faults.set_place(made, self._faults.place(rule))
            if isinstance(made, SigmaRule) and made.detection.condition != before:
                self.unfiltered.setdefault(rule_id(rule), rule)
                narrowed.append(rule.title)
        if not is_default(self._faults.place(exception)):
            self._name_unmatched(exception, matched=bool(narrowed))
        return tuple(narrowed)

    def _name_unmatched(self, exception: SigmaFilter, *, matched: bool) -> None:
        """A fault for an exception that matches no rule, or for each rule that it names and that
        does not exist, if another of them does."""
        if not matched:
            self._faults.add_of(
                exception,
                f"the exception {exception.title!r} matches no rule",
                "check its `rules` and its `logsource`",
                stops=False,
            )
        rules = exception.filter.rules
        if isinstance(rules, str):
            return
        known = {str(name).lower() for each in self.rules for name in (each.id, each.name) if name}
        unknown = [each.reference for each in rules if each.reference.lower() not in known]
        if len(unknown) == len(rules):
            return  # it matches no rule at all: that fault is recorded already
        for name in unknown:
            self._faults.add_of(
                exception,
                f"the exception {exception.title!r} names {name!r}, and no rule has that id or "
                "`name`",
                did_you_mean(name.lower(), sorted(known), "see `trailhound rules list`"),
                stops=False,
            )
