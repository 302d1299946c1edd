"""The newest message about health for each channel, sent again until it is accepted.

Each is sent in a thread of its own: a channel that does not answer delays no other one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from detections.notify.channel import open_channel
from detections.notify.message import Message
from ingest.sources.session import aws_session
from trailhound.backoff import Backoff
from trailhound.errors import TrailhoundError
from trailhound.internal_errors import place_of
from trailhound.settings import ChannelSettings, Settings

LOG = logging.getLogger("trailhound.health")
_AGAIN: Final = Backoff(first=1.0, longest=600.0)


@dataclass(slots=True)
class _Letter:
    """A message on its way to a channel."""

    channel: ChannelSettings
    message: Message
    began: float
    due: float
    failures: int = 0
    thread: threading.Thread | None = None
    delivered: bool = False

    @property
    def is_being_sent(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class HealthOutbox:
    """Methods are called from one thread."""

    def __init__(self) -> None:
        self._letters: dict[str, _Letter] = {}
        """By channel; those of before that are still being sent are left to themselves."""
        self._accepted: set[str] = set()

    def post(self, channels: Iterable[ChannelSettings], message: Message) -> None:
        """Send a message to channels, in place of one that they have not accepted yet."""
        now = time.monotonic()
        self._accepted.clear()
        self._letters = {each.name: _Letter(each, message, now, now) for each in channels}

    def accepted(self, key: str) -> bool:
        """Whether a channel has accepted the message with this key, which was posted last."""
        return key in self._accepted

    def send(self, settings: Settings) -> None:
        """Begin to send what is due."""
        now, give_up = time.monotonic(), settings.notify.give_up_after_hours * 3600
        for name, letter in list(self._letters.items()):
            if letter.is_being_sent:
                continue
            if letter.delivered:
                del self._letters[name]
            elif now - letter.began > give_up:
                LOG.error("a message about health is not retried any more: %s", name)
                del self._letters[name]
            elif now >= letter.due:
                letter.thread = threading.Thread(
                    target=self._send,
                    args=(letter, settings),
                    name=f"health-{name}",
                    daemon=True,
                )
                letter.thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the messages that are being sent, at most so long."""
        ends = time.monotonic() + seconds
        for letter in self._letters.values():
            if letter.thread is not None:
                letter.thread.join(max(0.0, ends - time.monotonic()))

    def _send(self, letter: _Letter, settings: Settings) -> None:
        name = letter.channel.name
        try:
            open_channel(letter.channel, settings.aws, aws_session).send(letter.message)
        except TrailhoundError as error:
            self._failed(letter, error.message)
        except Exception as error:  # noqa: BLE001 - of any kind of channel: it is tried again
            # Not its text, which may contain a URL.
            at = f" (at {place})" if (place := place_of(error)) else ""
            self._failed(letter, f"{name}: {type(error).__name__}{at}")
        else:
            letter.delivered = True
            self._accepted.add(letter.message.key)

    def _failed(self, letter: _Letter, why: str) -> None:
        letter.failures += 1
        letter.due = time.monotonic() + _AGAIN.seconds(letter.failures)
        LOG.warning("a message about health was not delivered: %s", why)
