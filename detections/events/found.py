"""The events that a plain rule matches, as findings: one for each."""

from __future__ import annotations

from detections.backend.fields import named
from detections.events.fields import FieldReader, Hit
from detections.finding import Finding
from detections.rule import Rule
from detections.span import moment


def grouping(rule: Rule) -> list[str]:
    """The fields whose values put an event into its group, by their own names."""
    return [named(path) for path in rule.group_by]


def finding(rule: Rule, reader: FieldReader, hit: Hit) -> Finding:
    """One event, in the group that the rule's `group_by` puts it in. `sort[0]` is its time."""
    at = moment(int(hit["sort"][0]))
    values = (reader.values(hit, name) for name in grouping(rule))
    group = tuple((path, ", ".join(each)) for path, each in zip(rule.group_by, values, strict=True))
    return Finding(rule.id, (hit["_id"],), 1, at, at, group)
