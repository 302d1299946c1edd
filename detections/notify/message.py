"""Messages, and what accepts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import orjson

MessageKind = Literal["alert", "digest", "health", "test"]


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
