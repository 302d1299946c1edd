"""Calls `notify.heartbeat` at intervals while this daemon is ready, and only then."""

from __future__ import annotations

import logging
import time
from typing import Final

from detections.notify.heartbeat import Heartbeat
from trailhound.app.daemon.own_health import OwnHealth
from trailhound.app.daemon.running import Running
from trailhound.backoff import Backoff
from trailhound.errors import TrailhoundError

LOG = logging.getLogger("trailhound.health")
_LOOKS_EVERY: Final = 5.0
_AGAIN: Final = Backoff(first=10.0, longest=120.0)


class Heartbeats:
    """Each daemon makes its own calls: what another one of them does says nothing of this one's
    machine."""

    def __init__(self, running: Running, health: OwnHealth) -> None:
        self._running = running
        self._health = health
        self._last: float | None = None
        """When the last call was begun."""
        self._failures = 0
        self._pause = 0.0
        """Seconds until a call that failed is repeated."""

    def run(self) -> None:
        """Until the daemon stops."""
        stopping = self._running.stopping
        while not stopping.is_set():
            settings = self._running.settings.notify.heartbeat
            every = settings.minutes * 60
            wait = min(every, self._pause) if self._failures else every
            now = time.monotonic()
            due = self._last is None or now - self._last >= wait
            if settings.is_set and due and self._health.readiness().ready:
                self._last = now
                self._call()
            stopping.wait(min(_LOOKS_EVERY, every / 4))

    def _call(self) -> None:
        """The first call of several that are not answered is logged."""
        try:
            Heartbeat(self._running.settings.notify.heartbeat).call()
        except TrailhoundError as error:
            if not self._failures:
                LOG.warning("the heartbeat was not accepted: %s", error.message)
            self._failures += 1
            self._pause = _AGAIN.seconds(self._failures)
            return
        if self._failures:
            LOG.info("the heartbeat is accepted again")
        self._failures = 0
