"""The query that finds all events of an alert that has more of them than it names.

For a correlation these are the events of its rules in its group, from the alert's first event to
its last. Successive windows of a burst share an event, so the alert has counted every event of the
group in between. If a rule's query finds more than the rule does, the query is marked as not
exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.facts import CALLS
from detections.compiled import REPAIRED, Compiled, Query
from detections.correlations.correlation import Correlation
from detections.events.identity import ARN, ISSUER, NAME
from detections.events.index import EventIndex
from detections.events.principal import HAS_NAME_ALONE
from detections.finding import Group
from detections.packs.kinds import counts_exactly
from detections.packs.reading import rule_id
from detections.rule import Rule
from trailhound.cluster.dialect import Dialect

_COUNTED_EXACTLY = frozenset({"event_count", "temporal", "temporal_ordered"})


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A query for the events of an alert. `exact`: it finds these and no others."""

    query: Query
    exact: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers about the events that a query finds: all, those that succeeded, and for each call,
    the most frequent first, (name, number, number of failed ones)."""

    count: int
    succeeded: int
    calls: tuple[tuple[str, int, int], ...]
    exact: bool


class EventQueries:
    """Makes the queries for the rules of a pack. `compiled` by rule id."""

    def __init__(self, compiled: Mapping[str, Compiled]) -> None:
        self._compiled = compiled

    def of(
        self, dialect: Dialect, rule: Rule, group: Group, first: datetime, last: datetime
    ) -> EventQuery | None:
        """The query for an alert; None if its rule is not compiled."""
        if not self._compiled:
            return None
        named, exact = counted_parts(rule, group)
        parts: list[tuple[Compiled, Mapping[str, str]]] = []
        for definition, own in named:
            made = self._compiled.get(definition)
            if made is None:
                return None
            parts.append((made.on(dialect), own))
        exact = exact and all(each.post_filter is None for each, _ in parts)
        several = [{"bool": {"filter": [each.query, *group_clauses(own)]}} for each, own in parts]
        found: Query = {"bool": {"should": several, "minimum_should_match": 1}}
        when = {"gte": first.isoformat(), "lte": last.isoformat()}
        return EventQuery({"bool": {"filter": [{"range": {"@timestamp": when}}, found]}}, exact)


def counted_parts(rule: Rule, group: Group) -> tuple[list[tuple[str, Mapping[str, str]]], bool]:
    """The plain rules whose events an alert about a group counts, by id, each with the group's
    values by its own fields; and whether the alert counts every such event of its time."""
    values = dict(group)
    if not rule.is_correlation:
        return [(rule.id, values)], counts_exactly(rule)
    correlation = Correlation.of_rule(rule)
    if correlation.by_role and ISSUER in values and ISSUER not in correlation.group_by:
        # Those of a session that meets the condition by itself are in another alert.
        return list(_leaves(correlation.of_roles(), values)), False
    if NAME in values and ARN in correlation.group_by and NAME not in correlation.group_by:
        correlation = correlation.grouped_by({ARN: NAME})
    exact = correlation.type in _COUNTED_EXACTLY and not correlation.nested
    return list(_leaves(correlation, values)), exact


def _leaves(
    correlation: Correlation, values: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The id of every plain rule below, with the fields of its events and the group's values."""
    for part in correlation.parts:
        own = {
            field: values[name]
            for name, field in zip(correlation.group_by, part.group_by, strict=True)
            if name in values
        }
        if isinstance(part.rule, Correlation):
            yield from _leaves(part.rule, own)
        else:
            yield rule_id(part.rule), own


def group_clauses(values: Mapping[str, str]) -> list[Query]:
    """The clauses for the events of a group, given its values by their fields."""
    terms: list[Query] = [{"term": {field: value}} for field, value in values.items()]
    return [*terms, HAS_NAME_ALONE] if by_name_alone(values) else terms


def by_name_alone(values: Mapping[str, str]) -> bool:
    """Whether the events of such a group are only those without an ARN."""
    return NAME in values and ARN not in values


def totals(client: OpenSearch, index: str, asked: EventQuery) -> Totals:
    """The totals of a query over the daily indices. Raises `ClusterError`."""
    failed = {"filter": {"term": {"event.outcome": "failure"}}}
    reply = EventIndex(client, index).search(
        {
            "query": asked.query,
            "aggs": {
                "calls": {
                    "terms": {"field": "eventName", "size": CALLS},
                    "aggs": {"failed": failed},
                },
                "failed": failed,
                "repaired": {"filter": REPAIRED},
            },
        }
    )
    found: Mapping[str, Any] = reply.get("aggregations", {})
    count = int(reply["hits"]["total"]["value"])
    if not found:
        return Totals(count, 0, (), asked.exact)
    return Totals(
        count,
        count - int(found["failed"]["doc_count"]),
        tuple(
            (str(each["key"]), int(each["doc_count"]), int(each["failed"]["doc_count"]))
            for each in found["calls"]["buckets"]
        ),
        asked.exact and not found["repaired"]["doc_count"],
    )
