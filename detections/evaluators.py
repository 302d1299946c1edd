"""Who evaluates a rule, by its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from detections.finding import Finding
from detections.packs.pack import Pack
from detections.rule import Kind, Rule
from detections.span import Span


class Evaluate(Protocol):
    """Finds what a rule that is no plain one fires on in a span. Raises `ClusterError`."""

    def __call__(self, rule: Rule, pack: Pack, span: Span) -> Iterable[Finding]: ...


Evaluators = Mapping[Kind, Evaluate]
"""For every kind but plain Sigma, which `Search` does by the dozen."""


def plain(rules: Sequence[Rule]) -> list[Rule]:
    """The rules that `Search` takes."""
    return [rule for rule in rules if rule.kind == "sigma"]


def others(rules: Sequence[Rule]) -> list[Rule]:
    """The rules that an evaluator of their kind takes."""
    return [rule for rule in rules if rule.kind != "sigma"]
