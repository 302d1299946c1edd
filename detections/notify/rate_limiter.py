"""Limits the messages that a channel gets per minute, across all daemons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from detections.alerts.document import stamp
from trailhound.state.channels import Channels, ChannelState

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """The rate limit of one channel."""

    channels: Channels
    channel: str
    per_minute: int

    def reserve(self, count: int, now: datetime) -> int:
        """Reserves up to `count` messages of this minute. Returns how many may be sent."""
        granted = 0

        def change(state: ChannelState) -> ChannelState:
            nonlocal granted
            sent = state.sent if state.minute == _minute(now) else 0
            granted = max(0, min(count, self.per_minute - sent))
            return replace(state, minute=_minute(now), sent=sent + granted)

        self._revise(change)
        return granted

    def release(self, count: int, now: datetime) -> None:
        """Gives back messages of this minute that were reserved and not sent."""
        if count:
            self._revise(
                lambda state: (
                    replace(state, sent=max(0, state.sent - count))
                    if state.minute == _minute(now)
                    else state
                )
            )

    def digest_due(self, now: datetime) -> bool:
        """Whether no digest was sent this minute; if so, the caller has to send it."""
        due = False

        def change(state: ChannelState) -> ChannelState:
            nonlocal due
            due = state.digest != _minute(now)
            return replace(state, digest=_minute(now))

        self._revise(change)
        return due

    def learning_due(self, now: datetime) -> bool:
        """Whether no digest of learning rules was sent on this UTC day."""
        state = self.channels.one(self.channel)
        return state is None or state.learning_day != _day(now)

    def learning_sent(self, now: datetime) -> None:
        """Records that the day's digest of learning rules was sent."""
        day = _day(now)
        self._revise(lambda state: replace(state.delivered(stamp(now)), learning_day=day))

    def tested(self) -> str:
        """When the channel last delivered a test; empty for never."""
        state = self.channels.one(self.channel)
        return state.tested_at if state is not None else ""

    def delivered(self, now: datetime) -> None:
        """Records that a message was delivered."""
        self._revise(lambda state: state.delivered(stamp(now)))

    def gave_up(self, now: datetime) -> None:
        """Records that an alert was given up."""
        self._revise(lambda state: state.gave_up(stamp(now)))

    def note(self, **facts: Any) -> None:
        """Records what `status` shows: `waiting`, `last_error`, …"""
        self._revise(lambda state: replace(state, **facts))

    def _revise(self, change: Callable[[ChannelState], ChannelState]) -> None:
        self.channels.revise(self.channel, change)


def _day(now: datetime) -> str:
    return f"{now.astimezone(UTC):%F}"


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // _MINUTE
