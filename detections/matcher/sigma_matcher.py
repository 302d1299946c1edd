"""The pure Sigma matcher: does a decoded CloudTrail record match a Sigma detection?

No network, no cluster, no clock. pySigma parses; what it parsed is compiled once to closures.
The meaning is Sigma's. What Sigma leaves to the backend is defined as follows:

- an ECS name that is an alias in the index (`event.action`) is the raw field it refers to;
- a field that is null, `{}` or `[]` counts as absent: it matches `null` and not `exists`;
- a path that ends at an object or array matches if any value below it does;
- with `all`, each value has to match some element of an array, not all of them the same element;
- a regular expression is searched for, not anchored;
- a keyword is a substring of any value, anywhere in the record as CloudTrail wrote it, as in a
whole log line; the fields that Trailhound adds are not searched;
- `history.known_automation` is no field of a record (`detections.matcher.known_automation`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pyparsing import ParseException
from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
)
from sigma.exceptions import SigmaError
from sigma.modifiers import (
    SigmaCaseSensitiveModifier,
    SigmaEndswithModifier,
    SigmaStartswithModifier,
)
from sigma.policy.profiles import TrustedPolicy
from sigma.rule import SigmaRule
from sigma.rule.detection import SigmaDetection, SigmaDetectionItem, SigmaDetections
from sigma.types import (
    SigmaBool,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaString,
    SigmaType,
    SpecialChars,
)

from detections.event_fields import named
from detections.matcher.event_values import Record, RecordTest, any_at, leaves, text, values_at
from detections.matcher.known_automation import KNOWN, known_test
from detections.matcher.name_parts import PartReference
from detections.matcher.placeholders import expanded
from detections.matcher.predicate import (
    Every,
    FieldTest,
    Node,
    Not,
    Some,
    Test,
    closure,
    paths,
)
from detections.matcher.sigma_values import value_test
from detections.matcher.wildcards import lowered, one_of
from detections.matcher.written import sigma_values
from trailhound.cluster.mappings import ADDED
from trailhound.errors import RuleError

NO_PLACEHOLDERS: Mapping[str, Sequence[str]] = {}


class SigmaMatcher:
    """A detection, compiled. `fields` are the paths that it reads (a keyword search adds none).

    >>> matcher = SigmaMatcher.from_detection(
    ...     {"call": {"eventName|startswith": "delete"}, "failed": {"errorCode|exists": True},
    ...      "condition": "call and not failed"}
    ... )
    >>> matcher.matches({"eventName": "DeleteTrail"})
    True
    >>> matcher.matches({"eventName": "DeleteTrail", "errorCode": "AccessDenied"})
    False
    """

    __slots__ = ("fields", "matches", "root")

    fields: frozenset[str]
    matches: RecordTest
    """matches(record) -> bool"""
    root: Node
    """The logic itself, for compilers to something other than a function."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.fields = paths(root)
        self.matches = closure(root)

    @classmethod
    def from_rule(
        cls, rule: SigmaRule, placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS
    ) -> SigmaMatcher:
        """From a parsed rule; `placeholders` are the values for `expand`.

        Parse with `policy=sigma.policy.profiles.TrustedPolicy` where a rule's regular expressions
        use look-around. Raises `RuleError`, naming the rule and its fault.
        """
        try:
            if rule.errors:
                raise rule.errors[0]
            return cls.from_detections(rule.detection, placeholders)
        except (SigmaError, RuleError) as error:
            hint = error.hint if isinstance(error, RuleError) else "fix the rule"
            raise RuleError(f"rule {rule.title!r} ({rule.id}): {error}", hint=hint) from None

    @classmethod
    def from_detection(
        cls,
        detection: Mapping[str, Any],
        placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS,
    ) -> SigmaMatcher:
        """From a bare `detection:` mapping. Without a `condition`, all of its parts must match.

        Raises `RuleError` for anything Sigma doesn't allow, or this matcher can't do.
        """
        if not any(name != "condition" for name in detection):
            raise RuleError("the detection is empty", hint="name at least one field and its value")
        content = {"condition": "all of them", **sigma_values(detection)}
        try:
            detections = SigmaDetections.from_dict(content, policy=TrustedPolicy)
        except SigmaError as error:
            raise RuleError(str(error), hint="fix the detection") from None
        except (TypeError, AttributeError) as error:  # as in from_detections
            raise _no_sigma(error) from None
        try:
            return cls.from_detections(detections, placeholders)
        except SigmaError as error:
            raise RuleError(str(error), hint="fix the detection") from None

    @classmethod
    def from_detections(
        cls,
        detections: SigmaDetections,
        placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS,
    ) -> SigmaMatcher:
        """From parsed detections with their conditions, as a Sigma filter holds them.

        Raises `RuleError`, or pySigma's own errors.
        """
        try:
            return cls(_conditions(detections, placeholders))
        except (TypeError, AttributeError) as error:  # pySigma, for a value that is not valid Sigma
            raise _no_sigma(error) from None

    @classmethod
    def any_of(cls, matchers: Sequence[SigmaMatcher]) -> SigmaMatcher:
        """One matcher for what any of `matchers` matches; without matchers it matches nothing."""
        return cls(Some(tuple(matcher.root for matcher in matchers)))


def _no_sigma(error: Exception) -> RuleError:
    return RuleError(
        f"the detection is not Sigma: {error}",
        hint="write selections as mappings of fields to values",
    )


def _conditions(detections: SigmaDetections, placeholders: Mapping[str, Sequence[str]]) -> Node:
    """The detections under their conditions; where a rule has several conditions, any of them."""
    for name in detections.detections:
        if not isinstance(name, str):
            raise RuleError(
                f"a selection's name is read as {name!r}, which is not a text",
                hint="YAML reads on, off, yes, no and numbers as other types: rename it",
            )
    compiled: dict[str, Node] = {}

    def named(identifier: str) -> Node:
        if identifier not in detections.detections:
            raise RuleError(
                f"the condition names {identifier!r}, which the detection does not define",
                hint=f"it defines {', '.join(sorted(detections.detections)) or 'nothing'}",
            )
        if identifier not in compiled:
            compiled[identifier] = _selection(detections.detections[identifier], placeholders)
        return compiled[identifier]

    trees = []
    for condition in detections.parsed_condition:
        try:
            tree = condition.parse(postprocess=False)
        except (ParseException, RecursionError, TypeError) as error:
            raise RuleError(
                f"the condition {condition.condition!r} cannot be parsed: {error}",
                hint="join selections with and, or, not, `1 of x*`, `all of them`",
            ) from None
        trees.append(_condition(tree, detections, named))
    return trees[0] if len(trees) == 1 else Some(tuple(trees))


def _condition(tree: object, detections: SigmaDetections, named: Callable[[str], Node]) -> Node:
    match tree:
        case ConditionIdentifier(identifier=identifier):
            return named(identifier)
        case ConditionSelector():
            chosen = tree.resolve_referenced_detections(detections)
            if not chosen:
                raise RuleError(
                    f"`{tree.args[0]} of {tree.pattern}` fits no selection",
                    hint=f"the detection defines {', '.join(sorted(detections.detections))}",
                )
            join = Every if tree.cond_class is ConditionAND else Some
            return join(tuple(named(each.identifier) for each in chosen))
        case ConditionNOT():
            return Not(_condition(tree.args[0], detections, named))
        case ConditionAND() | ConditionOR():
            join = Every if isinstance(tree, ConditionAND) else Some
            return join(tuple(_condition(each, detections, named) for each in tree.args))
        case _:
            kind = type(tree).__name__ if isinstance(tree, ConditionItem) else tree
            raise RuleError(f"conditions of type {kind} are not supported", hint="use and, or, not")


def _selection(
    detection: SigmaDetection | SigmaDetectionItem, placeholders: Mapping[str, Sequence[str]]
) -> Node:
    """A mapping (all of its items), a list of mappings (any), or one item."""
    if isinstance(detection, SigmaDetectionItem):
        return _item(detection, placeholders)
    join = Every if detection.item_linking is ConditionAND else Some
    return join(tuple(_selection(each, placeholders) for each in detection.detection_items))


def _item(item: SigmaDetectionItem, placeholders: Mapping[str, Sequence[str]]) -> Node:
    """One field with its values, or keywords."""
    values = [expanded(value, placeholders) for value in item.value] or [SigmaNull()]
    node: Node
    if item.value_linking is ConditionAND:
        node = Every(tuple(_values([value], item) for value in values))
    else:
        node = _values(values, item)
    return Not(node) if item.negated else node


def _values(values: Sequence[SigmaType], item: SigmaDetectionItem) -> Node:
    """Any of `values`; the strings among them in one test."""
    field = _field(item)
    if field == KNOWN:
        return known_test(_flat(values), item.modifiers)
    strings: list[SigmaString] = []
    nodes: list[Node] = []
    for value in _flat(values):
        if field is None and isinstance(value, SigmaString | SigmaNumber | SigmaBool):
            strings.append(_keyword(value, item.modifiers))
        elif isinstance(value, SigmaString):
            strings.append(value)
        elif isinstance(value, SigmaNull | SigmaExists | SigmaFieldReference):
            nodes.append(_of_field(value, item))
        else:
            nodes.append(_tested(item, (value,), value_test(value, item.modifiers)))
    if strings or not nodes:  # neither: a placeholder with an empty list, which nothing matches
        nodes.insert(0, _tested(item, tuple(strings), one_of(strings)))
    return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))


def _flat(values: Sequence[SigmaType]) -> list[SigmaType]:
    """The values with expansions replaced by their alternatives, however the rest is linked."""
    flat: list[SigmaType] = []
    for value in values:
        flat.extend(_flat(value.values) if isinstance(value, SigmaExpansion) else [value])
    return flat


def _tested(
    item: SigmaDetectionItem, values: tuple[SigmaType, ...], test: Callable[[Any], bool]
) -> Test:
    field = _field(item)
    field_test = FieldTest(field, values, frozenset(item.modifiers))
    if field is None:
        return Test(None, lambda record: any(map(test, _words(record))), field_test)
    return Test(frozenset([field]), any_at(field, test), field_test)


def _field(item: SigmaDetectionItem) -> str | None:
    return None if item.field is None else named(item.field)


def _words(record: Record) -> list[Any]:
    """Every value of CloudTrail's own fields."""
    return leaves([value for name, value in record.items() if name not in ADDED])


def _keyword(
    value: SigmaString | SigmaNumber | SigmaBool, modifiers: Collection[type]
) -> SigmaString:
    """A keyword as a pattern: found inside a value, unless a modifier anchors it."""
    string = value if isinstance(value, SigmaString) else SigmaString(str(value))
    if SigmaStartswithModifier in modifiers or SigmaEndswithModifier in modifiers:
        return string
    return SpecialChars.WILDCARD_MULTI + string + SpecialChars.WILDCARD_MULTI


def _of_field(
    value: SigmaNull | SigmaExists | SigmaFieldReference, item: SigmaDetectionItem
) -> Node:
    """Tests of a field rather than of its values."""
    field = _field(item)
    if field is None:
        raise RuleError(
            f"a keyword cannot be {type(value).__name__}", hint="name the field it is meant for"
        )
    if isinstance(value, SigmaFieldReference):
        return _reference(field, value, cased=SigmaCaseSensitiveModifier in item.modifiers)
    present = Test(
        frozenset([field]),
        any_at(field, lambda _: True),
        FieldTest(field, (SigmaExists(True),)),
    )
    return present if isinstance(value, SigmaExists) and value.exists else Not(present)


def _reference(field: str, other: SigmaFieldReference, *, cased: bool) -> Test:
    """Two fields compared as text, any value of one with any of the other; absent equals none."""
    second = named(other.field)
    ours, theirs = values_at(field), values_at(second)
    compare = REFERENCES[other.starts_with, other.ends_with]

    def texts(values: list[Any]) -> set[str]:
        return {text(value) if cased else lowered(text(value)) for value in values}

    def left(record: Record) -> set[str]:
        found = texts(ours(record))
        return set(map(other.part, found)) if isinstance(other, PartReference) else found

    return Test(
        frozenset([field, second]),
        lambda record: compare(left(record), texts(theirs(record))),
        FieldTest(field, (other,)),
    )


REFERENCES: dict[tuple[bool, bool], Callable[[set[str], set[str]], bool]] = {
    (False, False): lambda left, right: not left.isdisjoint(right),
    (True, False): lambda left, right: any(each.startswith(tuple(right)) for each in left),
    (False, True): lambda left, right: any(each.endswith(tuple(right)) for each in left),
    (True, True): lambda left, right: any(part in each for each in left for part in right),
}
"""(starts with, ends with) of a field reference; both together mean contains."""
