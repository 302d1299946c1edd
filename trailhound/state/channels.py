"""The channels that alerts are sent to: one document for each, which all daemons share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from msgspec.structs import replace
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore


class ChannelState(StateDocument, frozen=True, kw_only=True):
    """A channel. It has `sent` messages in the minute `minute`, its last digest in the minute
    `digest` (minutes since 1970), and its last digest of learning rules on `learning_day`. Further:
    alerts that wait, the time of the last success, and the last error with its time (ISO 8601 in
    UTC; empty if there was none). `given_up` alerts were given up since the last success, the first
    of them at `given_up_since`. `offered_until`: the channel was offered every alert about events
    that were ingested before; empty if it is new. `tested_at`: when it last delivered a test;
    `test_error`: why one was not delivered at `test_error_at`."""

    kind: ClassVar[str] = "channel"
    id_prefix: ClassVar[str] = "channel-"
    legacy_state: ClassVar[str] = "channel"

    name: str
    minute: int = 0
    sent: int = 0
    digest: int = 0
    learning_day: str = ""
    waiting: int = 0
    last_delivery: str = ""
    last_error: str = ""
    last_error_at: str = ""
    given_up: int = 0
    given_up_since: str = ""
    offered_until: str = ""
    tested_at: str = ""
    test_error: str = ""
    test_error_at: str = ""

    @property
    def key(self) -> str:
        return self.name

    def delivered(self, at: str) -> ChannelState:
        """After a message was delivered: what was given up before is over."""
        return replace(self, last_delivery=at, given_up=0, given_up_since="")

    def tested(self, at: str, error: str | None) -> ChannelState:
        """After a test message, with why it was not delivered."""
        if error is None:
            return replace(self.delivered(at), tested_at=at)
        return replace(self, test_error=error, test_error_at=at)

    @property
    def fails(self) -> bool:
        """Whether its last message but tests was not delivered."""
        return bool(self.last_error) and self.last_error_at > self.last_delivery

    def latest_error(self) -> tuple[str, str]:
        """The last error, of an alert or a test, and its time; empty if there was none."""
        if self.test_error_at > self.last_error_at:
            return f"a test: {self.test_error}", self.test_error_at
        return self.last_error, self.last_error_at

    def gave_up(self, at: str) -> ChannelState:
        """After an alert was given up."""
        since = self.given_up_since or at
        return replace(self, given_up=self.given_up + 1, given_up_since=since)


class Channels:
    """All channels of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, ChannelState)

    def all(self) -> dict[str, ChannelState]:
        """Every channel that ever sent a message, by name."""
        return {each.name: each for each in self._store.all()}

    def get(self, names: Iterable[str]) -> dict[str, ChannelState]:
        """The channels of these names that ever sent a message, as last written."""
        return self._store.get(names)

    def one(self, name: str) -> ChannelState | None:
        """A channel as last written; None if it never sent a message."""
        return self._store.one(name)

    def revise(self, name: str, change: Callable[[ChannelState], ChannelState]) -> None:
        """Change a channel; repeated if another writer was faster."""
        self._store.revise(ChannelState(name=name), change)
