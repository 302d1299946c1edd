"""Objects that the ledger has and the source has no longer: whether their events are in the index.

Their content cannot be read any more. So the number of events in the index that name them is
compared with the number that their entry says was indexed. Their duplicates are not counted: these
events were indexed from other objects, and name those.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ingest.reconcile.stored import StoredEvents
from ingest.sources.layout import place_of
from trailhound.cluster.blocks import index_states
from trailhound.cluster.templates import Names
from trailhound.state.objects import MOST_SHARED, ObjectState


class Known(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What the ledger has of an object. `indexed` is the number of events that should be in the
    index under its own name, `shared` the number that came by other objects first; `finished` is a
    day (`YYYY-MM-DD`)."""

    uri: str
    state: str
    was_read: bool
    indexed: int
    shared: int
    dead_letters: int
    finished: str
    noted: bool

    @classmethod
    def of(cls, entry: ObjectState, uri: str) -> Known:
        """What an entry says of its object.

        A reading with `--force` that found the object's own events in the index counts these as
        duplicates, and names no other object for them. Duplicates beside indexed events may also be
        second copies within the same file, of which there is one event: those are not expected in
        the index.
        """
        shared = sum(each.events for each in entry.shared)
        forced = not (entry.indexed or entry.events_under) and len(entry.shared) < MOST_SHARED
        own = max(0, entry.duplicates - shared) if forced else 0
        return cls(
            uri=uri,
            state=entry.state,
            was_read=bool(entry.covered) or entry.state == "done",
            indexed=entry.indexed + own,
            shared=entry.duplicates - own,
            dead_letters=entry.dead_lettered,
            finished=(entry.finished_at or "")[:10],
            noted=entry.gone_at is not None,
        )


class Extras:
    """Decides on objects that are gone. `oldest` is the first day that the retention keeps
    (`YYYY-MM-DD`), empty where there is no retention."""

    def __init__(self, client: OpenSearch, names: Names, stored: StoredEvents, oldest: str) -> None:
        self._stored = stored
        self._oldest = oldest
        self._closed = sorted(_closed_days(client, names))

    def counts(self, group: Sequence[Known]) -> dict[str, int]:
        """How many events name each of these objects. Raises `ClusterError`."""
        return self._stored.counts([each.uri for each in group])

    def is_past(self, each: Known) -> bool:
        """Whether its events may be on days that the retention no longer keeps: they happened
        before the object was delivered (perhaps a day before) and before it was read."""
        if not self._oldest:
            return False
        place = place_of(each.uri)
        if place is not None and place.span is not None:
            return place.span[1].isoformat() <= self._oldest
        return bool(each.finished) and each.finished < self._oldest

    def closed_day(self, each: Known) -> str:
        """A closed day (`YYYY.MM.DD`) that may have its events: a count does not include closed
        days."""
        place = place_of(each.uri)
        if place is None or place.span is None:
            return self._closed[0] if self._closed else ""
        first, last = place.span
        span = (_dotted(first - timedelta(days=1)), _dotted(last))
        return next((day for day in self._closed if span[0] <= day <= span[1]), "")


def there(each: Known, found: int) -> str:
    """How many of its events are in the index, in words."""
    text = (
        f"{min(found, each.indexed):,} of the {each.indexed:,} events that it indexed are in the "
        "index"
    )
    if each.shared:
        text += f"; {each.shared:,} more were duplicates"
    if each.dead_letters:
        text += f"; {each.dead_letters:,} of its records were dead letters"
    return text


def _closed_days(client: OpenSearch, names: Names) -> set[str]:
    try:
        states = index_states(client, names.days)
    except OpenSearchException:  # a role that may not read the cluster's state
        return set()
    closed = {names.day_of(index) for index, state in states.items() if state.closed}
    return {day for day in closed if day is not None}


def _dotted(day: date) -> str:
    return day.isoformat().replace("-", ".")
