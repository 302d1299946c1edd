"""A deadline for a delivery as a whole.

The timeouts of connections apply to each step: a receiver that sends a byte at a time would block
the notifier, and with it every other channel, without limit.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from threading import Thread
from typing import TYPE_CHECKING, Final

from trailhound.errors import NotifyError

if TYPE_CHECKING:
    from detections.notify.channel import Channel, Message

STEPS: Final = 6
"""The deadline as a multiple of one step's timeout: name resolution, connection, TLS, responses."""


class WithDeadline:
    """A channel with a deadline for each delivery. A delivery that takes longer is a `NotifyError`.
    Its thread cannot be interrupted and goes on, and until it ends the channel accepts no message:
    at most one thread per channel hangs."""

    def __init__(self, channel: Channel, name: str, timeout: float) -> None:
        """`timeout` is that of one step, in seconds."""
        self._channel = channel
        self._name = name
        self._seconds = STEPS * timeout
        self._unfinished: Thread | None = None

    def send(self, message: Message) -> None:
        if self._unfinished is not None and self._unfinished.is_alive():
            raise NotifyError(
                f"{self._name}: the previous delivery has not ended yet",
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
