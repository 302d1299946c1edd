"""Marks alerts to be joined again whose session's opener was ingested after they were joined.

Who opened a session is found by the call that issued its key, when its alert is joined. That call
may be ingested later: in a file that is late, or by a backfill. So each run looks at the issuing
calls that were ingested since the last one, and at the alerts with their keys.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from opensearchpy import OpenSearch

from detections.events.daily_indices import DailyIndices
from detections.events.index import EventIndex
from detections.events.light import Mapped
from detections.incidents.actors import FIELDS, Actor
from detections.incidents.alert_index import AlertIndex
from detections.incidents.creations import token
from detections.incidents.facts import ISSUING_CALLS, KEYS, issued
from detections.running.pace import pace_of
from detections.span import Span
from trailhound.cluster.templates import Names
from trailhound.internal_errors import Skipped
from trailhound.settings import Settings
from trailhound.state.joining_checkpoints import JoiningCheckpoints

LOG = logging.getLogger("trailhound.incidents")
_AT_ONCE: Final = 5_000
"""Keys whose alerts one search looks for."""
_SESSION: Final = ("key:", "session:")
"""The tokens of a session; all others of an actor are of a person."""


class LateOpeners:
    """The alerts of one namespace. Raises `ClusterError` and opensearch-py's exceptions."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        skipped: Skipped | None = None,
        days: DailyIndices | None = None,
    ) -> None:
        """`skipped`: takes the events that could not be looked at. `days`: those that are searched;
        where some of them cannot be, the next run begins where this one did. By default all are,
        and one that cannot be searched is an error."""
        names = Names(settings.prefix)
        self._complete = days is None or not days.skipped
        self._checkpoints = JoiningCheckpoints(client, settings)
        self._events = EventIndex(client, names.days if days is None else days)
        self._alerts = AlertIndex(client, names, timedelta(0))
        self._skipped = skipped or Skipped(LOG)
        self._lookback = pace_of(settings).lookback

    def mark(self, may_continue: Callable[[], bool] = lambda: True) -> int:
        """Mark the alerts whose openers were ingested since the last run; `may_continue` is called
        before each search for alerts. Returns the number of alerts.

        What was ingested shortly before the last run is looked at again, since it may not have been
        searchable then. The first run looks at that alone.
        """
        now = datetime.now(UTC)
        seen = now - self._lookback
        since = min(self._checkpoints.get() or seen, seen)
        marked = 0
        for issuers in self._issued(Span(since, now, "event.ingested")):
            if not may_continue():
                return marked
            found = {name for name, own in self._alerts.of_keys(issuers) if _lacks(own, issuers)}
            self._alerts.mark_due(found)
            marked += len(found)
        if self._complete:
            self._checkpoints.advance(seen)
        return marked

    def _issued(self, span: Span) -> Iterator[dict[str, Actor]]:
        """Who was issued which keys: token of the key → actor."""
        found: dict[str, Actor] = {}
        query = {"bool": {"filter": [*ISSUING_CALLS, span.query()]}}
        for hit in self._events.documents(query, {"_source": Mapped([*FIELDS, KEYS])}):
            with self._skipped.around("event", hit["_id"]):
                for key, actor in issued(hit["_source"]):
                    if named := token("key", key):
                        found.setdefault(named, actor)
            if len(found) >= _AT_ONCE:
                yield found
                found = {}
        if found:
            yield found


def _lacks(own: frozenset[str], issuers: Mapping[str, Actor]) -> bool:
    """Whether an alert, whose actor has these tokens, was joined without the opener of its session.

    >>> bob = Actor("user:1:bob", frozenset({"user:1:bob", "key:AKIA"}), "AKIA", person=True)
    >>> _lacks(frozenset({"key:ASIA", "session:x"}), {"key:ASIA": bob})
    True
    >>> _lacks(frozenset({"key:ASIA", "session:x", *bob.own}), {"key:ASIA": bob})
    False
    """
    if any(not each.startswith(_SESSION) for each in own):
        return False
    return any(key in own and not actor.own <= own for key, actor in issuers.items())
