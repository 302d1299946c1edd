"""Test messages to channels, with the AWS sessions that SNS needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from detections.alerts.document import stamp
from detections.notify.trial import HEARTBEAT, ChannelTest, try_channels
from ingest.sources.session import aws_session
from trailhound.cluster.client import connect
from trailhound.cluster.namespaces import has_namespace
from trailhound.cluster.refusals import cluster_errors
from trailhound.settings import Settings
from trailhound.state.channels import Channels, ChannelState

_SECONDS: Final = 10.0


def send_tests(settings: Settings, only: str | None = None) -> Sequence[ChannelTest]:
    """Send a test message to each channel and call the heartbeat, or only what is named `only`.
    Raises `UsageError` if there is none."""
    return try_channels(settings, aws_session, datetime.now(UTC), only)


def record(settings: Settings, tests: Iterable[ChannelTest]) -> None:
    """Record which channels delivered, for those that a daemon sends to: health then says no more
    that alerts were given up, and alerts that wait after a failure are sent at once. And which did
    not: `status` and `doctor` say so until one delivers. Raises `ClusterError`."""
    errors = {each.channel: each.error for each in tests if each.kind != HEARTBEAT}
    at = stamp(datetime.now(UTC))
    with cluster_errors(settings):
        client = connect(settings, timeout=_SECONDS)
        try:
            if has_namespace(client, settings.prefix):
                channels = Channels(client, settings)
                known = channels.get(errors)
                for name, error in errors.items():
                    if error is not None or name in known:
                        reason = error.message if error is not None else None
                        channels.revise(name, partial(ChannelState.tested, at=at, error=reason))
        finally:
            client.close()
