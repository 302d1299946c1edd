"""The events that a plain rule matches, as findings: one for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from detections.backend.fields import named
from detections.finding import Finding, Group
from detections.matcher.event_values import text, values_at
from detections.rule import Rule


@dataclass(frozen=True, slots=True)
class Hit:
    """One document that a rule matches."""

    id: str
    source: Mapping[str, Any]


def findings(rule: Rule, hits: Iterable[Hit]) -> tuple[Finding, ...]:
    """A finding for each hit, in the group that the rule's `group_by` puts it in."""
    groups = [(path, values_at(named(path))) for path in rule.group_by]

    def group(source: Mapping[str, Any]) -> Group:
        return tuple((path, _joined(read(source))) for path, read in groups)

    return tuple(
        Finding(rule.id, (hit.id,), 1, at, at, group(hit.source))
        for hit in hits
        for at in [_time(hit.source)]
    )


def _joined(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(text(value) for value in values))


def _time(source: Mapping[str, Any]) -> datetime:
    """When the event happened, as the index has it."""
    written = source.get("@timestamp")
    try:
        parsed = datetime.fromisoformat(str(written))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
