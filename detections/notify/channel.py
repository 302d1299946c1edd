"""The registry of the kinds of channel.

To add a kind: its name and what it needs in `ChannelSettings`, and a module in this folder with a
function under `@channel_kind(name)`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from detections.notify.deadline import WithDeadline
from detections.notify.message import Channel
from trailhound.settings import AwsSettings, ChannelSettings

if TYPE_CHECKING:
    import botocore.session

Session = Callable[[AwsSettings], "botocore.session.Session"]
"""The AWS session of these settings."""
OpenChannel = Callable[[ChannelSettings, AwsSettings, Session], Channel]
"""Creates a channel; sends nothing. Raises `SettingsError` for invalid settings."""

_KINDS: dict[str, OpenChannel] = {}


def channel_kind(name: str) -> Callable[[OpenChannel], OpenChannel]:
    """Register what opens the channels of one kind, named as in `ChannelSettings.kind`."""

    def register(opener: OpenChannel) -> OpenChannel:
        if name in _KINDS:
            raise ValueError(f"there are two channels of kind {name}")
        _KINDS[name] = opener
        return opener

    return register


def open_channel(channel: ChannelSettings, aws: AwsSettings, session: Session) -> Channel:
    """The channel of an entry of `notify.channels`. Raises as `OpenChannel` does.

    Every module of this folder is imported, so that each kind has registered itself.
    """
    for module in iter_modules([str(Path(__file__).parent)]):
        import_module(f"detections.notify.{module.name}")
    opened = _KINDS[channel.kind](channel, aws, session)
    return WithDeadline(opened, channel.name, channel.timeout)
