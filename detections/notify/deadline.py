"""A deadline for a delivery as a whole, so that no receiver blocks the other channels."""

from __future__ import annotations

from functools import partial

from detections.notify.message import Channel, Message
from trailhound.errors import NotifyError
from trailhound.threads import STEPS, Deadline, OverdueError


class WithDeadline:
    """A channel with a deadline for each delivery: one that takes longer is a `NotifyError`, and
    until it ends the channel accepts no message."""

    def __init__(self, channel: Channel, name: str, timeout: float) -> None:
        """`timeout` is that of one step, in seconds."""
        self._channel = channel
        self._name = name
        self._deadline = Deadline(f"notify-{name}", STEPS * timeout)

    def send(self, message: Message) -> None:
        try:
            self._deadline.run(partial(self._channel.send, message))
        except OverdueError as error:
            raise NotifyError(
                f"{self._name}: {error}",
                hint="check that the receiver answers at once, or raise the channel's timeout",
            ) from None
