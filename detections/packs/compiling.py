"""Makes a pack of parsed rules: each is read, overridden and compiled; a broken one is a fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from detections.backend.compiler import compile_rule
from detections.compiled import Compiled
from detections.correlations.correlation import Correlation
from detections.packs.actions import ParsedRule
from detections.packs.chosen import silencing
from detections.packs.documents import reason_of
from detections.packs.load_faults import LoadFaults
from detections.packs.overrides import Overrides
from detections.packs.pack import Pack
from detections.packs.parsing import is_shipped
from detections.packs.reading import own_options, read, rule_id
from detections.packs.references import (
    ResolvedRules,
    ids_only_for_correlations,
    without_broken_references,
)
from detections.rule import Rule

_LONGEST_INTERVAL: Final = timedelta(days=1)
_LONGEST_SUPPRESS: Final = timedelta(days=7)
_MONTHS: Final = "write 5m for five minutes, 1h or 1d: `M` is a month"


class PackCompiler:
    """Compiles rules whose references are resolved.

    `unfiltered`: the rules that exceptions narrowed, by id, as they were before.
    """

    def __init__(
        self,
        overrides: Overrides,
        placeholders: Mapping[str, Sequence[str]],
        unfiltered: Mapping[str, SigmaRule],
        faults: LoadFaults,
    ) -> None:
        self._overrides = overrides
        self._placeholders = placeholders
        self._unfiltered = unfiltered
        self._faults = faults

    def pack(self, parsed: ResolvedRules) -> Pack:
        """The pack of these rules, still without its faults and exceptions."""
        rules: list[Rule] = []
        compiled: dict[str, Compiled] = {}
        for each in parsed.rules:
            try:
                rule = self._read(each)
                if rule.events is not None:
                    compiled[rule.id] = self._compile(rule.events)
                    self._add_notes(each, compiled[rule.id])
                rules.append(rule)
            except Exception as error:  # noqa: BLE001  one rule's fault must not stop the others
                self._faults.add_of(each, reason_of(error), getattr(error, "hint", "fix the rule"))
        rules = without_broken_references(rules, self._faults)
        silent = ids_only_for_correlations(rules, parsed.undecided)
        rules = [replace(rule, alerts=rule.id not in silent) for rule in rules]
        self._overrides.name_unused(rules, self._faults)
        off = self._overrides.disabled
        return Pack(
            rules=tuple(rule for rule in rules if rule.id not in off),
            compiled=compiled,
            disabled=tuple(rule for rule in rules if rule.id in off),
        )

    def _read(self, sigma: ParsedRule) -> Rule:
        """The rule as the settings override it. Raises `RuleError`, and pySigma's errors."""
        rule = read(sigma, self._faults.place(sigma))
        self._faults.note_renamed(sigma, rule.kind, own_options(sigma))
        rule = self._overrides.apply(rule, sigma, self._faults)
        if isinstance(sigma, SigmaCorrelationRule):
            Correlation.of(sigma)  # raises for what is not supported
        self._warn_of_times(sigma, rule)
        return rule

    def _warn_of_times(self, sigma: ParsedRule, rule: Rule) -> None:
        """Warnings about a rule that hardly ever runs, or whose alerts take up everything to
        come."""
        if rule.interval > _LONGEST_INTERVAL:
            reason = f"{rule.title!r} runs only every {rule.interval.days} days (interval)"
            self._faults.add_of(sigma, reason, _MONTHS, stops=False, what="warning")
        if rule.suppress > _LONGEST_SUPPRESS:
            reason = (
                f"an alert of {rule.title!r} takes up all further events of its group for "
                f"{rule.suppress.days} days (suppress), and none of them is sent"
            )
            self._faults.add_of(sigma, reason, _MONTHS, stops=False, what="warning")

    def _compile(self, sigma: SigmaRule) -> Compiled:
        """A rule's query, with that of the rule before any exception."""
        made = compile_rule(sigma, self._placeholders)
        before = self._unfiltered.get(rule_id(sigma))
        if before is None:
            return made
        return replace(made, before_exceptions=compile_rule(before, self._placeholders))

    def _add_notes(self, sigma: ParsedRule, made: Compiled) -> None:
        """Notes on fields that the index does not search, and, in one's own rules, on fields by
        which a caller can avoid the rule."""
        for path in made.unsearched:
            self._faults.add_of(
                sigma,
                f"the index does not search the field {path!r}: hits are decided one by one",
                "see `trailhound rules fields`",
                stops=False,
                what="note",
            )
        matcher = (made.before_exceptions or made).matcher
        if matcher is None or is_shipped(self._faults.place(sigma).path):
            return
        for path in sorted(silencing(matcher.root)):
            self._faults.add_of(
                sigma,
                f"a caller can set {path!r} so that the rule does not match any of its calls",
                "see `history.known_automation` in docs/rules.md",
                stops=False,
                what="note",
            )
