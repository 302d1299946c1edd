"""A channel from its settings."""

from __future__ import annotations

from detections.notify.channel import Channel
from detections.notify.command import Command
from detections.notify.reach import Reach
from detections.notify.topic import Session, Topic
from detections.notify.webhook import Webhook
from trailhound.settings import AwsSettings, ChannelSettings


def open_channel(channel: ChannelSettings, aws: AwsSettings, session: Session) -> Channel:
    """The channel; nothing is sent yet. Raises `SettingsError` where it can't work."""
    match channel.kind:
        case "sns":
            return Topic(channel, aws, session)
        case "apprise":
            return Reach(channel)
        case "webhook":
            return Webhook(channel)
        case "command":
            return Command(channel)
