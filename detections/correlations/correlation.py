"""A Sigma correlation as parsed by pySigma: checked, with references and aliases resolved.

docs/correlations.md defines what Sigma leaves open. What is not supported is rejected here, with a
reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionItem,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationCondition,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.rule import SigmaRule

from detections.correlations.ranges import RangeCondition
from detections.correlations.window_counts import (
    EventCount,
    Measure,
    Operator,
    RulesInOrder,
    RulesPresent,
    Threshold,
    ValueCount,
    WindowTally,
)
from detections.events.principal import by_role
from trailhound.errors import RuleError

if TYPE_CHECKING:
    from detections.rule import Rule

Type = Literal[
    "event_count",
    "value_count",
    "temporal",
    "temporal_ordered",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_median",
]
COUNTED: frozenset[Type] = frozenset({"event_count", "value_count"})
DEEPEST = 8
"""Most levels of correlations of correlations. Circular references are detected by this limit."""

Parsed = CorrelationConditionItem | SigmaRuleReference


@dataclass(frozen=True, slots=True)
class Part:
    """One of the rules that are correlated.

    Aliases are resolved: `group_by` are the fields of this rule's events for the correlation's
    group-by names, in their order, and `counted` are those for the fields of the condition.
    """

    name: str
    rule: SigmaRule | Correlation
    group_by: tuple[str, ...]
    counted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correlation:
    """`timespan` is in milliseconds. `expression` is an extended condition; else `threshold`.

    `by_role`: it also has the form `of_roles`, whose `together` is true."""

    title: str
    type: Type
    parts: tuple[Part, ...]
    group_by: tuple[str, ...]
    timespan: int
    threshold: Threshold
    percentile: int = 50
    expression: Parsed | None = None
    by_role: bool = False
    together: bool = False

    @classmethod
    def of_rule(cls, rule: Rule) -> Correlation:
        """That of a rule. Raises as `of`."""
        made = cls.of(rule.definition)
        return replace(made, by_role=True) if rule.by_role else made

    @classmethod
    def of(cls, rule: SigmaCorrelationRule, depth: int = 0) -> Correlation:
        """From a rule whose references pySigma has resolved.

        Raises `RuleError`, naming the rule, for what is malformed or not supported.
        """
        try:
            return _correlation(rule, depth)
        except _Refused as refused:
            raise RuleError(
                f"correlation {rule.title!r} ({rule.id}): {refused}", hint=refused.hint
            ) from None

    @property
    def nested(self) -> bool:
        """Whether any of its parts is a correlation itself."""
        return any(isinstance(part.rule, Correlation) for part in self.parts)

    @property
    def grouped_alike(self) -> bool:
        """Whether all of its parts are grouped by the fields that it names, so that it has no
        aliases."""
        return all(
            part.group_by == self.group_by
            and (not isinstance(part.rule, Correlation) or part.rule.grouped_alike)
            for part in self.parts
        )

    def grouped_by(self, fields: Mapping[str, str]) -> Correlation:
        """The correlation grouped by other fields, at every level; `fields` is old name → new
        name."""

        def renamed(names: Sequence[str]) -> tuple[str, ...]:
            return tuple(fields.get(name, name) for name in names)

        parts = tuple(
            replace(
                part,
                group_by=renamed(part.group_by),
                rule=part.rule.grouped_by(fields),
                counted=renamed(part.counted),
            )
            if isinstance(part.rule, Correlation)
            else replace(part, group_by=renamed(part.group_by))
            for part in self.parts
        )
        return replace(self, group_by=renamed(self.group_by), parts=parts)

    def of_roles(self) -> Correlation:
        """The form that counts the sessions of a role from one address together
        (`role_sessions`)."""
        names = by_role(self.group_by)
        parts = tuple(replace(part, group_by=names) for part in self.parts)
        return replace(self, group_by=names, parts=parts, by_role=False, together=True)

    def around(self, since: int, until: int) -> tuple[int, int]:
        """The event times of all windows that end in an interval; where sessions are counted
        together, also of the windows of one session that share an event with these."""
        more = self.timespan if self.together else 0
        return since - self.timespan - more, until + more

    @property
    def max_window(self) -> int:
        """Maximum milliseconds between two events of one window, over all levels."""
        below = [part.rule.max_window for part in self.parts if isinstance(part.rule, Correlation)]
        return self.timespan + max(below, default=0)

    def leaves(self) -> list[SigmaRule]:
        """Every plain rule below, once."""
        found: dict[int, SigmaRule] = {}
        for part in self.parts:
            rules = part.rule.leaves() if isinstance(part.rule, Correlation) else [part.rule]
            found.update((id(rule), rule) for rule in rules)
        return list(found.values())

    def tally(self) -> WindowTally:
        """A new tally, for one group."""
        match self.type:
            case "event_count":
                return EventCount(self.threshold)
            case "value_count":
                return ValueCount(self.threshold)
            case "temporal":
                return RulesPresent(self.enough)
            case "temporal_ordered":
                return RulesInOrder(self.threshold, len(self.parts))
            case "value_sum":
                return Measure(self.threshold, "sum")
            case "value_avg":
                return Measure(self.threshold, "avg")
            case "value_percentile" | "value_median":
                return Measure(self.threshold, "percentile", self.percentile)

    def enough(self, present: frozenset[int]) -> bool:
        """Whether a window meets the condition of a temporal correlation, if exactly the parts at
        the positions `present` have events in it."""
        if self.expression is None:
            return self.threshold.holds(len(present))
        return _evaluated(self.expression, self._positions(), present)

    def possible(self, by_part: Sequence[int]) -> bool:
        """Whether a window with at most these numbers of events of each part may meet the
        condition. All parts have to be plain rules."""
        if self.type == "event_count":
            return sum(by_part) >= max(1, self.threshold.minimum)
        return any(by_part[part] for part in self.cover(by_part))

    def cover(self, costs: Sequence[int]) -> frozenset[int]:
        """Positions of parts such that every window that meets the condition has an event of one of
        them: only groups with such events can have a finding.

        Chosen for a small sum of `costs`, the parts' numbers of events.
        """
        every = frozenset(range(len(self.parts)))
        if self.type not in ("temporal", "temporal_ordered"):
            return every
        if self.expression is not None and self.type == "temporal":
            found = _cover(self.expression, self._positions(), costs)
            return every if found is None else found
        minimum = self.threshold.minimum
        if minimum > len(self.parts):
            return frozenset()
        cheapest = sorted(every, key=lambda part: costs[part])
        return frozenset(cheapest[: len(self.parts) - minimum + 1]) if minimum else every

    def _positions(self) -> dict[str, int]:
        return {part.name: position for position, part in enumerate(self.parts)}


class _Refused(Exception):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _correlation(rule: SigmaCorrelationRule, depth: int) -> Correlation:
    if rule.errors:
        raise _Refused(str(rule.errors[0]), "fix the rule")
    if depth > DEEPEST:
        raise _Refused("its references are circular", "let no rule refer to itself")
    type_: Type = rule.type.name.lower()  # type: ignore[assignment]
    condition = rule.condition
    names = tuple(rule.group_by or ())
    counted = _counted(rule, condition)
    parts = tuple(
        _part(rule, reference, names, counted, depth) for reference in rule.referenced_rules
    )
    if not parts:
        raise _Refused(
            "its references are not resolved, or there are none", "name the rules it correlates"
        )
    expression: Parsed | None = None
    percentile = 50
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        expression = condition.parsed
        threshold = Threshold("gte", len(parts))
        if type_ == "temporal_ordered":
            _check_ordered(expression)
    else:
        also = condition.also if isinstance(condition, RangeCondition) else ()
        threshold = replace(_threshold(condition), also=tuple(map(_threshold, also)))
        if type_ == "value_percentile":
            percentile = _percentile(condition)
    return Correlation(
        title=rule.title,
        type=type_,
        parts=parts,
        group_by=names,
        timespan=rule.timespan.seconds * 1000,
        threshold=threshold,
        percentile=percentile,
        expression=expression,
    )


def _threshold(condition: SigmaCorrelationCondition) -> Threshold:
    op: Operator = condition.op.name.lower()  # type: ignore[assignment]
    return Threshold(op, condition.count)


def _counted(
    rule: SigmaCorrelationRule,
    condition: SigmaCorrelationCondition | SigmaExtendedCorrelationCondition,
) -> tuple[str, ...]:
    """The fields whose values are counted or measured."""
    if not rule.type.name.startswith("VALUE_"):
        return ()
    named = getattr(condition, "fieldref", None) or ()
    fields = (named,) if isinstance(named, str) else tuple(map(str, named))
    if len(fields) > 1 and rule.type.name != "VALUE_COUNT":
        raise _Refused(
            f"the numbers of several fields ({', '.join(fields)}) are not one measure",
            "measure one field; `value_count` counts the combinations of several",
        )
    return fields


def _percentile(condition: SigmaCorrelationCondition) -> int:
    if condition.percentile is None or not 0 <= condition.percentile <= 100:
        raise _Refused(
            f"value_percentile needs a percentile from 0 to 100, not {condition.percentile}",
            "write `percentile: 95` into its condition",
        )
    return condition.percentile


def _part(
    rule: SigmaCorrelationRule,
    reference: SigmaRuleReference,
    names: tuple[str, ...],
    counted: tuple[str, ...],
    depth: int,
) -> Part:
    target = getattr(reference, "rule", None)
    if target is None:
        raise _Refused(
            f"the rule {reference.reference!r} is not defined", "load the pack that defines it"
        )
    group_by = tuple(_resolved(rule, name, reference, target) for name in names)
    own_counted = tuple(_resolved(rule, name, reference, target) for name in counted)
    if not isinstance(target, SigmaCorrelationRule):
        return Part(reference.reference, target, group_by, own_counted)
    below = Correlation.of(target, depth + 1)
    for name in (*group_by, *own_counted):
        if name not in below.group_by:
            raise _Refused(
                f"it uses {name!r} of the correlation {target.title!r}, which groups by "
                f"{', '.join(below.group_by) or 'nothing'}",
                "group the inner correlation by that field, or name another one as its alias",
            )
    return Part(reference.reference, below, group_by, own_counted)


def _resolved(
    rule: SigmaCorrelationRule,
    name: str,
    reference: SigmaRuleReference,
    target: SigmaRule | SigmaCorrelationRule,
) -> str:
    """The field that `name` refers to in the events of one rule."""
    alias = rule.aliases.aliases.get(name)
    if alias is None:
        return name
    for each, field in alias.mapping.items():
        if each.reference == reference.reference or getattr(each, "rule", None) is target:
            return field
    raise _Refused(
        f"its alias {name!r} names no field for the rule {reference.reference!r}",
        "name one for each of the rules",
    )


def _check_ordered(expression: Parsed) -> None:
    """An order is defined only for rules joined by `and`."""
    if isinstance(expression, SigmaRuleReference):
        return
    if not isinstance(expression, CorrelationConditionAND):
        raise _Refused(
            "temporal_ordered with `or` or `not` in its condition is not supported",
            "join the rules with `and`, or use temporal",
        )
    for each in expression.args:
        _check_ordered(each)


def _evaluated(node: Parsed, positions: dict[str, int], present: frozenset[int]) -> bool:
    if isinstance(node, SigmaRuleReference):
        return positions[node.reference] in present
    held = (_evaluated(each, positions, present) for each in node.args)
    if isinstance(node, CorrelationConditionNOT):
        return not next(held)
    return any(held) if isinstance(node, CorrelationConditionOR) else all(held)


def _cover(node: Parsed, positions: dict[str, int], costs: Sequence[int]) -> frozenset[int] | None:
    """Parts of which one occurs whenever `node` is true; None if it can be true without any."""
    if isinstance(node, SigmaRuleReference):
        return frozenset([positions[node.reference]])
    if isinstance(node, CorrelationConditionNOT):
        return None
    found = [_cover(each, positions, costs) for each in node.args]
    if isinstance(node, CorrelationConditionAND):
        known = [each for each in found if each is not None]
        cost: Callable[[frozenset[int]], int] = lambda parts: sum(costs[part] for part in parts)  # noqa: E731
        return min(known, key=cost, default=None)
    if any(each is None for each in found):
        return None
    return frozenset().union(*(each for each in found if each is not None))
