"""Test messages to channels, with the AWS sessions that SNS needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from detections.alerts.document import stamp
from detections.notify.trial import ChannelTest, try_channels
from ingest.sources.session import aws_session
from trailhound.cluster.client import connect
from trailhound.cluster.namespaces import has_namespace
from trailhound.cluster.refusals import cluster_errors
from trailhound.settings import Settings
from trailhound.state.channels import Channels

_SECONDS: Final = 10.0


def send_tests(settings: Settings, only: str | None = None) -> Sequence[ChannelTest]:
    """Send a test message to each channel, or to one. Raises `UsageError` if there is no
    channel."""
    return try_channels(settings, aws_session, datetime.now(UTC), only)


def record(settings: Settings, tests: Iterable[ChannelTest]) -> None:
    """Record the channels that delivered, for those that a daemon sends to: health then says no
    more that alerts were given up. Raises `ClusterError`."""
    delivered = [each.channel for each in tests if each.error is None]
    if not delivered:
        return
    at = stamp(datetime.now(UTC))
    with cluster_errors(settings):
        client = connect(settings, timeout=_SECONDS)
        try:
            if has_namespace(client, settings.prefix):
                channels = Channels(client, settings)
                for name in channels.get(delivered):
                    channels.revise(name, lambda state: state.delivered(at))
        finally:
            client.close()
