"""Applies `detections.overrides`, which change rules by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationRule,
    SigmaCorrelationTimespan,
)

from detections.correlations.correlation import Correlation
from detections.correlations.ranges import RangeCondition
from detections.kinds.options import current_options, renamed_options
from detections.packs.actions import ParsedRule
from detections.packs.kinds import KINDS, OPTIONS
from detections.packs.load_faults import LoadFaults
from detections.packs.reading import check_by_role, duration, own_options
from detections.rule import SEVERITIES, Rule
from detections.suggestions import did_you_mean
from trailhound.errors import RuleError
from trailhound.settings import OverrideSettings

ANY_RULE = (
    *("enabled", "level", "severity", "interval", "suppress", "group_by", "response"),
    "lower_attempts",
)
"""Keys that a rule of any kind has. `group_by` groups a plain rule's events into alerts; our own
kinds have an option of that name instead."""


class Overrides:
    """The overrides of the settings, by the id of their rule in any case of letters."""

    def __init__(self, given: Mapping[str, OverrideSettings]) -> None:
        self._given = {key.lower(): each for key, each in given.items()}

    @property
    def disabled(self) -> set[str]:
        """Ids of the rules that are switched off."""
        return {key for key, each in self._given.items() if not each.enabled}

    def apply(self, rule: Rule, sigma: ParsedRule, faults: LoadFaults) -> Rule:
        """The rule as it is overridden; a key that changes nothing is a fault."""
        given = self._given.get(rule.id)
        if given is None:
            return rule
        made, unused = override(rule, sigma, given)
        prefix = f"detections.overrides.{rule.id}: "
        faults.note_renamed(sigma, rule.kind, given.model_fields_set, prefix)
        for each in unused:
            faults.add_of(sigma, prefix + each.reason, each.hint, stops=False, what="override")
        return made

    def name_unused(self, rules: Iterable[Rule], faults: LoadFaults) -> None:
        """A fault for each override whose rule is not among `rules`, which are all that load."""
        loaded = list(rules)
        stopped = faults.stopped()
        for key in sorted(self._given.keys() - {rule.id for rule in loaded}):
            reason = f"detections.overrides: no rule has the id {key!r}"
            if key in stopped:
                reason = f"detections.overrides: the rule {key} does not run"
            meant = [rule for rule in loaded if key in _names(rule)]
            several = " or ".join(f"{each.id} ({each.place})" for each in meant)
            hint = f"its id is {several}" if meant else "see `trailhound rules list`"
            faults.add_of_setting(("detections", "overrides", key), reason, hint, what="override")


def _names(rule: Rule) -> set[str]:
    """The title and `name` of a rule, in lower case."""
    return {rule.title.lower(), (rule.name or rule.title).lower()}


@dataclass(frozen=True, slots=True)
class Unused:
    """A key of an override that changes nothing, and why."""

    key: str
    reason: str
    hint: str


def override(rule: Rule, sigma: ParsedRule, given: OverrideSettings) -> tuple[Rule, list[Unused]]:
    """The overridden rule, and the keys of the override that do not apply to it.

    A correlation's timespan and threshold are changed in `sigma`, which other correlations may
    refer to.
    """
    chosen = {
        key: value
        for key in given.model_fields_set
        if (value := getattr(given, key)) is not None and key != "enabled"
    }
    unused: list[Unused] = []
    taken = OPTIONS[rule.kind]
    options = {key: value for key, value in chosen.items() if key in taken or key not in ANY_RULE}
    for key in sorted(options.keys() - {*taken, *renamed_options(rule.kind)}):
        it_takes = f"it takes {', '.join((*ANY_RULE, *taken))}"
        unused.append(
            Unused(
                key,
                f"`{key}` is no option of {rule.title!r}, a rule of kind {rule.kind}",
                did_you_mean(key, taken, it_takes),
            )
        )
        del options[key]
    if rule.kind != "sigma" and chosen.pop("group_by", None) and "group_by" not in taken:
        reason = f"`group_by` is no option of {rule.title!r}, a rule of kind {rule.kind}"
        unused.append(Unused("group_by", reason, "remove it"))
    rule = replace(rule, **_of_any_rule(chosen))
    if not options:
        return rule, unused
    try:
        if isinstance(sigma, SigmaCorrelationRule):
            _correlation(sigma, options)
            if "by_role" in options:
                rule = replace(rule, by_role=bool(options["by_role"]))
        else:
            own = current_options(rule.kind, own_options(sigma))
            content = {**own, **current_options(rule.kind, options)}
            rule = replace(rule, definition=KINDS[rule.kind](content))
    except RuleError as error:
        unused.append(Unused(", ".join(sorted(options)), str(error), error.hint))
    return rule, unused


def _of_any_rule(chosen: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "level" in chosen:
        changes = {"level": chosen["level"], "severity": SEVERITIES[chosen["level"]]}
    if "severity" in chosen:
        changes["severity"] = chosen["severity"]
    for key in ("interval", "suppress"):
        if key in chosen:
            changes[key] = duration(chosen[key])
    for key in ("group_by", "response"):
        if key in chosen:
            changes[key] = tuple(chosen[key])
    if "lower_attempts" in chosen:
        changes["lower_attempts"] = chosen["lower_attempts"]
    return changes


def _correlation(sigma: SigmaCorrelationRule, options: Mapping[str, Any]) -> None:
    """Changes a correlation's timespan and threshold; on a `RuleError` both are as before."""
    before = sigma.timespan, sigma.condition
    try:
        if options.get("by_role"):
            check_by_role(sigma)
        if "timespan" in options:
            duration(options["timespan"])
            sigma.timespan = SigmaCorrelationTimespan(str(options["timespan"]))
        if "threshold" in options:
            if not isinstance(sigma.condition, SigmaCorrelationCondition):
                raise RuleError(
                    f"the condition of {sigma.title!r} has no number", hint="remove threshold"
                )
            if isinstance(sigma.condition, RangeCondition):
                raise RuleError(
                    f"the condition of {sigma.title!r} is a range", hint="remove threshold"
                )
            count = float(options["threshold"])
            count = int(count) if count.is_integer() else count
            sigma.condition = replace(sigma.condition, count=count)
        Correlation.of(sigma)
    except RuleError:
        sigma.timespan, sigma.condition = before
        raise
