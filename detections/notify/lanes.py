"""A thread for each channel, so that a slow receiver delays no other channel and no rule.

A run of a channel that takes long goes on after the run of the rules that started it. Until it has
ended, no other one of that channel is started: an alert is never in two messages at once. There are
at most as many threads as channels.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Final

from detections.notify.delivery import Delivered

ENDS_AFTER: Final = 10.0
"""Seconds after which a run that others wait for ends with the message that is being sent. What is
left is in the next run, together with what is more severe and new."""

Deliver = Callable[[Delivered, Callable[[], bool]], None]
"""What a run does: it adds to the results, and ends soon once the function returns true."""


@dataclass(slots=True)
class _Lane:
    """The run of one channel."""

    report: Delivered = field(default_factory=Delivered)
    done: Future[None] = field(default_factory=Future)
    asked_to_end: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)


class Lanes:
    """The runs of all channels, by channel. Methods but `wait` are called from one thread."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    def is_busy(self, channel: str) -> bool:
        """Whether a run of the channel has not ended. One that takes long is asked to end."""
        lane = self._lanes.get(channel)
        if lane is None or lane.done.done():
            return False
        if time.monotonic() - lane.began >= ENDS_AFTER:
            lane.asked_to_end.set()
        return True

    def start(self, channel: str, deliver: Deliver) -> None:
        """Begin a run of a channel that is not busy, and whose last one was collected."""
        lane = self._lanes[channel] = _Lane()

        def work() -> None:
            try:
                deliver(lane.report, lane.asked_to_end.is_set)
            except BaseException as error:  # noqa: BLE001 - raised by who collects it
                lane.done.set_exception(error)
            else:
                lane.done.set_result(None)

        threading.Thread(target=work, name=f"channel-{channel}", daemon=True).start()

    def wait(self, channels: Iterable[str] | None = None, seconds: float | None = None) -> None:
        """Wait until the runs of these channels have ended (None: of all), at most `seconds`."""
        names = None if channels is None else set(channels)
        lanes = list(self._lanes.items())  # one call: another thread may stop the daemon
        wait([lane.done for name, lane in lanes if names is None or name in names], seconds)

    def collect(self, report: Delivered) -> list[BaseException]:
        """Add the results of the runs that have ended, once. Returns their faults."""
        faults = []
        for name in [name for name, lane in self._lanes.items() if lane.done.done()]:
            lane = self._lanes.pop(name)
            report.add(lane.report)
            if (fault := lane.done.exception()) is not None:
                faults.append(fault)
        return faults
