"""A channel from its settings."""

from __future__ import annotations

from detections.notify.apprise_channel import AppriseChannel
from detections.notify.channel import Channel
from detections.notify.command import Command
from detections.notify.sns_channel import Session, SnsChannel
from detections.notify.webhook import Webhook
from trailhound.settings import AwsSettings, ChannelSettings


def open_channel(channel: ChannelSettings, aws: AwsSettings, session: Session) -> Channel:
    """The channel; nothing is sent yet. Raises `SettingsError` where it can't work."""
    match channel.kind:
        case "sns":
            return SnsChannel(channel, aws, session)
        case "apprise":
            return AppriseChannel(channel)
        case "webhook":
            return Webhook(channel)
        case "command":
            return Command(channel)
