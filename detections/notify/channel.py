"""Messages, channels, and the registry of the kinds of channel.

To add a kind: its name and what it needs in `ChannelSettings`, and a module in this folder with a
function under `@channel_kind(name)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal, Protocol

import orjson

from detections.notify.deadline import WithDeadline
from trailhound.settings import AwsSettings, ChannelSettings

if TYPE_CHECKING:
    import botocore.session

MessageKind = Literal["alert", "digest", "test"]


@dataclass(frozen=True, slots=True)
class Message:
    """`key` identifies a message and is the same in each attempt to send it; for an alert it is
    `renderer.message_key`. `facts` are further members of `document`."""

    key: str
    kind: MessageKind
    subject: str
    text: str
    level: str = "informational"
    markup: str = ""
    """The text in the channel's format; empty if that is plain text."""
    alert: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> bytes:
        """The message as JSON: `id`, `kind`, `subject`, `text`, `level`, `alert`, and the facts."""
        return orjson.dumps(
            {
                "id": self.key,
                "kind": self.kind,
                "subject": self.subject,
                "text": self.text,
                "level": self.level,
                "alert": self.alert,
                **self.facts,
            }
        )


class Channel(Protocol):
    """`send` returns when the receiver accepted the message; any failure is a `NotifyError`, whose
    text contains neither a URL nor a secret."""

    def send(self, message: Message) -> None: ...


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
