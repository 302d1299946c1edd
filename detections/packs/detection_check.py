"""The faults of a detection: its selections, fields, values and conditions, each at its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as Pathname
from typing import Any

import yaml
from sigma.modifiers import modifier_mapping

from detections.event_fields import ALIASES, LEAVES, fields_at
from detections.matcher import NO_PLACEHOLDERS, SigmaMatcher
from detections.matcher.known_automation import KNOWN
from detections.matcher.written import sigma_values
from detections.packs.documents import RuleFault, reason_of
from detections.rule import FilePosition
from detections.suggestions import did_you_mean, nearest
from trailhound.cluster.mappings import ADDED, EVENT, RAW
from trailhound.errors import RuleError

Pairs = dict[str, tuple[yaml.Node, yaml.Node]]
PlaceholderValues = Mapping[str, Sequence[str]]
Path = tuple[str | int, ...]
"""Keys and positions down to a part of a detection."""

BOOLEAN_FIELDS = frozenset(
    {"readOnly", "managementEvent", "mfaAuthenticated", "sessionCredentialFromConsole"}
)
"""Fields in which CloudTrail writes true and false."""
YAML_BOOLEANS = frozenset({"yes", "no", "on", "off", "y", "n"})
"""Booleans of YAML 1.1, which a rule compares as text."""
_ROOTS = frozenset(
    path.partition(".")[0] for path in (*EVENT["properties"], *RAW, *ADDED, *ALIASES)
)
_WORD = re.compile(r"[A-Za-z0-9_*.-]+")
_CONDITION_WORDS = frozenset({"and", "or", "not", "of", "all", "any", "them"})


def detection_faults(detection: Mapping[str, Any]) -> list[tuple[Path, str, str]]:
    """(where in it, what is wrong, what to do) for each fault of a bare detection.

    >>> detection_faults({"s": {"eventNam": "x"}})[0][0]
    ('s', 'eventNam')
    """
    ready = sigma_values(detection)
    paths: list[Path] = []
    place = FilePosition(Pathname("detection"))
    node = _numbered(ready, (), paths)
    found = DetectionCheck(FaultAt(place), NO_PLACEHOLDERS).faults(ready, node)
    return [(paths[each.place.line - 1], each.reason, each.hint) for each in found]


def _numbered(value: object, path: Path, paths: list[Path]) -> yaml.Node:
    """Nodes as YAML would have them, whose line is their path's number in `paths`."""
    mark = yaml.Mark("", 0, len(paths), 0, None, 0)
    paths.append(path)
    if isinstance(value, Mapping):
        pairs_of = []
        for key, each in value.items():
            below = _numbered(each, (*path, str(key)), paths)
            pairs_of.append((yaml.ScalarNode("", str(key), below.start_mark), below))
        return yaml.MappingNode("", pairs_of, mark)
    if isinstance(value, list):
        items = [_numbered(each, (*path, number), paths) for number, each in enumerate(value)]
        return yaml.SequenceNode("", items, mark)
    return yaml.ScalarNode("", str(value), mark)


def field_fault(path: str) -> tuple[str, str] | None:
    """(what is wrong, what may be meant) with a field that no CloudTrail event can have.

    CloudTrail may have added a field below a known one: such a field is a fault only if it looks
    like a typing error.

    >>> field_fault("eventNam")[1], field_fault("requestParameters.anything")
    ("did you mean 'eventName'?", None)
    """
    if path == KNOWN or fields_at(path):
        return None
    root, _, below = path.partition(".")
    known = [*LEAVES, *ALIASES]
    if root not in _ROOTS:
        reason = f"the index does not search the field {path!r}: no CloudTrail event has it"
        near = nearest(root, sorted(_ROOTS))
        if near and below:
            return reason, f"did you mean {f'{near}.{below}'!r}?"
        return reason, did_you_mean(path, [*sorted(_ROOTS), *known], "see docs/rules.md")
    near = nearest(path, [each for each in known if each.startswith(f"{root}.")])
    if near is None:
        return None
    return f"the index does not search the field {path!r}", f"did you mean {near!r}?"


def pairs(node: yaml.Node | None) -> Pairs:
    """The keys of a mapping, as they were written → the nodes of key and value."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): (key, value) for key, value in node.value}


@dataclass(frozen=True, slots=True)
class FaultAt:
    """Makes the faults of one document: at the line of a node, or else where it begins."""

    place: FilePosition
    rule_id: str = ""

    def __call__(
        self, node: yaml.Node | None, reason: str, hint: str = "", *, stops: bool = True
    ) -> RuleFault:
        """A fault at a node; without a hint, to fix the rule."""
        place = self.place
        if node is not None:
            place = FilePosition(place.path, node.start_mark.line + 1)
        return RuleFault(place, reason, hint or "fix the rule", self.rule_id, stops)


class DetectionCheck:
    """Checks detections of one document, each part separately."""

    def __init__(self, fault_at: FaultAt, placeholders: PlaceholderValues) -> None:
        self._fault_at = fault_at
        self._placeholders = placeholders

    def faults(self, detection: Mapping[str, Any], node: yaml.Node | None) -> Iterator[RuleFault]:
        """The selections and the conditions."""
        found = pairs(node)
        names = [name for name in detection if name not in ("condition", "rules")]
        for name in names:
            where = found.get(name)
            if name == "timeframe":
                yield self._fault_at(
                    where and where[0],
                    "`timeframe` is not supported: Sigma has correlations instead",
                    "write a correlation with a timespan",
                )
                continue
            yield from self._selection(detection[name], where and where[1], where and where[0])
        at = found["condition"][0] if "condition" in found else None
        for condition in _texts(detection.get("condition")):
            yield from self._condition(condition, names, at)

    def _selection(
        self, selection: object, node: yaml.Node | None, key: yaml.Node | None
    ) -> Iterator[RuleFault]:
        if isinstance(selection, Mapping):
            found = pairs(node)
            for name, value in selection.items():
                at = found[name][0] if name in found else node
                yield from self._item(name, value, at)
        elif isinstance(selection, list) and any(isinstance(each, Mapping) for each in selection):
            nodes = node.value if isinstance(node, yaml.SequenceNode) else []
            for number, each in enumerate(selection):
                below = nodes[number] if number < len(nodes) else node
                yield from self._selection(each, below, below)
        else:
            yield from self._tried({"s": selection}, key or node)

    def _item(self, name: object, value: object, node: yaml.Node | None) -> Iterator[RuleFault]:
        field, *modifiers = str(name).split("|")
        unknown = [each for each in modifiers if each not in modifier_mapping]
        for each in unknown:
            hint = did_you_mean(each, modifier_mapping, "see docs/rules.md")
            yield self._fault_at(node, f"Unknown modifier {each!r}", hint)
        if not unknown:
            yield from self._tried({"s": {name: value}}, node)
        if field:
            yield from self.fields(field, node)
        if field.rpartition(".")[2] in BOOLEAN_FIELDS and not modifiers:
            for text in value if isinstance(value, list) else [value]:
                if str(text).lower() in YAML_BOOLEANS:
                    reason = f"{field!r} is true or false in events, never the text {text!r}"
                    yield self._fault_at(node, reason, "write true or false", stops=False)
        if "fieldref" in modifiers:
            yield from self.fields(value, node)

    def _tried(self, detection: Mapping[str, Any], node: yaml.Node | None) -> Iterator[RuleFault]:
        try:
            SigmaMatcher.from_detection(detection, self._placeholders)
        except RuleError as error:
            yield self._fault_at(node, str(error).replace(" in None", ""), error.hint)
        except Exception as error:  # noqa: BLE001  as above
            yield self._fault_at(node, reason_of(error))

    def fields(self, names: object, node: yaml.Node | None) -> Iterator[RuleFault]:
        """A fault for each of `names`, one or a list, that no event can have as a field."""
        for name in names if isinstance(names, list) else [names]:
            found = field_fault(str(name))
            if found is not None:
                yield self._fault_at(node, *found, stops=False)

    def _condition(
        self, condition: str, names: Sequence[str], node: yaml.Node | None
    ) -> Iterator[RuleFault]:
        unknown = []
        for word in dict.fromkeys(_WORD.findall(condition)):
            if word.lower() in _CONDITION_WORDS or word.isdigit() or word in names:
                continue
            if "*" not in word:
                unknown.append(word)
                defined = f"it defines {', '.join(sorted(names)) or 'nothing'}"
                reason = f"the condition names {word!r}, which the detection does not define"
                yield self._fault_at(node, reason, did_you_mean(word, names, defined))
        if not unknown and names:
            selections = {name: {"eventName": "x"} for name in names}
            yield from self._tried({**selections, "condition": condition}, node)


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]
