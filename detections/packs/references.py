"""References between the rules of a pack: equal ids, and the rules that correlations name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError, SigmaRuleNotFoundError

from detections.packs.actions import ParsedRule
from detections.packs.checking import reason_of
from detections.packs.load_faults import LoadFaults
from detections.packs.reading import rule_id
from detections.rule import Rule


def first_of_each_id(rules: Iterable[ParsedRule], faults: LoadFaults) -> list[ParsedRule]:
    """The rules without those whose id an earlier one has; each of these is a warning."""
    first: dict[str, ParsedRule] = {}
    for each in rules:
        before = first.setdefault(rule_id(each), each)
        if before is not each:
            faults.add_of(
                each,
                f"the id {rule_id(each)} is already used by {faults.place(before)}: "
                "this rule is left out",
                "give it another id",
                stops=False,
                what="warning",
            )
    return list(first.values())


def resolve(rules: Sequence[ParsedRule], faults: LoadFaults) -> list[ParsedRule]:
    """Connects each correlation with the rules that it names; returns the rules without the
    correlations that cannot be connected, which are faults."""
    remaining = list(rules)
    while True:
        collection = _ByTitle(list(remaining))
        broken: list[ParsedRule] = []
        for each in remaining:
            if isinstance(each, SigmaCorrelationRule):
                try:
                    collection.used.clear()
                    each.resolve_rule_references(collection)
                    _warn_of_titles(each, collection.used, faults)
                except SigmaError as error:
                    broken.append(each)
                    faults.add_of(each, reason_of(error), "name rules by id or `name`")
        if not broken:
            return remaining
        # Others may name one of these: again, without them.
        remaining = [each for each in remaining if each not in broken]


def _warn_of_titles(rule: SigmaCorrelationRule, titles: Iterable[str], faults: LoadFaults) -> None:
    for title in titles:
        reason = f"it names the rule {title!r} by its title, which is no reference in Sigma"
        if not faults.known(rule, reason):  # rules are resolved again after one that is broken
            hint = "name it by its id or `name`"
            faults.add_of(rule, reason, hint, stops=False, what="warning")


def without_broken_references(rules: Iterable[Rule], faults: LoadFaults) -> list[Rule]:
    """The rules without the correlations that name a rule which is not among them; each of these is
    a fault."""
    remaining = list(rules)
    while True:
        ids = {rule.id for rule in remaining}
        broken = [rule for rule in remaining if not ids.issuperset(referenced_ids(rule))]
        if not broken:
            return remaining
        for rule in broken:
            faults.add_of(rule.definition, "it refers to a rule that is broken", "fix that rule")
            remaining.remove(rule)


def referenced_ids(rule: Rule) -> set[str]:
    """Ids of the rules that a correlation names; empty for another rule."""
    if not isinstance(rule.definition, SigmaCorrelationRule):
        return set()
    return {rule_id(each.rule) for each in rule.definition.referenced_rules}


def ids_only_for_correlations(rules: Iterable[Rule]) -> set[str]:
    """Ids of the rules that raise no alerts themselves, because a correlation names them and does
    not say `generate: true`."""
    return {
        each
        for rule in rules
        if isinstance(rule.definition, SigmaCorrelationRule) and not rule.definition.generate
        for each in referenced_ids(rule)
    }


class _ByTitle(SigmaCollection):
    """Rules by id and `name`, and by a title that only one of them has."""

    def __init__(self, rules: list[Any]) -> None:
        super().__init__(rules, resolve_references=False)
        self.used: list[str] = []
        """The titles that were looked up."""

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except SigmaRuleNotFoundError:
            found = [each for each in self.rules if each.title == key]
            if len(found) != 1:
                raise
            self.used.append(str(key))
            return found[0]
