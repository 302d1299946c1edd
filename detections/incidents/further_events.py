"""What the actor of an incident did beside the events that its alerts name: with the same keys, and
in the sessions that were opened with these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.daily_indices import daily_indices
from detections.events.identity import ADDRESS, KEY, MADE_KEY
from detections.events.index import EventIndex
from detections.events.outcome import SUCCEEDED
from detections.incidents.creations import ISSUING
from detections.investigation.opened import opened_by
from detections.investigation.sessions import Sessions
from trailhound.cluster.queries import Query, both, either
from trailhound.cluster.templates import Names
from trailhound.errors import NoEventsIndexError
from trailhound.settings import Settings

_SESSION: Final = timedelta(hours=36)
"""How long before an incident a session of it may have been opened."""
HOLDERS: Final = 500
"""The most keys and principals of an incident that are looked at; lists name fewer."""
_LASTING: Final = ("AKIA", "ACCA")
"""How keys begin that do not expire: with these their owner works before and after an incident."""
NO_EVENT: Final[Query] = {"match_none": {}}


@dataclass(frozen=True, slots=True)
class FurtherEvents:
    """`did`: what was done with the incident's keys, from its addresses; by a key that does not
    expire only near the incident. `sessions`: what was done in the sessions that its keys opened,
    through any number of roles; `opening`: the calls that opened these and its own sessions.
    `left_out`: which of these are not in it, and why."""

    did: Query
    opening: Query
    sessions: Query
    left_out: tuple[str, ...] = ()

    @property
    def query(self) -> Query:
        """All of them."""
        return either([self.did, self.opening, self.sessions])


def further_events(
    index: EventIndex, incident: Mapping[str, Any], gap: timedelta, own: Query = NO_EVENT
) -> FurtherEvents:
    """Those of an incident as `IncidentStore` gives it. `gap`: how far from it a key that does not
    expire still counts; `own`: what its principals did by the events of its alerts, also without a
    key. Raises `ClusterError`."""
    keys = [str(each) for each in incident["access_keys"]]
    addresses = list(incident["addresses"])
    where: list[Query] = [{"terms": {ADDRESS: addresses}}] if addresses else []
    first, last = (datetime.fromisoformat(incident[each]) for each in ("first_seen", "last_seen"))
    near = _between(first - gap, last + gap)
    lasting = [each for each in keys if each.startswith(_LASTING)]
    temporary = [each for each in keys if each and each not in lasting]
    did = either(
        [
            both({"terms": {KEY: lasting}}, near, *where),
            both({"terms": {KEY: temporary}}, *where),
        ]
    )
    opened = opened_by(index, either([did, own]), Sessions(index))
    opening = both(
        {"terms": {MADE_KEY: sorted({*temporary, *opened.keys})}},
        {"terms": {"eventName": list(ISSUING)}},
        SUCCEEDED,
        {"range": {"@timestamp": {"gte": (first - _SESSION).isoformat()}}},
    )
    return FurtherEvents(did, opening, opened.query() or NO_EVENT, tuple(opened.left_out()))


def readable_events(client: OpenSearch, settings: Settings) -> EventIndex:
    """The events of the daily indices without those that a search would fail at."""
    try:
        return EventIndex(client, daily_indices(client, settings))
    except NoEventsIndexError:
        return EventIndex(client, Names(settings.prefix).days)


def _between(since: datetime, until: datetime) -> Query:
    return {"range": {"@timestamp": {"gte": since.isoformat(), "lte": until.isoformat()}}}
