"""Makes findings of the events that a plain rule matches, one for each."""

from __future__ import annotations

from detections.event_fields import named
from detections.events.fields import FieldReader, Hit
from detections.events.principal import group_values, read_fields
from detections.finding import Finding
from detections.rule import Rule
from detections.span import moment


def grouping(rule: Rule) -> list[str]:
    """The fields whose values define an event's group, with aliases resolved."""
    return read_fields([named(path) for path in rule.group_by])


def finding(rule: Rule, reader: FieldReader, hit: Hit) -> Finding:
    """One event, in the group that the rule's `group_by` puts it in. `sort[0]` is its time."""
    at = moment(int(hit["sort"][0]))
    group = []
    for path in rule.group_by:
        field, values = group_values(reader, hit, named(path))
        group.append((path if field == named(path) else field, ", ".join(values)))
    return Finding(rule.id, (hit["_id"],), 1, at, at, tuple(group))
