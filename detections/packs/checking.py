"""Every fault of a rule document at once, each at its own line.

Loading a rule ends at its first fault. This module checks each part separately: the keys of the
document, the keys under `trailhound:`, the correlation, and the detection (`detection_check.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.policy.profiles import TrustedPolicy
from sigma.rule import SigmaRule

from detections.correlations.ranges import without_range
from detections.kinds.options import renamed_options
from detections.matcher import NO_PLACEHOLDERS
from detections.packs.detection_check import (
    DetectionCheck,
    FaultAt,
    PlaceholderValues,
    pairs,
)
from detections.packs.documents import Document, RuleFault, reason_of
from detections.packs.expiry import expiry
from detections.packs.kinds import KINDS, OPTIONS
from detections.packs.reading import READERS, duration
from detections.packs.tags import unknown_tags
from detections.suggestions import did_you_mean, nearest
from trailhound.errors import RuleError

KEYS = (
    *("title", "id", "name", "taxonomy", "related", "status", "description", "license"),
    *("references", "tags", "author", "date", "modified", "fields", "falsepositives", "level"),
    *("scope", "logsource", "detection", "filter", "correlation", "trailhound", "action"),
)
"""Sigma's keys of a document, and ours. Any other is a custom attribute, which Sigma allows."""
CUSTOM = frozenset({"score", "notes", "update", "updated", "file", "files"})
"""Custom attributes that look misspelt and are not."""
CORRELATION_KEYS = ("type", "rules", "group-by", "timespan", "condition", "aliases", "generate")
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


class _Check:
    def __init__(self, document: Document, placeholders: PlaceholderValues) -> None:
        self._document = document
        self._content = document.content
        self._fault_at = FaultAt(document.place, str(document.content.get("id") or ""))
        self._detections = DetectionCheck(self._fault_at, placeholders)
        self._pairs = pairs(document.node)

    def _at(self, key: str) -> yaml.Node | None:
        return self._pairs[key][0] if key in self._pairs else None

    def faults(self) -> Iterator[RuleFault]:
        yield from self._keys()
        if "action" in self._content:  # the rule is made of several documents
            return
        yield from self._metadata()
        tags = self._pairs["tags"][1] if "tags" in self._pairs else None
        for where, reason, hint in unknown_tags(self._content, tags):
            yield replace(self._fault_at(where, reason, hint, stops=False), what="warning")
        yield from self._extension()
        for key in ("detection", "filter"):
            if isinstance(self._content.get(key), dict):
                yield from self._detections.faults(self._content[key], self._pairs[key][1])
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
                    yield self._fault_at(self._at(key), reason, hint, stops=False)
            elif key in ("condition", "timeframe", "selection"):
                hint = "indent it below `detection:`"
                yield self._fault_at(self._at(key), f"unknown key {key!r}", hint, stops=False)
            elif near := nearest(key, KEYS):
                hint = f"did you mean {near!r}?"
                yield self._fault_at(self._at(key), f"unknown key {key!r}", hint, stops=False)

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
            yield self._fault_at(node, reason_of(error))
            yield from self._timespan()
            return
        for each in errors:
            yield self._fault_at(self._node_of(each), reason_of(each))

    def _timespan(self) -> Iterator[RuleFault]:
        """The timespan of a correlation, which pySigma did not check after an earlier error."""
        correlation = self._content.get("correlation")
        if isinstance(correlation, dict) and "timespan" in correlation:
            try:
                duration(correlation["timespan"])
            except RuleError as error:
                node = pairs(self._pairs["correlation"][1])["timespan"][0]
                yield self._fault_at(node, str(error), error.hint)

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
            yield self._fault_at(
                self._at("trailhound"), "`trailhound:` is not a mapping", "indent its keys below it"
            )
            return
        if "filter" in self._content:
            try:
                expiry(self._content)
            except RuleError as error:
                yield self._fault_at(self._at("trailhound"), str(error), error.hint)
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
                yield self._fault_at(node, f"`trailhound:` has no key {key!r}", hint)
            else:
                try:
                    READERS[key](key, value)
                except RuleError as error:
                    yield self._fault_at(node, str(error), error.hint)
                else:
                    if key == "group_by":
                        yield from self._detections.fields(value, node)

    def _kind(
        self, kind: Any, content: object, where: tuple[yaml.Node, yaml.Node]
    ) -> Iterator[RuleFault]:
        """Each invalid option of one of our own kinds."""
        if not isinstance(content, dict):
            yield self._fault_at(
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
            yield self._fault_at(node, f"{kind} has no key {key!r}", hint)
            del left[key]
        while True:
            try:
                KINDS[kind](left)
            except RuleError as error:
                words = re.findall(r"\w+", str(error).removeprefix(f"{kind}: "))
                key = next((each for each in left if each in words[:1]), None)
                node = nodes[key][0] if key in nodes else where[0]
                yield self._fault_at(node, str(error), error.hint)
                if key is None:
                    return
                del left[key]
            else:
                return
            if key in ("field", "group_by", "per"):  # the rest lacks a required key
                return

    def _correlation(self, content: Mapping[str, Any]) -> Iterator[RuleFault]:
        found = pairs(self._pairs["correlation"][1])
        for key in content:
            if key not in CORRELATION_KEYS:
                otherwise = f"it takes {', '.join(CORRELATION_KEYS)}"
                hint = did_you_mean(key, CORRELATION_KEYS, otherwise)
                node = found[key][0] if key in found else None
                yield self._fault_at(node, f"`correlation:` has no key {key!r}", hint, stops=False)
        aliases = content.get("aliases")
        named = set(aliases) if isinstance(aliases, dict) else set()
        by = content.get("group-by") or []
        fields = [each for each in (by if isinstance(by, list) else [by]) if each not in named]
        yield from self._detections.fields(
            fields, found["group-by"][0] if "group-by" in found else None
        )
