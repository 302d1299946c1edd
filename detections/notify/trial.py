"""Sends a test message to every channel, and calls the heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from detections.notify.channel import Session, open_channel
from detections.notify.heartbeat import Heartbeat
from detections.notify.message import Message
from trailhound.errors import TrailhoundError, UsageError
from trailhound.settings import ChannelSettings, HeartbeatSettings, Settings
from trailhound.threads import in_order

HEARTBEAT: Final = "heartbeat"
_ALERTS: Final = "Alerts of Trailhound arrive here."


@dataclass(frozen=True, slots=True)
class ChannelTest:
    """The result for one channel, or the heartbeat; `error` is None if the message was accepted."""

    channel: str
    kind: str
    error: TrailhoundError | None = None


def try_channels(
    settings: Settings, session: Session, now: datetime, only: str | None = None
) -> Sequence[ChannelTest]:
    """Send a test message to each channel and call the heartbeat, or only what is named `only`.

    Raises `UsageError` where there is none, or none of that name.
    """
    channels = [
        channel for channel in settings.notify.channels if only is None or channel.name == only
    ]
    beats = settings.notify.heartbeat.is_set and only in (None, HEARTBEAT)
    if not channels and not beats:
        named = f" named {only}" if only else ""
        raise UsageError(
            f"there is no channel{named}", hint="add it to `notify.channels` in the settings"
        )

    def message(channel: ChannelSettings) -> Message:
        what = "Alerts of Trailhound, and messages when it does not work itself, arrive here."
        return Message(
            key=f"test-{int(now.timestamp())}",
            kind="test",
            subject="Trailhound: a test",
            text=f"{what if channel.health else _ALERTS} Nothing has happened: this is a test.",
        )

    def tried(channel: ChannelSettings) -> ChannelTest:
        try:
            open_channel(channel, settings.aws, session).send(message(channel))
        except TrailhoundError as error:
            return ChannelTest(channel.name, channel.kind, error)
        return ChannelTest(channel.name, channel.kind)

    # At once: one that does not answer delays no other.
    tests = list(in_order(tried, channels, len(channels), "notify-test"))
    return [*tests, *([_heartbeat(settings.notify.heartbeat)] if beats else [])]


def _heartbeat(settings: HeartbeatSettings) -> ChannelTest:
    try:
        Heartbeat(settings).call()
    except TrailhoundError as error:
        return ChannelTest(HEARTBEAT, HEARTBEAT, error)
    return ChannelTest(HEARTBEAT, HEARTBEAT)
