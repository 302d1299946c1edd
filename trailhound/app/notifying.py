"""Test messages to channels, with the AWS sessions that SNS needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from detections.notify.trial import ChannelTest, try_channels
from ingest.sources.session import aws_session
from trailhound.settings import Settings


def tried(settings: Settings, only: str | None = None) -> Sequence[ChannelTest]:
    """Send a test message to each channel, or to one. Raises `UsageError` if there is no
    channel."""
    return try_channels(settings, aws_session, datetime.now(UTC), only)
