"""How many events exceptions left out of rules, in a span of time.

These are events that the query of a rule finds as it was before its exceptions, and not with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opensearchpy import OpenSearch

from detections.compiled import Query
from detections.events.index import EventIndex
from detections.packs.pack import Pack
from trailhound.batching import batched
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.plural import plural

_AT_ONCE = 50
"""Searches in one request."""


@dataclass(frozen=True, slots=True)
class Excepted:
    """The number of events that exceptions left out of a rule. Not `exact`: one of the two queries
    finds more than the rule does, so it may be others."""

    rule: str
    events: int
    exact: bool = True

    def sentence(self) -> str:
        """The number as a sentence.

        >>> Excepted("Bucket deleted", 1).sentence()
        'Bucket deleted: 1 event'
        """
        about = "" if self.exact else "about "
        return f"{self.rule}: {about}{plural(self.events, 'event')}"


def excepted(
    client: OpenSearch, prefix: str, pack: Pack, within: Sequence[Query]
) -> list[Excepted]:
    """The rules of which exceptions of the settings left out events; the shipped exceptions are as
    much a part of their rules as what these leave out themselves. `within` are further clauses,
    such as that of a span. Raises `ClusterError` and opensearch-py's exceptions."""
    own = [each for each in pack.exceptions if each.active and not each.default]
    if not own:
        return []
    narrowed = {title for each in own for title in each.rules}
    dialect = dialect_of(client)
    asked = []
    for rule in pack.rules:
        made = pack.compiled.get(rule.id)
        if made is None or made.before_exceptions is None or rule.title not in narrowed:
            continue
        after, before = made.on(dialect), made.before_exceptions.on(dialect)
        query = {"bool": {"filter": [before.query, *within], "must_not": [after.query]}}
        exact = after.post_filter is None and before.post_filter is None
        asked.append((rule.title, exact, {"query": query, "track_total_hits": True}))
    index = EventIndex(client, Names(prefix).days)
    found = []
    for several in batched(asked, _AT_ONCE):
        replies = index.searches([body for _, _, body in several])
        for (title, exact, _), reply in zip(several, replies, strict=True):
            if count := int(reply["hits"]["total"]["value"]) if reply.get("hits") else 0:
                found.append(Excepted(title, count, exact))
    return sorted(found, key=lambda each: (-each.events, each.rule))
