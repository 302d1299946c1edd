"""Delivers pending alerts to the channels, one message for the alerts of an incident.

Each channel has a run of its own (`channel_run.py`), in a thread of its own (`lanes.py`), so that
one that is down or slow delays neither the others nor the detections. A channel that seems to be
down is paused.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from opensearchpy import OpenSearch

from detections.alerts.document import stamp
from detections.notify.catch_up_digest import CatchUpDigest
from detections.notify.channel import Session, open_channel
from detections.notify.channel_run import ChannelRun, ChannelRuntime
from detections.notify.delivery import Delivered
from detections.notify.due_alerts import MAX_READ, alerts_for
from detections.notify.lanes import Lanes
from detections.notify.message import Channel
from detections.notify.offered import Offered
from detections.notify.rate_limiter import RateLimiter
from detections.notify.renderer import MessageRenderer
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.errors import TrailhoundError
from trailhound.settings import ChannelSettings, Settings
from trailhound.state.catch_up import CatchUp
from trailhound.state.channels import Channels

LOG = logging.getLogger("trailhound.notify")

_PAUSE = timedelta(minutes=1)


class Notifier:
    """Delivers due alerts. `session` creates AWS sessions from settings, for SNS. `most`: due
    alerts of a channel in one run. `lanes`: of the notifier of earlier settings, whose runs may not
    have ended."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        session: Session,
        most: int = MAX_READ,
        lanes: Lanes | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._most = most
        self._session = session
        self._lanes = Lanes() if lanes is None else lanes
        self._renderer = MessageRenderer(settings.notify.templates)
        self._runtimes: defaultdict[str, ChannelRuntime] = defaultdict(ChannelRuntime)
        """By channel."""
        self._digest = CatchUpDigest(client, settings, self._renderer)
        self._channels = Channels(client, settings)
        self._offered = Offered(self._channels)

    def deliver(
        self,
        now: datetime,
        holds_lease: Callable[[], bool] = lambda: True,
        caught_up: datetime | None = None,
        wait: float | None = None,
    ) -> Delivered:
        """One run over all channels, each in its own thread.

        `holds_lease` is called before each message. `caught_up`: the time until which the rules
        have searched what was ingested; None: until `now`. `wait`: seconds after which channels
        that are still sending go on by themselves; they are left out until they have ended, and a
        later call has their results. None: until all have ended. Raises opensearch-py's exceptions.
        """
        report = Delivered()
        faults = self._lanes.collect(report)
        # Before the alerts are searched: what a run that has ended recorded is found.
        free = [it for it in self._settings.notify.channels if not self._lanes.is_busy(it.name)]
        if free:
            faults += self._begin(free, now, holds_lease, caught_up or now, report)
            self._lanes.wait([each.name for each in free], wait)
            faults += self._lanes.collect(report)
        faults += filter(None, (each.unrecorded.fault for each in [*self._runtimes.values()]))
        if faults:
            raise faults[0]
        return report

    def _begin(
        self,
        channels: Sequence[ChannelSettings],
        now: datetime,
        holds_lease: Callable[[], bool],
        caught_up: datetime,
        report: Delivered,
    ) -> list[BaseException]:
        """Find what is due to each channel, and begin to send it. All is searched here, before
        rules run again and raise alerts that are in no incident yet. Returns faults."""
        make_searchable(self._client, Names(self._settings.prefix).alerts, required=True)
        catch_up = self._digest.due()
        offered = self._offered.until([each.name for each in channels], now)
        faults: list[BaseException] = []
        for channel in channels:
            until = offered[channel.name]
            run = ChannelRun(
                self._client,
                self._settings,
                self._renderer,
                channel,
                self._rate_limiter(channel),
                self._runtimes[channel.name],
                now=now,
                offered=until,
                most=self._most,
                holds_lease=holds_lease,
            )
            try:
                opened = self._opened(channel, run, report)
                if opened is not None and not self._is_paused(channel, now):
                    run.prepare()
                    to = min(now, max(until, caught_up))
                    offer = partial(self._offered.note, channel.name, until, to)
                    send = partial(self._send, channel, opened, run, catch_up, offer)
                    self._lanes.start(channel.name, send)
            except Exception as fault:  # noqa: BLE001 - raised once the others were served
                faults.append(fault)
        return faults

    def _opened(
        self, channel: ChannelSettings, run: ChannelRun, report: Delivered
    ) -> Channel | None:
        """The channel; None where it cannot be opened: what waits for it is counted."""
        runtime = self._runtimes[channel.name]
        try:
            return self.channel(channel)
        except TrailhoundError as error:
            if runtime.broken != error.message:
                LOG.error("the channel %s cannot be used: %s", channel.name, error.message)
                self._note_error(channel, error, run.now)
            runtime.broken = report.broken[channel.name] = error.message
            run.prepare()
            run.count()
            return None

    def _is_paused(self, channel: ChannelSettings, now: datetime) -> bool:
        """Whether a channel that seems to be down is sent nothing now."""
        until = self._runtimes[channel.name].paused_until or now
        return now < until and self._rate_limiter(channel).tested() <= stamp(until - _PAUSE)

    def _send(
        self,
        channel: ChannelSettings,
        opened: Channel,
        run: ChannelRun,
        catch_up: CatchUp | None,
        offer: Callable[[], None],
        report: Delivered,
        ends: Callable[[], bool],
    ) -> None:
        """Send what is due to a channel, in its lane. `offer` records that it was offered all."""
        runtime = self._runtimes[channel.name]
        if catch_up is not None and run.holds_lease():
            clauses = alerts_for(channel)
            refused = self._digest.send(catch_up, channel, opened, clauses, run.now)
            if refused is not None:
                self._note_error(channel, refused, run.now)
                runtime.paused_until = run.now + _PAUSE
                run.count()
                return
        if run.send(opened, report, ends):
            runtime.paused_until = run.now + _PAUSE
        if run.found_all:
            offer()

    def _note_error(self, channel: ChannelSettings, error: TrailhoundError, now: datetime) -> None:
        self._rate_limiter(channel).note(last_error=error.message, last_error_at=stamp(now))

    def _rate_limiter(self, channel: ChannelSettings) -> RateLimiter:
        """The rate and status of a channel, shared by all daemons."""
        limit = self._settings.notify.per_minute
        return RateLimiter(self._channels, channel.name, limit)

    def channel(self, channel: ChannelSettings) -> Channel:
        """The channel, opened once. Raises `SettingsError` where its settings are invalid."""
        runtime = self._runtimes[channel.name]
        if runtime.opened is None:
            runtime.opened = open_channel(channel, self._settings.aws, self._session)
        return runtime.opened
