"""A kind of rule that Sigma lacks: its name, parser, options and the function that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from detections.compiled import Compiled
from detections.events.index import EventIndex
from detections.finding import Finding
from detections.rule import RuleKind
from detections.span import Span

Parser = Callable[[Mapping[str, Any]], Any]
"""The options in a rule → the kind's own dataclass. Raises `RuleError`."""
Findings = Callable[[EventIndex, str, Any, Compiled, Span], Iterator[Finding]]
"""(index, rule id, definition, query of its events, span) → every finding."""


def _no_window(_definition: Any) -> timedelta:
    return timedelta(0)


@dataclass(frozen=True, slots=True)
class OwnKind:
    """`name` is also the key under `trailhound:` in a rule; `options` are the keys below that.
    `single`: each finding is one event. `counts_exactly`: a finding's events are all that the
    rule's query finds in its group and time. `window`: definition → length of the windows that the
    rule evaluates one by one; findings in successive windows are one alert. Zero if it has no
    windows.
    """

    name: RuleKind
    parse: Parser
    options: tuple[str, ...]
    findings: Findings
    single: bool = False
    counts_exactly: bool = False
    window: Callable[[Any], timedelta] = _no_window
