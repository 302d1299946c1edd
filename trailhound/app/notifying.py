"""Test messages to channels, with the AWS sessions that SNS needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from detections.notify.trial import ChannelTest, try_channels
from ingest.sources.session import aws_session
from trailhound.settings import Settings


def tried(settings: Settings, only: str | None = None) -> Sequence[ChannelTest]:
    """A test message to each channel, or to one. Raises `UsageError` where there is none."""
    return try_channels(settings, aws_session, datetime.now(UTC), only)
