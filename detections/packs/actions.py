"""Documents of a rule file as pySigma's rules, with Sigma's `action: global`, `reset`, `repeat`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.filters import SigmaFilter
from sigma.policy.profiles import TrustedPolicy
from sigma.rule import SigmaRule

from detections.correlations.ranges import with_range, without_range
from detections.packs.documents import Document

ParsedRule = SigmaRule | SigmaCorrelationRule
Parsed = ParsedRule | SigmaFilter


class Actions:
    """Sigma's `action: global`, `reset` and `repeat`, within one file."""

    def __init__(self) -> None:
        self._template: dict[str, Any] | None = None
        self._previous: dict[str, Any] | None = None

    def parse(self, document: Document) -> Parsed | None:
        """The rule of a document; None for one that only sets or ends a template. Raises pySigma's
        errors, and others on hostile YAML."""
        content = document.content
        action = content.get("action")
        if action == "global":
            self._template = self._previous = content
            return None
        if action == "reset":
            self._template = None
            return None
        before = [each for each in (self._template,) if each is not None]
        if action == "repeat" and self._previous is not None:
            before.append({k: v for k, v in self._previous.items() if k != "action"})
        elif action is None:
            self._previous = content
        documents: list[dict[str, Any]] = []
        others: dict[str, Any] = {}
        for each in (*before, content):
            single, more = without_range(each)
            documents.append(single)
            others |= more
        collection = SigmaCollection.from_dicts(
            deepcopy(documents),
            collect_filters=True,
            resolve_references=False,
            policy=TrustedPolicy,
        )
        parsed: list[Parsed] = [*collection.rules, *collection.filters]
        made = parsed[-1]
        if isinstance(made, SigmaCorrelationRule):
            with_range(made, others)
        return made
