"""One run over the alerts that are due for one channel.

Deliveries are recorded in the alert's document after the channel accepted the message: a daemon
that stops in between sends it again, under the same key. One that cannot record it goes on, does
not send it again, and fails at the end of the run. A failed message is retried with
back-off. After three consecutive failures the channel seems to be down. Alerts over the rate limit
wait, and one digest a minute gives their number.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from opensearchpy import OpenSearch

from detections.alerts.document import stamp
from detections.alerts.twins import TWIN_KEY
from detections.incidents.document import INCIDENT
from detections.notify.bundles import (
    Bundle,
    Bundled,
    Due,
    Notified,
    bundled,
    covers,
    notified_of,
)
from detections.notify.content import Content, Contents
from detections.notify.delivery import Delivered, Deliveries, Unrecorded, is_due
from detections.notify.due_alerts import DueAlerts, due_alerts
from detections.notify.learning_digest import LearningDigest
from detections.notify.message import Channel
from detections.notify.rate_limiter import RateLimiter
from detections.notify.renderer import MessageRenderer
from detections.rule import LEVELS, Level
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import read_many
from trailhound.errors import NotifyError
from trailhound.internal_errors import place_of
from trailhound.settings import ChannelSettings, Settings

LOG = logging.getLogger("trailhound.notify")

_MAX_CONSECUTIVE_FAILURES: Final = 3
_NOTED_EVERY: Final = 5.0
"""Seconds between two records of how many alerts wait, while they are sent."""


@dataclass(slots=True)
class ChannelRuntime:
    """What this process keeps of a channel from one run to the next."""

    opened: Channel | None = None
    broken: str = ""
    """Why it cannot be used."""
    paused_until: datetime | None = None
    unrecorded: Unrecorded = field(default_factory=Unrecorded)
    waiting: int | None = None
    """Alerts that wait, as last recorded."""


class ChannelRun:
    """One run over the pending alerts of one channel."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        renderer: MessageRenderer,
        channel: ChannelSettings,
        limiter: RateLimiter,
        runtime: ChannelRuntime,
        *,
        now: datetime,
        offered: datetime,
        most: int,
        holds_lease: Callable[[], bool],
    ) -> None:
        """`offered`: the time up to which the channel was offered all alerts. `most`: due alerts
        that are read. `holds_lease` is called before each message."""
        names = Names(settings.prefix)
        self._client = client
        self._alerts = names.alerts
        self._renderer = renderer
        self._limits = settings.notify
        self._most = most
        self._channel = channel
        self._opened: Channel
        self._report: Delivered
        self.now = now
        self._oldest = offered - timedelta(hours=settings.notify.max_age_hours)
        self.found_all = False
        """Whether every alert that is due was found."""
        self.holds_lease = holds_lease
        self._limiter = limiter
        self._deliveries = Deliveries(client, names.alerts, channel.name, self._limits, now)
        self._runtime = runtime
        self._rules: dict[str, str] = {}
        self._bundles = Bundled()
        self._inactive = 0
        self._noted_at = 0.0
        self._digest_refused = False
        self._delivery_noted = False
        per_incident = self._limits.one_message_per == "incident"
        self._contents = Contents(client, names, channel.name, now, per_incident=per_incident)
        # Twins are one message in any case.
        self._about = (INCIDENT, TWIN_KEY) if per_incident else (TWIN_KEY,)
        self._unnamed: list[Due] = []
        """Alerts of a message that has no room for their rules: the next run has another one."""

    def prepare(self) -> None:
        """Find what is due, and which messages that makes."""
        self._runtime.unrecorded.retry()
        found = self._due()
        self.found_all = not found.more
        self._bundles = self._bundled(found.due)
        self._inactive = found.inactive + self._bundles.waiting

    def count(self) -> None:
        """Record how many alerts wait for a channel to which nothing can be sent now."""
        self._note_waiting(self._ready + len(self._bundles.learning) + self._inactive)

    @property
    def _ready(self) -> int:
        return sum(len(each.alerts) for each in self._bundles.send)

    def send(self, opened: Channel, report: Delivered, ends: Callable[[], bool]) -> bool:
        """Send what is due through the channel. True if it seems to be down. `ends`: whether it
        has to end early; the next run sends what is left."""
        self._opened, self._report = opened, report
        name, bundles, more = self._channel.name, self._bundles, not self.found_all
        inactive = self._inactive + self._tell_learning(bundles.learning, more=more)
        if not bundles.send:
            self._note_waiting(inactive)
            return self._digest_refused
        self._note_waiting(self._ready + inactive)
        granted = self._limiter.reserve(len(bundles.send), self.now)
        failed_in_a_row, tried, failed, done = 0, 0, 0, 0
        for bundle in bundles.send[:granted]:
            if failed_in_a_row == _MAX_CONSECUTIVE_FAILURES or not self.holds_lease() or ends():
                break
            tried += 1
            error = self._deliver(bundle)
            if error:
                failed_in_a_row += 1
                failed += len(bundle.alerts)
                self._limiter.note(last_error=error, last_error_at=stamp(self.now))
            else:
                failed_in_a_row = 0
                done += len(bundle.alerts)
                self._note_waiting(self._ready + inactive - done, at_most_every=_NOTED_EVERY)
        self._limiter.release(granted - tried, self.now)
        left = [each for bundle in bundles.send[tried:] for each in bundle.alerts]
        left += self._unnamed
        if granted < len(bundles.send):
            held = [each for bundle in bundles.send[granted:] for each in bundle.alerts]
            self._report.held[name] = len(held)
            if tried == granted and failed_in_a_row < _MAX_CONSECUTIVE_FAILURES:
                self._send_digest(held, more=more)
        self._mark_pending(left)
        self._note_waiting(len(left) + failed + inactive - self._report.given_up[name])
        return self._digest_refused or failed_in_a_row == _MAX_CONSECUTIVE_FAILURES

    def _note_waiting(self, waiting: int, at_most_every: float = 0.0) -> None:
        """Record for `status` how many alerts wait, if that has changed."""
        now = time.monotonic()
        changed = self._runtime.waiting != waiting
        if changed and now - self._noted_at >= at_most_every:
            self._limiter.note(waiting=waiting)
            self._runtime.waiting, self._noted_at = waiting, now

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
        due = [
            each for each in found.due if not self._runtime.unrecorded.has(each.name, each.level)
        ]
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
        self._runtime.unrecorded.record(
            {each.name: each.level for each, _ in covered},
            partial(self._deliveries.covered, covered),
        )

    def _deliver(self, bundle: Bundle) -> str:
        """Sends one message and records the result. Returns the error, or ""."""
        name = bundle.lead.name
        stored = read_many(self._client, self._alerts, [name]).get(name)
        if stored is None or not is_due(stored.document, self._channel.name):
            return ""
        try:
            content = self._contents.of(bundle, stored.document)
            message = self._renderer.alert(
                content.alert, self._channel.format, per_incident=content.per_incident
            )
            self._opened.send(message)
        except NotifyError as refused:
            error = refused.message
        except Exception as fault:
            # Not the error's own text: it may contain a URL.
            at = f" (at {place})" if (place := place_of(fault)) else ""
            error = f"{self._channel.name}: {type(fault).__name__}{at}"
            LOG.debug("an alert was not delivered", exc_info=fault)
        else:
            self._sent(bundle, stored.document["level"], content)
            return ""
        self._failed(name, error)
        return error

    def _failed(self, name: str, reason: str) -> None:
        fields = {"alert": name, "channel": self._channel.name}
        LOG.warning("an alert was not delivered: %s", reason, extra={"fields": fields})
        self._report.failed[self._channel.name] += 1
        if self._deliveries.failed(name, reason):
            LOG.error("an alert is not retried any more", extra={"fields": fields})
            self._report.given_up[self._channel.name] += 1
            # At once: the alert is not due again, so the next run could not count it.
            self._limiter.gave_up(self.now)
            self._delivery_noted = False

    def _sent(self, bundle: Bundle, level: Level, content: Content) -> None:
        name, rules = bundle.lead.name, content.rules
        self._report.sent[self._channel.name] += 1
        self._note_delivery()
        key = content.key._asdict() if content.key is not None else None
        told = max(level, bundle.lead.told_at, key=LEVELS.index)
        grounds = bundle.lead.grounds
        message = Notified(name, told, named=rules, grounds=grounds)
        write = partial(self._deliveries.sent, name, level, message, key)
        self._runtime.unrecorded.record({name: level}, write)
        named = bundle.before.named.union(
            rules, *(it.known_by for it in bundle.alerts if rules & it.known_by)
        )
        grounds |= bundle.before.grounds
        sent = Notified(name, told, named=named, grounds=grounds)
        covered = [each for each in bundle.others if covers(sent, each)]
        self._record_covered([(each, sent) for each in covered])
        self._unnamed += [each for each in bundle.others if each not in covered]

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
        if not (self.holds_lease() and self._limiter.digest_due(self.now)):
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
