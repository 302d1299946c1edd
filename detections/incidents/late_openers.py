"""Marks alerts to be joined again whose session's opener was ingested after they were joined.

Who opened a session is found by the call that issued its key, and who made the function that it is
of by the calls that did, when its alert is joined. Such a call may be ingested later: in a file
that is late, or by a backfill. So each run looks at those that were ingested since the last one,
and at the alerts with their keys, and of their functions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.daily_indices import DailyIndices
from detections.events.index import EventIndex
from detections.events.light import Mapped
from detections.incidents.acting import FUNCTION_CALLS, Functions
from detections.incidents.actors import Actor, at
from detections.incidents.alert_index import AlertIndex
from detections.incidents.creations import token
from detections.incidents.facts import CALL_FIELDS, ISSUING_CALLS, KEYS, MAKING_CALLS, issued
from detections.incidents.joining import Links
from detections.running.pace import pace_of
from detections.span import Span
from trailhound.cluster.queries import both, either
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
        for issuers, functions in self._calls(Span(since, now, "event.ingested")):
            if not may_continue():
                return marked
            found = set(self._lacking(issuers, functions))
            self._alerts.mark_due(found)
            marked += len(found)
        if self._complete:
            self._checkpoints.advance(seen)
        return marked

    def _lacking(self, issuers: Mapping[str, Actor], functions: Functions) -> Iterator[str]:
        """The ids of alerts that these calls join to others."""
        if issuers:
            found = self._alerts.of_keys(issuers)
            yield from (alert.id for alert in found if _lacks(alert.links, issuers))
        if names := functions.names():
            for alert in self._alerts.of_functions(names, min(names.values())):
                tokens = functions.of_sessions(alert.links.own, alert.last)
                if not alert.links.used.issuperset(tokens):
                    yield alert.id

    def _calls(self, span: Span) -> Iterator[tuple[dict[str, Actor], Functions]]:
        """Who was issued which keys (token of the key → actor), and who made functions."""
        found: dict[str, Actor] = {}
        made: list[Mapping[str, Any]] = []
        # Not those that name no key, as the many of directory buckets.
        issuing = both(*ISSUING_CALLS, {"exists": {"field": KEYS}})
        several = either([issuing, both(*MAKING_CALLS)])
        query = both(several, span.query())
        for hit in self._events.documents(query, {"_source": Mapped(CALL_FIELDS)}):
            source = hit["_source"]
            if at(source, "eventName") in FUNCTION_CALLS:
                made.append(source)
                continue
            with self._skipped.around("event", hit["_id"]):
                for key, actor in issued(source):
                    if named := token("key", key):
                        found.setdefault(named, actor)
            if len(found) + len(made) >= _AT_ONCE:
                yield found, Functions(made)
                found, made = {}, []
        if found or made:
            yield found, Functions(made)


def _lacks(links: Links, issuers: Mapping[str, Actor]) -> bool:
    """Whether an alert with these links was joined without the opener of its session.

    >>> bob = Actor("user:1:bob", frozenset({"user:1:bob", "key:AKIA"}), "AKIA", person=True)
    >>> _lacks(Links(own=frozenset({"key:ASIA", "session:x"})), {"key:ASIA": bob})
    True
    >>> _lacks(Links(own=frozenset({"key:ASIA", "session:x", *bob.own})), {"key:ASIA": bob})
    False
    """
    if any(not each.startswith(_SESSION) for each in links.own):
        return False
    return any(
        key in links.own and not (actor.own <= links.own and actor.by <= links.used)
        for key, actor in issuers.items()
    )
