"""Notifiers put together with what they need of the house: the cluster and AWS sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from opensearchpy import OpenSearch

from detections.notify.notifier import Notifier
from detections.notify.trial import Tried, try_channels
from ingest.sources.session import aws_session
from trailhound.settings import Settings


def notifier(client: OpenSearch, settings: Settings) -> Notifier:
    """What delivers alerts, after each run of the detections."""
    return Notifier(client, settings, aws_session)


def tried(settings: Settings, only: str | None = None) -> Sequence[Tried]:
    """A test message to each channel, or to one. Raises `UsageError` where there is none."""
    return try_channels(settings, aws_session, datetime.now(UTC), only)
