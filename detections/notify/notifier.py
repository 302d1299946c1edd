"""Delivers pending alerts to the channels, one message for the alerts of an incident.

Deliveries are recorded in the alert's document after the channel accepted the message: a daemon
that stops in between sends it again, under the same key. One that cannot record it goes on, does
not send it again, and fails at the end of the run. A failed message is retried with
back-off. After three consecutive failures the channel is paused, so that a channel that is down
delays neither the others nor the detections. Alerts over the rate limit wait, and one digest a
minute gives their number.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import shown, stamp
from detections.alerts.twins import TWIN_KEY, twins_of
from detections.incidents.document import INCIDENT
from detections.notify.bundles import (
    Bundle,
    Bundled,
    Due,
    Notified,
    bundled,
    covers,
    marked,
    notified_of,
)
from detections.notify.catch_up_digest import CatchUpDigest
from detections.notify.channel import Session, open_channel
from detections.notify.delivery import Delivered, Deliveries, Unrecorded, is_due
from detections.notify.due_alerts import MAX_READ, DueAlerts, alerts_for, due_alerts
from detections.notify.learning_digest import LearningDigest
from detections.notify.message import Channel
from detections.notify.of_incident import (
    IncidentKey,
    OfIncident,
    closed_before,
    incident_key,
    others_of,
)
from detections.notify.offered import Offered
from detections.notify.origin import origin_of
from detections.notify.rate_limiter import RateLimiter
from detections.notify.renderer import MessageRenderer
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import read_many
from trailhound.errors import NotifyError, TrailhoundError
from trailhound.internal_errors import place_of
from trailhound.settings import ChannelSettings, Settings
from trailhound.state.catch_up import CatchUp
from trailhound.state.channels import Channels

LOG = logging.getLogger("trailhound.notify")

_MAX_CONSECUTIVE_FAILURES = 3
_PAUSE = timedelta(minutes=1)


class Notifier:
    """Delivers due alerts. `session` creates AWS sessions from settings, for SNS. `most`: due
    alerts of a channel in one run."""

    def __init__(
        self, client: OpenSearch, settings: Settings, session: Session, most: int = MAX_READ
    ) -> None:
        self.client = client
        self.settings = settings
        self.names = Names(settings.prefix)
        self.most = most
        self._session = session
        self.renderer = MessageRenderer(settings.notify.templates)
        self._open: dict[str, Channel] = {}
        self._broken: dict[str, str] = {}
        self._paused_until: dict[str, datetime] = {}
        self.unrecorded: defaultdict[str, Unrecorded] = defaultdict(Unrecorded)
        """By channel."""
        self._digest = CatchUpDigest(client, settings, self.renderer)
        self._channels = Channels(client, settings)
        self._offered = Offered(self._channels)
        self.waiting: dict[str, int] = {}
        """Alerts that wait, by channel, as last recorded."""

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
        if not self.settings.notify.channels:
            return report
        make_searchable(self.client, self.names.alerts, required=True)
        catch_up = self._digest.due()
        offered = self._offered.until([each.name for each in self.settings.notify.channels], now)
        faults: list[Exception] = []
        for channel in self.settings.notify.channels:
            run = self._run(channel, now, offered, holds_lease, report)
            try:
                self._deliver_to(channel, run, catch_up)
                if run.complete:
                    until = offered[channel.name]
                    self._offered.note(channel.name, until, min(now, max(until, caught_up or now)))
            except Exception as fault:  # noqa: BLE001 - raised once the others were served
                faults.append(fault)
            if (unwritten := self.unrecorded[channel.name].fault) is not None:
                faults.append(unwritten)
        if faults:
            raise faults[0]
        return report

    def _deliver_to(
        self, channel: ChannelSettings, run: _ChannelRun, catch_up: CatchUp | None
    ) -> None:
        """Deliver what is due to a channel that is not paused; count it where nothing is sent."""
        now = run.now
        try:
            opened = self.channel(channel)
        except TrailhoundError as error:
            if self._broken.get(channel.name) != error.message:
                LOG.error("the channel %s cannot be used: %s", channel.name, error.message)
                self.rate_limiter(channel).note(last_error=error.message, last_error_at=stamp(now))
            self._broken[channel.name] = run.report.broken[channel.name] = error.message
            run.count()
            return
        paused = self._paused_until.get(channel.name, now)
        if now < paused and self.rate_limiter(channel).tested() <= stamp(paused - _PAUSE):
            return
        if catch_up is not None and run.holds_lease():
            refused = self._digest.send(catch_up, channel, opened, alerts_for(channel), now)
            if refused is not None:
                self.rate_limiter(channel).note(
                    last_error=refused.message, last_error_at=stamp(now)
                )
                self._paused_until[channel.name] = now + _PAUSE
                run.count()
                return
        if run.run(opened):
            self._paused_until[channel.name] = now + _PAUSE

    def _run(
        self,
        channel: ChannelSettings,
        now: datetime,
        offered: Mapping[str, datetime],
        holds_lease: Callable[[], bool],
        report: Delivered,
    ) -> _ChannelRun:
        return _ChannelRun(self, channel, now, offered[channel.name], holds_lease, report)

    def rate_limiter(self, channel: ChannelSettings) -> RateLimiter:
        """The rate and status of a channel, shared by all daemons."""
        limit = self.settings.notify.per_minute
        return RateLimiter(self._channels, channel.name, limit)

    def channel(self, channel: ChannelSettings) -> Channel:
        """The channel, opened once. Raises `SettingsError` where its settings are invalid."""
        opened = self._open.get(channel.name)
        if opened is None:
            opened = open_channel(channel, self.settings.aws, self._session)
            self._open[channel.name] = opened
        return opened


class _ChannelRun:
    """One run over the pending alerts of one channel."""

    def __init__(
        self,
        notifier: Notifier,
        channel: ChannelSettings,
        now: datetime,
        offered: datetime,
        holds_lease: Callable[[], bool],
        report: Delivered,
    ) -> None:
        self._client = notifier.client
        self._alerts = notifier.names.alerts
        self._days = notifier.names.days
        self._renderer = notifier.renderer
        self._limits = notifier.settings.notify
        self._most = notifier.most
        self._channel = channel
        self._opened: Channel
        self.now = now
        self._oldest = offered - timedelta(hours=notifier.settings.notify.max_age_hours)
        self.complete = False
        """Whether every alert that is due was found."""
        self.holds_lease = holds_lease
        self.report = report
        self._limiter = notifier.rate_limiter(channel)
        self._deliveries = Deliveries(
            notifier.client, notifier.names.alerts, channel.name, self._limits, now
        )
        self._unrecorded = notifier.unrecorded[channel.name]
        self._waiting = notifier.waiting
        self._rules: dict[str, str] = {}
        self._digest_refused = False
        self._delivery_noted = False
        # Twins are one message in any case.
        one = self._limits.one_message_per
        self._about = (TWIN_KEY,) if one == "alert" else (INCIDENT, TWIN_KEY)
        self._unnamed: list[Due] = []
        """Alerts of a message that has no room for their rules: the next run has another one."""

    def count(self) -> None:
        """Count the alerts that wait for a channel to which nothing can be sent now."""
        found = self._due()
        bundles = self._bundled(found.due)
        ready = sum(len(each.alerts) for each in bundles.send)
        self._note_waiting(ready + len(bundles.learning) + bundles.waiting + found.inactive)

    def run(self, opened: Channel) -> bool:
        """Send what is due through the channel. True if it seems to be down."""
        self._opened = opened
        name = self._channel.name
        self._unrecorded.retry()
        found = self._due()
        inactive, more = found.inactive, found.more
        self.complete = not more
        bundles = self._bundled(found.due)
        inactive += bundles.waiting + self._tell_learning(bundles.learning, more=more)
        if not bundles.send:
            self._note_waiting(inactive)
            return self._digest_refused
        granted = self._limiter.reserve(len(bundles.send), self.now)
        failed_in_a_row, tried, failed, last_error = 0, 0, 0, ""
        for bundle in bundles.send[:granted]:
            if failed_in_a_row == _MAX_CONSECUTIVE_FAILURES or not self.holds_lease():
                break
            tried += 1
            error = self._deliver(bundle)
            failed_in_a_row = failed_in_a_row + 1 if error else 0
            failed += len(bundle.alerts) if error else 0
            last_error = error or last_error
        left = [each for bundle in bundles.send[tried:] for each in bundle.alerts]
        left += self._unnamed
        if granted < len(bundles.send):
            held = [each for bundle in bundles.send[granted:] for each in bundle.alerts]
            self.report.held[name] = len(held)
            if failed_in_a_row < _MAX_CONSECUTIVE_FAILURES and self.holds_lease():
                self._send_digest(held, more=more)
        self._mark_pending(left)
        self._waiting[name] = len(left) + failed + inactive - self.report.given_up[name]
        facts: dict[str, Any] = {"waiting": self._waiting[name]}
        if last_error:
            facts |= {"last_error": last_error, "last_error_at": stamp(self.now)}
        self._limiter.note(**facts)
        return self._digest_refused or failed_in_a_row == _MAX_CONSECUTIVE_FAILURES

    def _note_waiting(self, waiting: int) -> None:
        if self._waiting.get(self._channel.name) != waiting:
            self._limiter.note(waiting=waiting)
            self._waiting[self._channel.name] = waiting

    def _note_delivery(self) -> None:
        """Record that the channel works; once, unless an alert was given up since."""
        if not self._delivery_noted:
            self._limiter.delivered(self.now)
            self._delivery_noted = True

    def _due(self) -> DueAlerts:
        found = due_alerts(
            self._client,
            self._alerts,
            self._channel,
            self._about,
            oldest=self._oldest,
            now=self.now,
            most=self._most,
            tested=self._limiter.tested,
        )
        self._rules = found.rules
        due = [each for each in found.due if not self._unrecorded.has(each.name, each.level)]
        return replace(found, due=due)

    def _bundled(self, due: Sequence[Due]) -> Bundled:
        """The messages to send. Alerts that an earlier message covers are recorded as covered."""
        notified = notified_of(
            self._client,
            self._alerts,
            self._channel.name,
            self._about[0],
            (each.about for each in due),
            self.now,
        )
        made = bundled(due, notified)
        self._record_covered(made.covered)
        return made

    def _record_covered(self, covered: Sequence[tuple[Due, Notified]]) -> None:
        """Record alerts that need no message of their own."""
        self._unrecorded.record(
            {each.name: each.level for each, _ in covered},
            partial(self._deliveries.covered, covered),
        )

    def _per_incident(self, alert: Mapping[str, Any]) -> bool:
        """Whether its messages are about its incident."""
        return self._limits.one_message_per == "incident" and INCIDENT in alert

    def _deliver(self, bundle: Bundle) -> str:
        """Sends one message and records the result. Returns the error, or ""."""
        name = bundle.lead.name
        stored = read_many(self._client, self._alerts, [name]).get(name)
        if stored is None or not is_due(stored.document, self._channel.name):
            return ""
        error: NotifyError | None = None
        key: IncidentKey | None = None
        rules = {marked(stored.document["rule"]["name"], stored.document)}
        try:
            alert = shown(name, stored.document)
            if TWIN_KEY in stored.document:
                keys = {name: stored.document[TWIN_KEY]}
                twins = twins_of(self._client, self._alerts, keys).get(name, ())
                alert["twins"] = [each for each in twins if each["state"] != "closed"]
                rules |= {marked(it["rule"]["name"], stored.document) for it in alert["twins"]}
            alert["origin"] = origin_of(self._client, self._days, alert)
            if INCIDENT in alert:
                key = self._key(alert[INCIDENT])
                alert["incident_key"] = key.id
            if per_incident := self._per_incident(alert):
                of_incident = self._others_of(alert[INCIDENT], bundle)
                alert["of_incident"] = of_incident.part
                alert["explained_by"] = of_incident.explained_by
                alert["closed_before"] = closed_before(self._client, self._alerts, alert[INCIDENT])
                rules |= of_incident.rules
            message = self._renderer.alert(alert, self._channel.format, per_incident=per_incident)
            self._opened.send(message)
        except NotifyError as refused:
            error = refused
        except Exception as fault:
            # Not the error's own text: it may contain a URL.
            at = f" (at {place})" if (place := place_of(fault)) else ""
            error = NotifyError(f"{self._channel.name}: {type(fault).__name__}{at}")
            LOG.debug("an alert was not delivered", exc_info=fault)
        if error is not None:
            fields = {"alert": name, "channel": self._channel.name}
            LOG.warning("an alert was not delivered: %s", error.message, extra={"fields": fields})
            self.report.failed[self._channel.name] += 1
            reason = error.message
            if self._deliveries.failed(name, reason):
                LOG.error("an alert is not retried any more", extra={"fields": fields})
                self.report.given_up[self._channel.name] += 1
                # At once: the alert is not due again, so the next run could not count it.
                self._limiter.gave_up(self.now)
                self._delivery_noted = False
            return reason
        self.report.sent[self._channel.name] += 1
        self._note_delivery()
        level = stored.document["level"]
        told = key._asdict() if key is not None else None
        write = partial(self._deliveries.sent, name, level, rules, told)
        self._unrecorded.record({name: level}, write)
        named = bundle.before.named.union(
            rules, *(it.known_by for it in bundle.alerts if rules & it.known_by)
        )
        sent = Notified(name, level, named=named)
        covered = [each for each in bundle.others if covers(sent, each.level, each.known_by)]
        self._record_covered([(each, sent) for each in covered])
        self._unnamed += [each for each in bundle.others if each not in covered]
        return ""

    def _key(self, incident: str) -> IncidentKey:
        name = self._channel.name
        return incident_key(self._client, self._alerts, name, incident, stamp(self.now))

    def _others_of(self, incident: str, bundle: Bundle) -> OfIncident:
        due = {each.name for each in bundle.others}
        found = others_of(self._client, self._alerts, incident, bundle.lead.name, due)
        if found.part and bundle.before.level is not None:
            found.part["earlier_message"] = bundle.before.by
        return found

    def _mark_pending(self, waiting: Sequence[Due]) -> None:
        """Marks waiting alerts before they exceed `max_age_hours`, which would exclude them."""
        old = self.now - timedelta(hours=self._limits.max_age_hours / 2)
        self._deliveries.pending(
            [each.name for each in waiting if not each.pending and each.last_seen < old]
        )

    def _tell_learning(self, alerts: Sequence[Due], *, more: bool) -> int:
        """Sends the day's digest of alerts that were found while learning. `more`: there are more,
        which were not read. Returns how many wait for the next one."""
        if not alerts:
            return 0
        digest = LearningDigest(self._client, self._alerts, self._renderer, self._limiter)
        rules = {each.name: self._rules[each.name] for each in alerts}
        if self.holds_lease() and digest.due(self.now):
            name = self._channel.name
            if digest.send(alerts, rules, name, self._opened, self.now, more=more):
                return 0
            self._digest_refused = True
        self._mark_pending(alerts)
        return len(alerts)

    def _send_digest(self, held: Sequence[Due], *, more: bool) -> None:
        if not self._limiter.digest_due(self.now):
            return
        name = self._channel.name
        message = self._renderer.digest(
            name,
            f"held-{name}-{int(self.now.timestamp()) // 60}",
            Counter(each.level for each in held),
            self._limits.per_minute,
            more=more,
        )
        try:
            self._opened.send(message)
        except NotifyError as error:
            LOG.warning("the digest of waiting alerts was not delivered: %s", error.message)
        else:
            self._note_delivery()
