"""Every fault of a rule document at once, each at its own line.

Loading a rule ends at its first fault. This module checks each part separately: the keys of the
document, the keys under `trailhound:`, every field and value of the detection, and the condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as Pathname
from typing import Any

import yaml
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.modifiers import modifier_mapping
from sigma.policy.profiles import TrustedPolicy
from sigma.rule import SigmaRule

from detections.backend.fields import ALIASES, LEAVES, fields_at
from detections.correlations.ranges import without_range
from detections.kinds.options import renamed_options
from detections.matcher import NO_PLACEHOLDERS, SigmaMatcher
from detections.matcher.known_automation import KNOWN
from detections.matcher.written import sigma_values
from detections.packs.documents import Document, RuleFault
from detections.packs.kinds import KINDS, OPTIONS
from detections.packs.near import did_you_mean, nearest
from detections.packs.reading import READERS, duration
from detections.rule import FilePosition
from trailhound.cluster.mappings import ADDED, EVENT, RAW
from trailhound.errors import RuleError

Pairs = dict[str, tuple[yaml.Node, yaml.Node]]
PlaceholderValues = Mapping[str, Sequence[str]]
Path = tuple[str | int, ...]
"""Keys and positions down to a part of a detection."""

KEYS = (
    *("title", "id", "name", "taxonomy", "related", "status", "description", "license"),
    *("references", "tags", "author", "date", "modified", "fields", "falsepositives", "level"),
    *("scope", "logsource", "detection", "filter", "correlation", "trailhound", "action"),
)
"""Sigma's keys of a document, and ours. Any other is a custom attribute, which Sigma allows."""
CUSTOM = frozenset({"score", "notes", "update", "updated", "file", "files"})
"""Custom attributes that look misspelt and are not."""
CORRELATION_KEYS = ("type", "rules", "group-by", "timespan", "condition", "aliases", "generate")
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
_KEYS_OF_ERRORS = {
    "SigmaIdentifierError": "id",
    "SigmaValueError": "tags",
    "SigmaTagError": "tags",
    "SigmaFilterRuleReferenceError": "filter",
    "SigmaFilterConditionError": "filter",
    "SigmaRuleLocationError": "title",
}


def check(document: Document, placeholders: PlaceholderValues = NO_PLACEHOLDERS) -> list[RuleFault]:
    """The faults of a document; `stops` is true for those with which the rule cannot run."""
    if document.node is None:
        return []
    return list(_Check(document, placeholders).faults())


def detection_faults(detection: Mapping[str, Any]) -> list[tuple[Path, str, str]]:
    """(where in it, what is wrong, what to do) for each fault of a bare detection.

    >>> detection_faults({"s": {"eventNam": "x"}})[0][0]
    ('s', 'eventNam')
    """
    ready = sigma_values(detection)
    paths: list[Path] = []
    place = FilePosition(Pathname("detection"))
    node = _numbered(ready, (), paths)
    found = _Check(Document({}, place), NO_PLACEHOLDERS).detection(ready, node)
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


class _Check:
    def __init__(self, document: Document, placeholders: PlaceholderValues) -> None:
        self._document = document
        self._content = document.content
        self._placeholders = placeholders
        self._pairs = pairs(document.node)

    def _fault(
        self, node: yaml.Node | None, reason: str, hint: str = "", *, stops: bool = True
    ) -> RuleFault:
        place = self._document.place
        if node is not None:
            place = FilePosition(place.path, node.start_mark.line + 1)
        name = self._content.get("id")
        return RuleFault(place, reason, hint or "fix the rule", str(name or ""), stops)

    def _at(self, key: str) -> yaml.Node | None:
        return self._pairs[key][0] if key in self._pairs else None

    def faults(self) -> Iterator[RuleFault]:
        yield from self._keys()
        if "action" in self._content:  # the rule is made of several documents
            return
        yield from self._metadata()
        yield from self._extension()
        for key in ("detection", "filter"):
            if isinstance(self._content.get(key), dict):
                yield from self.detection(self._content[key], self._pairs[key][1])
        if isinstance(self._content.get("correlation"), dict):
            yield from self._correlation(self._content["correlation"])

    def _keys(self) -> Iterator[RuleFault]:
        for key in self._content:
            if key in KEYS or key in CUSTOM:
                continue
            if key in READERS or key in KINDS:
                if key != "response":
                    hint = f"write it under `trailhound:`, or rename {key!r}"
                    reason = f"{key!r} has no effect at the top of a rule"
                    yield self._fault(self._at(key), reason, hint, stops=False)
            elif key in ("condition", "timeframe", "selection"):
                hint = "indent it below `detection:`"
                yield self._fault(self._at(key), f"unknown key {key!r}", hint, stops=False)
            elif near := nearest(key, KEYS):
                hint = f"did you mean {near!r}?"
                yield self._fault(self._at(key), f"unknown key {key!r}", hint, stops=False)

    def _metadata(self) -> Iterator[RuleFault]:
        content = self._content
        try:
            if "correlation" in content:
                single, _ = without_range(content)
                errors = SigmaCorrelationRule.from_dict(single, collect_errors=True).errors
            elif "filter" in content:
                errors = SigmaFilter.from_dict(content, collect_errors=True).errors
            else:
                detection = {"s": {"eventName": "x"}, "condition": "s"}
                whole = content | ({"detection": detection} if "detection" in content else {})
                errors = SigmaRule.from_dict(
                    whole, collect_errors=True, policy=TrustedPolicy
                ).errors
        except Exception as error:  # noqa: BLE001  pySigma raises anything on hostile YAML
            node = self._node_of(error) if isinstance(error, SigmaError) else None
            yield self._fault(node, reason_of(error))
            yield from self._timespan()
            return
        for each in errors:
            yield self._fault(self._node_of(each), reason_of(each))

    def _timespan(self) -> Iterator[RuleFault]:
        """The timespan of a correlation, which pySigma did not check after an earlier error."""
        correlation = self._content.get("correlation")
        if isinstance(correlation, dict) and "timespan" in correlation:
            try:
                duration(correlation["timespan"])
            except RuleError as error:
                node = pairs(self._pairs["correlation"][1])["timespan"][0]
                yield self._fault(node, str(error), error.hint)

    def _node_of(self, error: SigmaError) -> yaml.Node | None:
        """The key of the document in which pySigma found an error."""
        name = type(error).__name__
        if name in _KEYS_OF_ERRORS:
            return self._at(_KEYS_OF_ERRORS[name])
        low = name.lower()
        if "correlation" in self._pairs:
            below = pairs(self._pairs["correlation"][1])
            for key in CORRELATION_KEYS:
                if key in below and key.replace("-", "").rstrip("s") in low:
                    return below[key][0]
        return next((self._at(key) for key in self._pairs if key.rstrip("s") in low), None)

    def _extension(self) -> Iterator[RuleFault]:
        content = self._content.get("trailhound")
        if content is None:
            return
        if not isinstance(content, dict):
            yield self._fault(
                self._at("trailhound"), "`trailhound:` is not a mapping", "indent its keys below it"
            )
            return
        found = pairs(self._pairs["trailhound"][1])
        known = [*KINDS, *READERS]
        for key, value in content.items():
            node = found[key][0] if key in found else None
            if key in KINDS:
                yield from self._kind(key, value, found[key])
            elif key not in READERS:
                otherwise = f"it takes {', '.join(known)}"
                hint = did_you_mean(str(key), known, otherwise)
                yield self._fault(node, f"`trailhound:` has no key {key!r}", hint)
            else:
                try:
                    READERS[key](key, value)
                except RuleError as error:
                    yield self._fault(node, str(error), error.hint)
                else:
                    if key == "group_by":
                        yield from self._fields(value, node)

    def _kind(
        self, kind: Any, content: object, where: tuple[yaml.Node, yaml.Node]
    ) -> Iterator[RuleFault]:
        """Each invalid option of one of our own kinds."""
        if not isinstance(content, dict):
            yield self._fault(
                where[0], f"`trailhound: {kind}` is not a mapping", "see docs/rules.md"
            )
            return
        nodes = pairs(where[1])
        left = dict(content)
        known = {*OPTIONS[kind], *renamed_options(kind)}
        for key in [each for each in left if each not in known]:
            otherwise = f"it takes {', '.join(OPTIONS[kind])}"
            hint = did_you_mean(str(key), OPTIONS[kind], otherwise)
            node = nodes[key][0] if key in nodes else where[0]
            yield self._fault(node, f"{kind} has no key {key!r}", hint)
            del left[key]
        while True:
            try:
                KINDS[kind](left)
            except RuleError as error:
                words = re.findall(r"\w+", str(error).removeprefix(f"{kind}: "))
                key = next((each for each in left if each in words[:1]), None)
                node = nodes[key][0] if key in nodes else where[0]
                yield self._fault(node, str(error), error.hint)
                if key is None:
                    return
                del left[key]
            else:
                return
            if key in ("field", "group_by", "per"):  # the rest lacks a required key
                return

    # Detections

    def detection(
        self, detection: Mapping[str, Any], node: yaml.Node | None
    ) -> Iterator[RuleFault]:
        """The selections and the conditions."""
        found = pairs(node)
        names = [name for name in detection if name not in ("condition", "rules")]
        for name in names:
            where = found.get(name)
            if name == "timeframe":
                yield self._fault(
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
            yield self._fault(node, f"Unknown modifier {each!r}", hint)
        if not unknown:
            yield from self._tried({"s": {name: value}}, node)
        if field:
            yield from self._fields(field, node)
        if field.rpartition(".")[2] in BOOLEAN_FIELDS and not modifiers:
            for text in value if isinstance(value, list) else [value]:
                if str(text).lower() in YAML_BOOLEANS:
                    reason = f"{field!r} is true or false in events, never the text {text!r}"
                    yield self._fault(node, reason, "write true or false", stops=False)
        if "fieldref" in modifiers:
            yield from self._fields(value, node)

    def _tried(self, detection: Mapping[str, Any], node: yaml.Node | None) -> Iterator[RuleFault]:
        try:
            SigmaMatcher.from_detection(detection, self._placeholders)
        except RuleError as error:
            yield self._fault(node, str(error).replace(" in None", ""), error.hint)
        except Exception as error:  # noqa: BLE001  as above
            yield self._fault(node, reason_of(error))

    def _fields(self, names: object, node: yaml.Node | None) -> Iterator[RuleFault]:
        for name in names if isinstance(names, list) else [names]:
            found = field_fault(str(name))
            if found is not None:
                yield self._fault(node, *found, stops=False)

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
                yield self._fault(node, reason, did_you_mean(word, names, defined))
        if not unknown and names:
            selections = {name: {"eventName": "x"} for name in names}
            yield from self._tried({**selections, "condition": condition}, node)

    def _correlation(self, content: Mapping[str, Any]) -> Iterator[RuleFault]:
        found = pairs(self._pairs["correlation"][1])
        for key in content:
            if key not in CORRELATION_KEYS:
                otherwise = f"it takes {', '.join(CORRELATION_KEYS)}"
                hint = did_you_mean(key, CORRELATION_KEYS, otherwise)
                node = found[key][0] if key in found else None
                yield self._fault(node, f"`correlation:` has no key {key!r}", hint, stops=False)
        aliases = content.get("aliases")
        named = set(aliases) if isinstance(aliases, dict) else set()
        by = content.get("group-by") or []
        fields = [each for each in (by if isinstance(by, list) else [by]) if each not in named]
        yield from self._fields(fields, found["group-by"][0] if "group-by" in found else None)


def pairs(node: yaml.Node | None) -> Pairs:
    """The keys of a mapping, as they were written → the nodes of key and value."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): (key, value) for key, value in node.value}


def reason_of(error: Exception) -> str:
    """The text of a pySigma error, without its unknown location."""
    text = str(error).replace(" in None", "").strip()
    return text or type(error).__name__


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]
