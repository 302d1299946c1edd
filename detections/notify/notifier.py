"""Alerts that nobody was told of yet are told of, channel by channel.

What a channel has, stands in the alert's document, and is written after the message was taken: who
dies in between sends it again, under the same key. A message that fails is tried again later and
later; after three in a row its channel rests, so that one that is down holds up neither the others
nor the detections. What is over the rate waits, and one message a minute says how many do.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import Document, shown, stamp
from detections.alerts.paging import every
from detections.alerts.store import levels_from
from detections.notify.catch_up_digest import CatchUpDigest
from detections.notify.channel import Channel, Session, open_channel
from detections.notify.rate_limiter import RateLimiter
from detections.notify.renderer import MessageRenderer
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import Write, read_many, revise, write_many
from trailhound.errors import NotifyError, TrailhoundError
from trailhound.settings import ChannelSettings, Settings
from trailhound.state.channels import Channels

LOG = logging.getLogger("trailhound.notify")

LOOKED_AT = 5_000
"""So many waiting alerts of a channel are looked at in one sweep, the gravest first."""
_IN_A_ROW = 3
_REST = timedelta(minutes=1)
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(slots=True)
class Delivered:
    """What one sweep did, by channel. `held` are over the rate and wait; `given_up` were tried
    too long; `broken` is why a channel could not even be opened."""

    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Due:
    """An alert that a channel wants."""

    name: str
    level: str
    last_seen: datetime
    enrolled: bool


class Notifier:
    """Delivers what is due. `session` makes AWS sessions from settings, for SNS."""

    def __init__(self, client: OpenSearch, settings: Settings, session: Session) -> None:
        self.client = client
        self.settings = settings
        self.names = Names(settings.prefix)
        self._session = session
        self.wording = MessageRenderer(settings.notify.templates)
        self._open: dict[str, Channel] = {}
        self._broken: dict[str, str] = {}
        self._rests: dict[str, datetime] = {}
        self._digest = CatchUpDigest(client, settings, self.wording)
        self._channels = Channels(client, settings)
        self.waiting: dict[str, int] = {}
        """By channel, as it was last written down."""

    def deliver(self, now: datetime, holds_lease: Callable[[], bool] = lambda: True) -> Delivered:
        """One sweep over all channels; one that fails does not hold the others up.

        `holds_lease` is asked before each message. Raises opensearch-py's exceptions.
        """
        report = Delivered()
        if not self.settings.notify.channels:
            return report
        self.client.indices.refresh(index=self.names.alerts)
        repair = self._digest.due()
        for channel in self.settings.notify.channels:
            try:
                opened = self.channel(channel)
            except TrailhoundError as error:
                if self._broken.get(channel.name) != error.message:
                    LOG.error("the channel %s cannot be used: %s", channel.name, error.message)
                    self.pace(channel).note(last_error=error.message, last_error_at=stamp(now))
                self._broken[channel.name] = report.broken[channel.name] = error.message
                continue
            if now < self._rests.get(channel.name, now):
                continue
            if repair is not None and holds_lease():
                wanted = wanted_by(channel)
                refused = self._digest.send(repair, channel, opened, wanted, now)
                if refused is not None:
                    self.pace(channel).note(last_error=refused.message, last_error_at=stamp(now))
                    self._rests[channel.name] = now + _REST
                    continue
            if _Sweep(self, channel, opened, now, holds_lease, report).run():
                self._rests[channel.name] = now + _REST
        return report

    def pace(self, channel: ChannelSettings) -> RateLimiter:
        """What is counted and noted of a channel where all daemons see it."""
        limit = self.settings.notify.per_minute
        return RateLimiter(self._channels, channel.name, limit)

    def channel(self, channel: ChannelSettings) -> Channel:
        """The channel, opened once. Raises `SettingsError` where it can't work."""
        opened = self._open.get(channel.name)
        if opened is None:
            opened = open_channel(channel, self.settings.aws, self._session)
            self._open[channel.name] = opened
        return opened


class _Sweep:
    """One channel's part of one sweep."""

    def __init__(
        self,
        notifier: Notifier,
        channel: ChannelSettings,
        opened: Channel,
        now: datetime,
        holds_lease: Callable[[], bool],
        report: Delivered,
    ) -> None:
        self._client = notifier.client
        self._alerts = notifier.names.alerts
        self._wording = notifier.wording
        self._limits = notifier.settings.notify
        self._channel = channel
        self._opened = opened
        self._now = now
        self._still_ours = holds_lease
        self._report = report
        self._pace = notifier.pace(channel)
        self._noted = notifier.waiting

    def run(self) -> bool:
        """Deliver; whether the channel seems to be down."""
        name = self._channel.name
        due, inactive, more = self._due()
        if not due:
            if self._noted.get(name) != inactive:
                self._pace.note(waiting=inactive)
                self._noted[name] = inactive
            return False
        granted = self._pace.take(len(due), self._now)
        in_a_row, tried, failed, last_error = 0, 0, 0, ""
        for each in due[:granted]:
            if in_a_row == _IN_A_ROW or not self._still_ours():
                break
            tried += 1
            error = self._tell(each.name)
            in_a_row = in_a_row + 1 if error else 0
            failed += bool(error)
            last_error = error or last_error
        if granted < len(due):
            held = due[granted:]
            self._report.held[name] = len(held)
            if in_a_row < _IN_A_ROW and self._still_ours():
                self._say_how_many(held, more=more)
        self._enrol(due[tried:])
        self._noted[name] = len(due) - tried + failed + inactive - self._report.given_up[name]
        facts: dict[str, Any] = {"waiting": self._noted[name]}
        if self._report.sent[name]:
            facts |= {"last_delivery": stamp(self._now)}
        if last_error:
            facts |= {"last_error": last_error, "last_error_at": stamp(self._now)}
        self._pace.note(**facts)
        return in_a_row == _IN_A_ROW

    def _due(self) -> tuple[list[_Due], int, bool]:
        """What the channel wants and hasn't, the gravest first; how many more wait for a time to
        be tried again; whether there is even more."""
        name, oldest = self._channel.name, self._now - timedelta(hours=self._limits.max_age_hours)
        asked: list[dict[str, Any]] = [
            *wanted_by(self._channel),
            _any(
                {"range": {"last_seen": {"gte": stamp(oldest)}}},
                {"term": {"delivery.pending": name}},
            ),
        ]
        found = every(
            self._client,
            self._alerts,
            asked,
            but=[
                {"term": {"delivery.done": name}},
                {"term": {"state": "closed"}},
                {"exists": {"field": "merged_into"}},
                {"exists": {"field": "catch_up"}},  # in the digest of a repair
            ],
            fields=("level", "last_seen", "delivery"),
            sort=[{"severity": "desc"}, {"@timestamp": "asc"}],
            limit=LOOKED_AT,
        )
        due, looked_at = [], 0
        for alert, document in found:
            looked_at += 1
            log = document.get("delivery", {}).get("log", {}).get(name, {})
            if not log.get("next_at") or datetime.fromisoformat(log["next_at"]) <= self._now:
                last_seen = datetime.fromisoformat(document["last_seen"])
                due.append(_Due(alert, document["level"], last_seen, bool(log)))
        return due, looked_at - len(due), looked_at == LOOKED_AT

    def _tell(self, name: str) -> str:
        """Send one alert and write down what became of it; the error, or ""."""
        stored = read_many(self._client, self._alerts, [name]).get(name)
        if stored is None or self._channel.name in _done(stored.document):
            return ""
        error: NotifyError | None = None
        try:
            message = self._wording.alert(shown(name, stored.document), self._channel.format)
            self._opened.send(message)
        except NotifyError as refused:
            error = refused
        except Exception as fault:  # noqa: BLE001 - one message's fault is not the others'
            # Not its own words: they may hold an address.
            error = NotifyError(f"{self._channel.name}: {type(fault).__name__}")
        if error is not None:
            fields = {"alert": name, "channel": self._channel.name}
            LOG.warning("an alert was not delivered: %s", error.message, extra={"fields": fields})
            self._report.failed[self._channel.name] += 1
            said = error.message
            after = revise(self._client, self._alerts, name, lambda it: self._failed(it, said))
            if after is not None and self._channel.name in _done(after):
                LOG.error("an alert is given up on", extra={"fields": fields})
                self._report.given_up[self._channel.name] += 1
            return said
        self._report.sent[self._channel.name] += 1
        revise(self._client, self._alerts, name, self._sent)
        return ""

    def _sent(self, document: Document) -> Document:
        attempts = self._log(document).get("attempts", 0) + 1
        entry = {"state": "sent", "at": stamp(self._now), "attempts": attempts}
        return _with(document, self._channel.name, entry, done=True)

    def _failed(self, document: Document, error: str) -> Document:
        log = self._log(document)
        attempts = log.get("attempts", 0) + 1
        first = log.get("first_at") or stamp(self._now)
        entry = {
            "state": "pending",
            "at": stamp(self._now),
            "attempts": attempts,
            "first_at": first,
            "error": error,
        }
        tried = self._now - datetime.fromisoformat(first)
        if tried >= timedelta(hours=self._limits.give_up_after_hours):
            return _with(document, self._channel.name, entry | {"state": "failed"}, done=True)
        wait = min(_FIRST_WAIT * 2 ** min(attempts - 1, 10), _LONGEST_WAIT)
        entry["next_at"] = stamp(self._now + wait)
        return _with(document, self._channel.name, entry, done=False)

    def _log(self, document: Document) -> dict[str, Any]:
        log = document.get("delivery", {}).get("log", {})
        entry: dict[str, Any] = log.get(self._channel.name, {})
        return entry

    def _enrol(self, waiting: Sequence[_Due]) -> None:
        """Mark what waits, before it is so old that it would be taken for history."""
        old = self._now - timedelta(hours=self._limits.max_age_hours / 2)
        names = [each.name for each in waiting if not each.enrolled and each.last_seen < old]
        entry = {"state": "pending", "at": stamp(self._now), "attempts": 0}
        stored = read_many(self._client, self._alerts, names)
        writes = {
            name: Write(_with(each.document, self._channel.name, entry, done=False), each)
            for name, each in stored.items()
        }
        write_many(self._client, self._alerts, writes)  # who was overtaken is marked next time

    def _say_how_many(self, held: Sequence[_Due], *, more: bool) -> None:
        if not self._pace.digest_due(self._now):
            return
        name = self._channel.name
        message = self._wording.digest(
            name,
            f"held-{name}-{int(self._now.timestamp()) // 60}",
            Counter(each.level for each in held),
            self._limits.per_minute,
            more=more,
        )
        try:
            self._opened.send(message)
        except NotifyError as error:
            LOG.warning("how many alerts wait could not be said: %s", error.message)


def wanted_by(channel: ChannelSettings) -> list[dict[str, Any]]:
    """Clauses that find the alerts that a channel is for, by level and tactic."""
    asked: list[dict[str, Any]] = [{"terms": {"level": list(levels_from(channel.level))}}]
    if channel.tactics:
        # Sigma wrote tags with an underscore before it wrote them with a hyphen.
        tactics = {t for each in channel.tactics for t in (each, each.replace("-", "_"))}
        asked.append({"terms": {"attack.tactic": sorted(tactics)}})
    return asked


def _done(document: Mapping[str, Any]) -> list[str]:
    done: list[str] = document.get("delivery", {}).get("done", [])
    return done


def _with(document: Document, channel: str, entry: Mapping[str, Any], *, done: bool) -> Document:
    """The document with what became of its message to a channel."""
    before = document.get("delivery", {})
    others = {name for name in before.get("pending", []) if name != channel}
    finished = {*_done(document)} | ({channel} if done else set())
    delivery = {
        "done": sorted(finished),
        "pending": sorted(others if done else others | {channel}),
        "log": {**before.get("log", {}), channel: dict(entry)},
    }
    return document | {"delivery": delivery}


def _any(*clauses: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}
