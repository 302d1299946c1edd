"""Up to which time a channel was offered all alerts: distinguishes history from missed alerts.

`trailhound detect` raises alerts over history, and no channel is sent those. Alerts that a channel
was not offered while they were new (no daemon ran, the channel could not be used, or rules were
behind) are not history. So the age of an alert counts from the time up to which its channel had
been offered everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from detections.alerts.document import stamp
from trailhound.state.channels import Channels

_NOTED: Final = timedelta(minutes=10)
"""The precision of the stored time. A time that is too early only sends more alerts."""


class Offered:
    """The times of all channels. Raises as `Channels` does."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    def until(self, names: Sequence[str], now: datetime) -> dict[str, datetime]:
        """The time of each channel, at most `now`. A new channel begins now, also if it cannot be
        used yet."""
        states = self._channels.get(names)
        found = {}
        for name in names:
            state = states.get(name)
            if state is not None and state.offered_until:
                found[name] = min(now, datetime.fromisoformat(state.offered_until))
            else:
                found[name] = now
                self._write(name, now)
        return found

    def note(self, name: str, before: datetime, until: datetime) -> None:
        """Record that the channel was offered everything up to `until`; `before` is stored."""
        if until - before >= _NOTED:
            self._write(name, until)

    def _write(self, name: str, until: datetime) -> None:
        self._channels.revise(name, lambda state: replace(state, offered_until=stamp(until)))
