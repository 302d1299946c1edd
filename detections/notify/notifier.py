"""Delivers pending alerts to the channels, one message for the alerts of an incident.

Each channel has a run of its own (`channel_run.py`). A channel that seems to be down is paused, so
that it delays neither the others nor the detections.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

from opensearchpy import OpenSearch

from detections.alerts.document import stamp
from detections.notify.catch_up_digest import CatchUpDigest
from detections.notify.channel import Session, open_channel
from detections.notify.channel_run import ChannelRun, Standing
from detections.notify.delivery import Delivered
from detections.notify.due_alerts import MAX_READ, alerts_for
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
    alerts of a channel in one run."""

    def __init__(
        self, client: OpenSearch, settings: Settings, session: Session, most: int = MAX_READ
    ) -> None:
        self._client = client
        self._settings = settings
        self._most = most
        self._session = session
        self._renderer = MessageRenderer(settings.notify.templates)
        self._standings: defaultdict[str, Standing] = defaultdict(Standing)
        """By channel."""
        self._digest = CatchUpDigest(client, settings, self._renderer)
        self._channels = Channels(client, settings)
        self._offered = Offered(self._channels)

    def deliver(
        self,
        now: datetime,
        holds_lease: Callable[[], bool] = lambda: True,
        caught_up: datetime | None = None,
    ) -> Delivered:
        """One run over all channels; one that fails does not delay the others.

        `holds_lease` is called before each message. `caught_up`: the time until which the rules
        have searched what was ingested; None: until `now`. Raises opensearch-py's exceptions.
        """
        report = Delivered()
        if not self._settings.notify.channels:
            return report
        make_searchable(self._client, Names(self._settings.prefix).alerts, required=True)
        catch_up = self._digest.due()
        offered = self._offered.until([each.name for each in self._settings.notify.channels], now)
        faults: list[Exception] = []
        for channel in self._settings.notify.channels:
            until = offered[channel.name]
            run = ChannelRun(
                self._client,
                self._settings,
                self._renderer,
                channel,
                self._rate_limiter(channel),
                self._standings[channel.name],
                now=now,
                offered=until,
                most=self._most,
                holds_lease=holds_lease,
                report=report,
            )
            try:
                self._deliver_to(channel, run, catch_up)
                if run.complete:
                    self._offered.note(channel.name, until, min(now, max(until, caught_up or now)))
            except Exception as fault:  # noqa: BLE001 - raised once the others were served
                faults.append(fault)
            if (unwritten := self._standings[channel.name].unrecorded.fault) is not None:
                faults.append(unwritten)
        if faults:
            raise faults[0]
        return report

    def _deliver_to(
        self, channel: ChannelSettings, run: ChannelRun, catch_up: CatchUp | None
    ) -> None:
        """Deliver what is due to a channel that is not paused; count it where nothing is sent."""
        now, standing = run.now, self._standings[channel.name]
        try:
            opened = self.channel(channel)
        except TrailhoundError as error:
            if standing.broken != error.message:
                LOG.error("the channel %s cannot be used: %s", channel.name, error.message)
                self._rate_limiter(channel).note(last_error=error.message, last_error_at=stamp(now))
            standing.broken = run.report.broken[channel.name] = error.message
            run.count()
            return
        paused = standing.paused_until or now
        if now < paused and self._rate_limiter(channel).tested() <= stamp(paused - _PAUSE):
            return
        if catch_up is not None and run.holds_lease():
            refused = self._digest.send(catch_up, channel, opened, alerts_for(channel), now)
            if refused is not None:
                self._rate_limiter(channel).note(
                    last_error=refused.message, last_error_at=stamp(now)
                )
                standing.paused_until = now + _PAUSE
                run.count()
                return
        if run.run(opened):
            standing.paused_until = now + _PAUSE

    def _rate_limiter(self, channel: ChannelSettings) -> RateLimiter:
        """The rate and status of a channel, shared by all daemons."""
        limit = self._settings.notify.per_minute
        return RateLimiter(self._channels, channel.name, limit)

    def channel(self, channel: ChannelSettings) -> Channel:
        """The channel, opened once. Raises `SettingsError` where its settings are invalid."""
        standing = self._standings[channel.name]
        if standing.opened is None:
            standing.opened = open_channel(channel, self._settings.aws, self._session)
        return standing.opened
