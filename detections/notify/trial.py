"""Sends a test message to every channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from detections.notify.channel import Session, open_channel
from detections.notify.message import Message
from trailhound.errors import TrailhoundError, UsageError
from trailhound.settings import ChannelSettings, Settings
from trailhound.threads import in_order


@dataclass(frozen=True, slots=True)
class ChannelTest:
    """The result for one channel; `error` is None if the message was accepted."""

    channel: str
    kind: str
    error: TrailhoundError | None = None


def try_channels(
    settings: Settings, session: Session, now: datetime, only: str | None = None
) -> Sequence[ChannelTest]:
    """Send a test message to each channel, or to the one named `only`.

    Raises `UsageError` where there is none, or none of that name.
    """
    channels = [
        channel for channel in settings.notify.channels if only is None or channel.name == only
    ]
    if not channels:
        named = f" named {only}" if only else ""
        raise UsageError(
            f"there is no channel{named}", hint="add it to `notify.channels` in the settings"
        )
    message = Message(
        key=f"test-{int(now.timestamp())}",
        kind="test",
        subject="Trailhound: a test",
        text="Alerts of Trailhound arrive here. Nothing has happened: this is a test.",
    )

    def tried(channel: ChannelSettings) -> ChannelTest:
        try:
            open_channel(channel, settings.aws, session).send(message)
        except TrailhoundError as error:
            return ChannelTest(channel.name, channel.kind, error)
        return ChannelTest(channel.name, channel.kind)

    # At once: one that does not answer delays no other.
    return list(in_order(tried, channels, len(channels), "notify-test"))
