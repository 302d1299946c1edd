"""A deadline for a delivery as a whole.

The timeouts of connections hold for each step: a receiver that sends a byte at a time would keep
the notifier, and with it every other channel, for ever.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from threading import Thread
from typing import TYPE_CHECKING, Final

from trailhound.errors import NotifyError

if TYPE_CHECKING:
    from detections.notify.channel import Channel, Message

STEPS: Final = 6
"""The deadline in timeouts of one step: resolving, connecting, TLS, and a few answers."""


class WithDeadline:
    """A channel whose deliveries end in time: after that the message is not delivered, as far as is
    known. Nothing can end such a delivery from outside, so it goes on in its thread, and until it
    ends the channel accepts no message: there is at most one."""

    def __init__(self, channel: Channel, name: str, timeout: float) -> None:
        """`timeout` is that of one step, in seconds."""
        self._channel = channel
        self._name = name
        self._seconds = STEPS * timeout
        self._unfinished: Thread | None = None

    def send(self, message: Message) -> None:
        if self._unfinished is not None and self._unfinished.is_alive():
            raise NotifyError(
                f"{self._name}: the delivery before has not ended yet",
                hint="check that the receiver answers at once",
            )
        done: Future[None] = Future()
        thread = Thread(
            target=self._deliver, args=(message, done), name=f"notify-{self._name}", daemon=True
        )
        thread.start()
        if wait((done,), self._seconds).not_done:
            self._unfinished = thread
            raise NotifyError(
                f"{self._name}: the delivery did not end within {self._seconds:g} s",
                hint="check that the receiver answers at once, or raise the channel's timeout",
            )
        done.result()

    def _deliver(self, message: Message, done: Future[None]) -> None:
        try:
            self._channel.send(message)
        except BaseException as error:  # noqa: BLE001 - of the caller's thread
            done.set_exception(error)
        else:
            done.set_result(None)
