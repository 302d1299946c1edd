"""Messages to channels about Trailhound itself: it does not work, more fails, it is ready again.

One daemon sends them for all, the one that holds the lease `health`. If the lease cannot be kept by
anybody, since the cluster or its ledger is what fails, daemons are on their own: the one that held
it last sends first. The others, which cannot know whether that one still runs, wait as long again.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from opensearchpy import OpenSearch

from detections.notify.health_report import HealthReport
from detections.notify.renderer import MessageRenderer
from trailhound.app.daemon.health_outbox import HealthOutbox
from trailhound.app.daemon.own_health import OwnHealth
from trailhound.app.daemon.running import Running
from trailhound.app.daemon.told import Told
from trailhound.app.daemon.unready import Unready
from trailhound.app.health.readiness import Reason
from trailhound.cluster.templates import Names
from trailhound.settings import ChannelSettings, Settings
from trailhound.state.leases import Lease
from trailhound.state.outages import OutageState

LOG = logging.getLogger("trailhound.health")
_LEASE: Final = "health"
_LOOKS_EVERY: Final = 5.0
_LAST_SENT_WITHIN: Final = 5.0
"""Seconds for which the end of the daemon waits for messages that are being sent."""


class HealthMessages:
    """Looks at the health of this daemon, and of those whose state it reads, from `run` on."""

    def __init__(self, running: Running, health: OwnHealth, owner: str) -> None:
        self._running = running
        self._health = health
        self._owner = owner
        self._unready = Unready(time.monotonic())
        self._outbox = HealthOutbox()
        self._lease: Lease | None = None
        self._told: Told | None = None
        self._held = False
        """Whether this daemon held the lease when it was last known who does."""
        self._under_way: OutageState | None = None
        """What channels know once one has accepted the message that was posted last."""
        self._posted = ""
        """The key of that message."""

    def run(self, client: OpenSearch) -> None:
        """Until the daemon stops."""
        stopping = self._running.stopping
        try:
            while not stopping.is_set():
                self._look(client)
                stopping.wait(min(_LOOKS_EVERY, self._seconds(1 / 4)))
        finally:
            self._outbox.wait(_LAST_SENT_WITHIN)
            if self._told is not None:
                self._save(self._told, answers=self._health.cluster_answers)
            self._end_lease()

    def _seconds(self, share: float = 1.0) -> float:
        return self._running.settings.notify.health_after_minutes * 60 * share

    def _look(self, client: OpenSearch) -> None:
        settings = self._running.settings
        channels = [each for each in settings.notify.channels if each.health]
        self._arrange_lease(client, settings, wanted=bool(channels))
        now, answers = time.monotonic(), self._health.cluster_answers
        readiness = self._health.of_all()
        if self._running.stopping.is_set() or not channels:
            return
        self._unready.look(readiness.reasons, now, self._seconds(1 / 2))
        told = self._told = self._told or Told(client, settings)
        self._save(told, answers=answers)
        patience = self._patience()
        if patience is not None:
            self._tell(told, channels, now, patience, answers=answers)
        elif answers:
            told.hand_over()
        self._outbox.send(settings)

    def _arrange_lease(self, client: OpenSearch, settings: Settings, *, wanted: bool) -> None:
        """Compete for the lease while there is a channel to send to. Not before the cluster's
        templates are known to be ours: the first one to write creates the ledger."""
        if not wanted:
            self._end_lease()
        elif self._lease is None and self._running.jobs is not None:
            ledger, seconds = Names(settings.prefix).ledger, settings.run.lease_seconds
            self._lease = Lease(client, ledger, _LEASE, owner=self._owner, seconds=seconds)
            self._lease.start()

    def _end_lease(self) -> None:
        if self._lease is not None:
            self._lease.stop()
            self._lease, self._held = None, False

    def _patience(self) -> float | None:
        """After how many seconds this daemon sends; None where another one does."""
        if self._lease is not None and not self._lease.is_free:
            self._held = self._lease.held
            return self._seconds() if self._held else None
        return self._seconds(1 if self._held else 2)

    def _tell(
        self,
        told: Told,
        channels: Sequence[ChannelSettings],
        now: float,
        patience: float,
        *,
        answers: bool,
    ) -> None:
        known = self._under_way
        if known is None:
            known = told.known(answers=answers)
        news = [each for each in self._unready.lasting(patience, now) if each not in known.told]
        if news:
            every = self._unready.reasons()
            began = datetime.now(UTC) - timedelta(seconds=self._unready.seconds(now))
            since = known.since or began.isoformat(timespec="seconds")
            first = {name: every[name] for name in news} | every
            number = known.messages + 1
            self._post(channels, since, f"{number}", first.values())
            after = OutageState(since=since, told=(*every,), messages=number)
            self._under_way = known.joined(after)
        elif known.since and self._unready.well_for(now) >= self._seconds(1 / 2):
            self._post(channels, known.since, "ready")
            self._under_way = OutageState()
        elif answers:
            told.hand_over()

    def _post(
        self,
        channels: Iterable[ChannelSettings],
        since: str,
        which: str,
        reasons: Iterable[Reason] = (),
    ) -> None:
        """A message for each channel. Without reasons: that it is ready again."""
        settings, began = self._running.settings, datetime.fromisoformat(since)
        self._posted = f"health-{int(began.timestamp())}-{which}"
        given = [each.as_dict() | {"advice": each.advice} for each in reasons]
        report = HealthReport(
            ready=not given,
            since=began,
            now=datetime.now(UTC),
            namespace=settings.namespace,
            host=socket.gethostname(),
            pid=os.getpid(),
            reasons=given,
        )
        message = MessageRenderer(settings.notify.templates).health(self._posted, report)
        LOG.log(
            logging.INFO if report.ready else logging.WARNING,
            "channels are told: %s",
            message.subject,
        )
        self._outbox.post(channels, message)

    def _save(self, told: Told, *, answers: bool) -> None:
        """Record what was posted, once a channel has accepted it."""
        posted = self._under_way
        if posted is None or not self._outbox.accepted(self._posted):
            return
        if posted.since:
            told.add(posted, answers=answers)
        elif not told.end(answers=answers):
            return
        self._under_way = None
