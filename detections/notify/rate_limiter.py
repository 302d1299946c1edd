"""How many messages a channel still takes this minute, counted where all daemons see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from trailhound.cluster.versions import revise

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """One channel's minute, in a document of the ledger index."""

    client: OpenSearch
    index: str
    channel: str
    per_minute: int

    def take(self, wanted: int, now: datetime) -> int:
        """Reserve messages of this minute; how many may be sent, at most `wanted`."""
        granted = 0

        def change(document: dict[str, Any]) -> dict[str, Any]:
            nonlocal granted
            sent = document.get("sent", 0) if document.get("minute") == _minute(now) else 0
            granted = max(0, min(wanted, self.per_minute - sent))
            return document | {"minute": _minute(now), "sent": sent + granted}

        self._revise(change)
        return granted

    def digest_due(self, now: datetime) -> bool:
        """Whether nobody has said this minute how many are held back; it is ours to say then."""
        due = False

        def change(document: dict[str, Any]) -> dict[str, Any]:
            nonlocal due
            due = document.get("digest") != _minute(now)
            return document | {"digest": _minute(now)}

        self._revise(change)
        return due

    def note(self, **facts: Any) -> None:
        """Keep what `status` may show: `waiting`, `last_delivery`, `last_error`, …"""
        self._revise(lambda document: document | facts)

    def _revise(self, change: Any) -> None:
        start = {"state": "channel", "name": self.channel}
        revise(self.client, self.index, f"channel-{self.channel}", change, start=start)


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // _MINUTE
