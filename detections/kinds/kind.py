"""A kind of rule that Sigma lacks: its name, parser, options and the function that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from detections.compiled import Compiled
from detections.events.index import EventIndex
from detections.finding import Finding
from detections.rule import Kind
from detections.span import Span

Parser = Callable[[Mapping[str, Any]], Any]
"""The options in a rule → the kind's own dataclass. Raises `RuleError`."""
Findings = Callable[[EventIndex, str, Any, Compiled, Span], Iterator[Finding]]
"""(index, rule id, definition, query of the events it looks at, span) → every finding."""


@dataclass(frozen=True, slots=True)
class OwnKind:
    """`name` is also the key under `trailhound:` in a rule; `options` are the keys below that.
    `single`: each finding is about one event."""

    name: Kind
    parse: Parser
    options: tuple[str, ...]
    findings: Findings
    single: bool = False
