"""References between the rules of a pack: equal ids, and the rules that correlations name."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError, SigmaRuleNotFoundError

from detections.packs.actions import ParsedRule
from detections.packs.documents import reason_of
from detections.packs.load_faults import LoadFaults
from detections.packs.reading import rule_id
from detections.packs.rule_names import PackFolders, RuleNames
from detections.rule import Rule


def first_of_each_id(rules: Iterable[ParsedRule], faults: LoadFaults) -> list[ParsedRule]:
    """The rules without those whose id an earlier one has; each of these is a warning.

    A rule without an id has one from its name or title. Where another rule has the same name or
    title, it gets one of its own, and both run.
    """
    first: dict[str, ParsedRule] = {}
    for each in rules:
        before = first.setdefault(rule_id(each), each)
        if before is each:
            continue
        if each.id is None and each != before:
            _give_id(each, before, first.keys(), faults)
            first[rule_id(each)] = each
            continue
        faults.add_of(
            each,
            f"the id {rule_id(each)} is already used by {faults.place(before)}: "
            "this rule is left out",
            "give it another id",
            stops=False,
            what="warning",
        )
    return list(first.values())


def _give_id(
    rule: ParsedRule, before: ParsedRule, taken: Collection[str], faults: LoadFaults
) -> None:
    """An id for a rule that has the name or title of an earlier one, the same at each load."""
    name = rule.name or rule.title
    file = faults.place(rule).path.name
    made = (
        uuid.uuid5(uuid.UUID(rule_id(rule)), f"{rule.title}\n{file}\n{number}")
        for number in count(1)
    )
    rule.id = next(each for each in made if str(each) not in taken)
    faults.add_of(
        rule,
        f"it has no id, and the name {name!r} of {before.title!r} ({faults.place(before)}): "
        f"until it has an id, it runs with {rule.id}",
        "give it an id",
        stops=False,
        what="warning",
    )


@dataclass(frozen=True, slots=True)
class ResolvedRules:
    """Rules whose correlations are connected with the rules that they name. `undecided` are the ids
    of a correlation and of its part where the name of the part is that of other rules too."""

    rules: list[ParsedRule]
    undecided: frozenset[tuple[str, str]]


def resolve(rules: Sequence[ParsedRule], folders: PackFolders, faults: LoadFaults) -> ResolvedRules:
    """Connects each correlation with the rules that it names. Correlations that cannot be connected
    are left out, and are faults."""
    remaining = list(rules)
    while True:
        names = RuleNames(remaining, folders, faults)
        undecided: set[tuple[str, str]] = set()
        broken: list[ParsedRule] = []
        for each in remaining:
            if isinstance(each, SigmaCorrelationRule):
                known = _SeenFrom(each, names)
                try:
                    each.resolve_rule_references(known)
                except SigmaError as error:
                    broken.append(each)
                    faults.add_of(each, reason_of(error), "name rules by id or `name`")
                    continue
                _warn_of_titles(each, known.titles, faults)
                undecided |= {(rule_id(each), part) for part in known.undecided}
        if not broken:
            return ResolvedRules(remaining, frozenset(undecided))
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


def ids_only_for_correlations(
    rules: Iterable[Rule], undecided: Collection[tuple[str, str]]
) -> set[str]:
    """Ids of the rules that raise no alerts themselves, because a correlation names them and does
    not say `generate: true`. A name that is `undecided` silences no rule."""
    return {
        each
        for rule in rules
        if isinstance(rule.definition, SigmaCorrelationRule) and not rule.definition.generate
        for each in referenced_ids(rule)
        if (rule.id, each) not in undecided
    }


class _SeenFrom(SigmaCollection):
    """The rules as one correlation refers to them."""

    def __init__(self, by: SigmaCorrelationRule, names: RuleNames) -> None:
        super().__init__([], resolve_references=False)
        self._by = by
        self._all = names
        self.titles: list[str] = []
        """The titles that were looked up."""
        self.undecided: set[str] = set()
        """Ids of rules that were the first of several of a name."""

    def __getitem__(self, key: Any) -> Any:
        found = self._all.meant(str(key), self._by)
        if found is None:
            raise SigmaRuleNotFoundError(f"Rule '{key}' not found in rule collection")
        if found.by_title:
            self.titles.append(str(key))
        if found.others:
            self._all.warn(str(key), found, self._by)
            self.undecided.add(rule_id(found.rule))
        return found.rule
