"""The status of each channel, as `trailhound status` shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.channels import Channels, ChannelState


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One channel: the alerts waiting for it, its last delivery and its last error, and the
    alerts given up since that delivery, with the time of the first.

    Times are ISO 8601 in UTC; empty where there was none yet.
    """

    name: str
    waiting: int = 0
    last_delivery: str = ""
    last_error: str = ""
    last_error_at: str = ""
    given_up: int = 0
    given_up_since: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


def channel_statuses(client: OpenSearch, settings: Settings) -> list[ChannelStatus]:
    """The channels of the settings, in their order; if there are none, all that ever delivered a
    message.

    Raises opensearch-py's exceptions, and `RequestFailedError` where a shard did not answer.
    """
    known = Channels(client, settings).all()
    names = [each.name for each in settings.notify.channels] or sorted(known)
    return [_status(known.get(name, ChannelState(name=name))) for name in names]


def _status(state: ChannelState) -> ChannelStatus:
    error, at = state.latest_error()
    return ChannelStatus(
        name=state.name,
        waiting=state.waiting,
        last_delivery=state.last_delivery,
        last_error=error,
        last_error_at=at,
        given_up=state.given_up,
        given_up_since=state.given_up_since,
    )
