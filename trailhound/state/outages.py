"""What notification channels were told of a time in which Trailhound was not ready."""

from __future__ import annotations

from typing import ClassVar

from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore


class OutageState(StateDocument, frozen=True, kw_only=True):
    """The one document of its kind. `since` is when the reasons began (ISO 8601 in UTC; empty while
    channels know of none), `told` are the reasons that messages named, `messages` their number."""

    kind: ClassVar[str] = "outage"
    id_prefix: ClassVar[str] = "outage-"

    name: str = "trailhound"
    since: str = ""
    told: tuple[str, ...] = ()
    messages: int = 0

    @property
    def key(self) -> str:
        return self.name

    def joined(self, other: OutageState) -> OutageState:
        """What channels know from the messages of both.

        >>> one = OutageState(since="2025-03-01T04:00", told=("cluster",), messages=1)
        >>> two = OutageState(since="2025-03-01T03:00", told=("disk",), messages=2)
        >>> one.joined(two).since, one.joined(two).told, one.joined(OutageState()) == one
        ('2025-03-01T03:00', ('cluster', 'disk'), True)
        """
        return OutageState(
            since=min(filter(None, (self.since, other.since)), default=""),
            told=tuple(sorted({*self.told, *other.told})),
            messages=max(self.messages, other.messages),
        )


class Outages:
    """Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, OutageState)

    def get(self) -> OutageState:
        """As last written."""
        return self._store.one(OutageState().name) or OutageState()

    def add(self, told: OutageState) -> None:
        """Add what channels were told."""
        self._store.revise(OutageState(), told.joined)

    def end(self) -> None:
        """Channels were told that it is over."""
        self._store.write([OutageState()])
