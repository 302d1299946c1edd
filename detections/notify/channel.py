"""What goes over a channel, and what a channel is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import orjson

MessageKind = Literal["alert", "digest", "test"]


@dataclass(frozen=True, slots=True)
class Message:
    """`key` is the same whenever the same message is sent: an alert's is the alert's id."""

    key: str
    kind: MessageKind
    subject: str
    text: str
    level: str = "informational"
    markup: str = ""
    """The text in the channel's own format, where that is not plain."""
    alert: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> bytes:
        """For programs: `id`, `kind`, `subject`, `text`, `level`, `alert`, and the facts."""
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
    """`send` returns when the other side has the message; any failure is a `NotifyError`, whose
    text holds neither an address nor a secret."""

    def send(self, message: Message) -> None: ...
