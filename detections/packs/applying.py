"""Applies exceptions to the rules that they name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Final

from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from detections.matcher import SigmaMatcher
from detections.packs.actions import ParsedRule
from detections.packs.chosen import excusing
from detections.packs.documents import reason_of
from detections.packs.exceptions import RuleException, exception_id, is_default, with_any_rule
from detections.packs.expiry import Ended, expiry, today
from detections.packs.load_faults import LoadFaults
from detections.packs.reading import rule_id
from detections.packs.rule_names import PackFolders, RuleNames
from detections.suggestions import did_you_mean
from trailhound.errors import RuleError

_RENAME: Final = (
    "begin the names of its selections with a letter; `them` and the like cannot be one"
)


def _read_conditions(rule: SigmaRule) -> None:
    """Parse the conditions of a rule, which pySigma does not when it narrows them."""
    for condition in rule.detection.parsed_condition:
        condition.parse()


def _can_be_read(rule: SigmaRule) -> bool:
    try:
        _read_conditions(rule)
    except Exception:  # noqa: BLE001  the rule's own fault, which is reported where it is compiled
        return False
    return True


def _unreadable(exception: SigmaFilter, error: Exception) -> str:
    return f"the exception {exception.title!r} cannot be joined to a rule: {reason_of(error)}"


class ExceptionApplier:
    """Narrows rules by exceptions, one after the other.

    `rules` are the rules as narrowed so far; `unfiltered` are those of them that an exception
    narrowed, by id, as they were before any.
    """

    def __init__(
        self,
        rules: Sequence[ParsedRule],
        folders: PackFolders,
        placeholders: Mapping[str, Sequence[str]],
        faults: LoadFaults,
    ) -> None:
        self.rules = list(rules)
        self.unfiltered: dict[str, SigmaRule] = {}
        self._today = today()
        self._placeholders = placeholders
        self._faults = faults
        self._names = RuleNames(rules, folders, faults)

    def apply_all(
        self, exceptions: Sequence[SigmaFilter], disabled: Collection[str]
    ) -> tuple[RuleException, ...]:
        """Applies every exception that has not ended and whose id and title are not `disabled`, in
        any case of letters.

        Returns them without the broken ones, which are faults. So is an entry of `disabled` that
        names none.
        """
        off = {name.lower() for name in disabled}
        known: set[str] = set()
        loaded: list[RuleException] = []
        for exception in exceptions:
            names = {exception_id(exception), exception.title} - {""}
            known |= names
            try:
                last = expiry(exception.custom_attributes)
            except RuleError as error:
                self._faults.add_of(exception, str(error), error.hint)
                continue
            is_off = bool(off.intersection(map(str.lower, names)))
            ended = last is not None and last < self._today and not is_off
            narrowed = () if is_off or ended else self._apply(exception)
            if narrowed is None:
                continue
            place = self._faults.place(exception)
            if ended and last is not None:
                self._faults.add_of(
                    exception,
                    Ended(exception.title, last).sentence(),
                    "remove it, or give it a later day",
                    stops=False,
                    what="warning",
                )
            loaded.append(
                RuleException(
                    exception_id(exception),
                    exception.title,
                    (exception.description or "").strip(),
                    place,
                    default=is_default(place),
                    active=bool(narrowed),
                    rules=narrowed,
                    expires=last,
                    ended=ended,
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
            alone = SigmaMatcher.from_detections(exception.filter, self._placeholders)
        except Exception as error:  # noqa: BLE001  pySigma raises anything on hostile YAML
            hint = getattr(error, "hint", "fix the exception")
            self._faults.add_of(exception, reason_of(error), hint)
            return None
        named = self._named(exception)
        ids = None if named is None else {rule_id(each) for each in named.values() if each}
        for_any = with_any_rule(exception)
        changed: dict[int, tuple[SigmaRule, SigmaRule]] = {}
        read = False
        for index, rule in enumerate(self.rules):
            if not isinstance(rule, SigmaRule) or (ids is not None and rule_id(rule) not in ids):
                continue
            try:
                made = for_any.apply_on_rule(deepcopy(rule))
                if isinstance(made, SigmaRule) and made.detection.condition != (
                    rule.detection.condition
                ):
                    if not read and _can_be_read(rule):
                        _read_conditions(made)
                        read = True
                    changed[index] = rule, made
            except Exception as error:  # noqa: BLE001  as above
                self._faults.add_of(exception, _unreadable(exception, error), _RENAME)
                return None
        narrowed: list[str] = []
        for index, (rule, made) in changed.items():
            self._faults.set_place(made, self._faults.place(rule))
            self.rules[index] = made
            self.unfiltered.setdefault(rule_id(rule), rule)
            narrowed.append(rule.title)
        if not is_default(self._faults.place(exception)):
            if changed:
                self._warn_of_condition(exception, alone)
            self._name_unmatched(exception, named or {}, matched=bool(narrowed))
        return tuple(narrowed)

    def _warn_of_condition(self, exception: SigmaFilter, alone: SigmaMatcher) -> None:
        """A warning about an exception that says which events its rules keep, and so leaves out all
        others: its author mostly means the opposite. Notes on fields by which a caller can have its
        events left out as those of another."""
        if not alone.matches({}):
            self._faults.add_of(
                exception,
                f"the exception {exception.title!r} leaves out every event that does not match it",
                "its condition says what its rules still report: write `condition: not …`",
                stops=False,
                what="warning",
            )
        for path in sorted(excusing(alone.root)):
            self._faults.add_of(
                exception,
                f"a caller can set {path!r} so that the exception leaves out its events",
                "test a role by its whole ARN (`…sessionIssuer.arn`); see docs/rules.md",
                stops=False,
                what="note",
            )

    def _named(self, exception: SigmaFilter) -> dict[str, ParsedRule | None] | None:
        """The rule of each id or `name` of an exception, None where there is none; None for an
        exception for any rule."""
        rules = exception.filter.rules
        if isinstance(rules, str):
            return None
        named: dict[str, ParsedRule | None] = {}
        for reference in (str(each.reference) for each in rules):
            meant = self._names.narrowed(reference, exception)
            named[reference] = meant.rule if meant else None
            if meant:
                self._names.warn(reference, meant, exception)
        return named

    def _name_unmatched(
        self, exception: SigmaFilter, named: Mapping[str, ParsedRule | None], *, matched: bool
    ) -> None:
        """A fault for an exception that matches no rule, or for each name that narrows none, if
        another of them does."""
        if not matched:
            unknown = [each for each, rule in named.items() if rule is None]
            hints = (did_you_mean(each, self._names.references) for each in unknown)
            self._faults.add_of(
                exception,
                f"the exception {exception.title!r} matches no rule",
                next(filter(None, hints), "check its `rules` and its `logsource`"),
                stops=False,
            )
            return
        for name, rule in named.items():
            if isinstance(rule, SigmaRule):
                continue
            reason = f"the exception {exception.title!r} names {name!r}, "
            if rule is None:
                reason += "and no rule has that id or `name`"
                near = did_you_mean(name, self._names.references, "see `trailhound rules list`")
                self._faults.add_of(exception, reason, near, stops=False)
            else:
                reason += "which is a correlation and has no events of its own"
                hint = "name the rules that it refers to"
                self._faults.add_of(exception, reason, hint, stops=False)
