"""How many events rules left out as known automation, in a span of time.

These are events that the query of a rule finds without known automation, and that an entry covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch

from detections.automation.relation import Relation, relation_of
from detections.automation.trusting import CALL, asks
from detections.backend.clause import leaves
from detections.backend.compiler import MOST_CLAUSES
from detections.compiled import Compiled, Query
from detections.events.index import EventIndex
from detections.matcher.precheck import precheck
from detections.packs.pack import Pack
from trailhound.batching import batched
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.known_automation import KnownAutomations

_AT_ONCE = 50
"""Searches in one request."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The number of events that a rule left out; None if the entries are too many for one query.
    Not `exact`: the rule's query finds more than the rule, so it may be fewer."""

    rule_id: str
    rule: str
    events: int | None
    exact: bool = True

    def sentence(self) -> str:
        """The number as a sentence.

        >>> LeftOut("1", "Bucket deleted", 1).sentence()
        'Bucket deleted: 1 event left out as known automation'
        """
        if self.events is None:
            return f"{self.rule}: left out known automation, not counted (too many entries)"
        many = plural(self.events, "event")
        up_to = "" if self.exact else "up to "
        return f"{self.rule}: {up_to}{many} left out as known automation"

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "rule_id": self.rule_id,
            "rule": self.rule,
            "events": self.events,
            "exact": self.exact,
        }


def left_out(
    client: OpenSearch,
    settings: Settings,
    loaded: Callable[[], Pack],
    within: Sequence[Query],
    index: str | None = None,
) -> list[LeftOut]:
    """The rules that left out events. Without entries that concern a rule, nothing is searched.

    `loaded` returns the pack without known automation; `within` are further clauses, such as that
    of a span; `index` is an expression of daily indices (default: all). Raises
    `ClusterError` and opensearch-py's exceptions.
    """
    known = relation_of(
        settings.detections.known_automation, KnownAutomations(client, settings).all()
    )
    if not known.entries:
        return []
    pack = loaded()
    dialect = dialect_of(client)
    titles = {rule.id: rule.title for rule in pack.rules}
    made = {
        name: (rule, clause)
        for name, compiled in pack.compiled.items()
        if name in titles and (clause := _clause(known, name, compiled)) is not None
        for rule in (compiled.on(dialect),)
    }
    found = [
        LeftOut(name, titles[name], None)
        for name, (rule, clause) in made.items()
        if leaves(rule.query) + leaves(clause) > MOST_CLAUSES
    ]
    many = {each.rule_id for each in found}
    asked = [(name, rule, clause) for name, (rule, clause) in made.items() if name not in many]
    days = EventIndex(client, index or Names(settings.prefix).days)
    for several in batched(asked, _AT_ONCE):
        replies = days.searches([_body([rule.query, c, *within]) for _, rule, c in several])
        for (name, rule, _), reply in zip(several, replies, strict=True):
            if count := int(reply["hits"]["total"]["value"]) if reply.get("hits") else 0:
                found.append(LeftOut(name, titles[name], count, exact=rule.post_filter is None))
    return sorted(found, key=lambda each: (-(each.events or 0), each.rule))


def _clause(known: Relation, name: str, compiled: Compiled) -> Query | None:
    if not asks(compiled) or compiled.matcher is None:
        return None
    return known.clause(name, precheck(compiled.matcher, CALL))


def _body(filters: Iterable[Query]) -> dict[str, Any]:
    return {"query": {"bool": {"filter": list(filters)}}, "track_total_hits": True}
