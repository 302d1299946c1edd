"""Correlation conditions with two or more comparisons, as `gt: 100, lte: 200`.

Sigma's specification allows them; pySigma accepts only one comparison. So the others are removed
from a document before it is parsed, and added to the parsed condition afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
)

_OPERATORS = tuple(SigmaCorrelationConditionOperator.operators())


@dataclass
class RangeCondition(SigmaCorrelationCondition):
    """A condition of which `also` has further comparisons: all have to hold."""

    also: tuple[SigmaCorrelationCondition, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        made: dict[str, Any] = super().to_dict()
        for each in self.also:
            made[each.op.name.lower()] = each.count
        return made


def without_range(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document with one comparison in its condition, and the others: operator → number.

    >>> rule = {"correlation": {"condition": {"gt": 100, "lte": 200}}}
    >>> without_range(rule)
    ({'correlation': {'condition': {'gt': 100}}}, {'lte': 200})
    """
    correlation = content.get("correlation")
    condition = correlation.get("condition") if isinstance(correlation, dict) else None
    if not isinstance(condition, dict):
        return dict(content), {}
    found = [name for name in condition if name in _OPERATORS]
    others = {name: condition[name] for name in found[1:]}
    kept = {name: value for name, value in condition.items() if name not in others}
    return {**content, "correlation": {**(correlation or {}), "condition": kept}}, others


def with_range(rule: SigmaCorrelationRule, others: Mapping[str, Any]) -> None:
    """Join comparisons to a parsed rule's condition. Raises pySigma's errors."""
    first = rule.condition
    if not others or not isinstance(first, SigmaCorrelationCondition):
        return
    also = [SigmaCorrelationCondition.from_dict({name: others[name]}) for name in others]
    rule.condition = RangeCondition(
        first.op, first.count, first.fieldref, first.percentile, first.source, tuple(also)
    )
