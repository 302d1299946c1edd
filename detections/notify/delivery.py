"""Which channels were sent an alert: the part of its document that says so, how it is written, and
the results of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch, OpenSearchException

from detections.alerts.document import Document, stamp
from detections.notify.bundles import FOLDED, GROUNDS, KEY, RULES, SENT, Due, Notified, covers
from trailhound.backoff import Backoff
from trailhound.cluster.versions import revise, revise_many
from trailhound.errors import TrailhoundError
from trailhound.settings import NotifySettings

_BACKOFF = Backoff(first=30.0, longest=3600.0)
"""Seconds between two attempts to send a message."""


def done_for(document: Mapping[str, Any]) -> list[str]:
    """The channels that are sent nothing more about an alert."""
    done: list[str] = document.get("delivery", {}).get("done", [])
    return done


def is_due(document: Document, channel: str) -> bool:
    """Whether an alert still has to be sent: it may have been closed since it was found."""
    ended = document["state"] == "closed" or "merged_into" in document
    return not ended and channel not in done_for(document)


def with_delivery(
    document: Document, channel: str, entry: Mapping[str, Any], *, done: bool
) -> Document:
    """The document with the result of its delivery to a channel; rules and grounds that earlier
    messages about it named stay recorded, and so does the key of its incident."""
    before = document.get("delivery", {})
    log = before.get("log", {}).get(channel, {})
    both = {name: sorted({*log.get(name, []), *entry.get(name, ())}) for name in (RULES, GROUNDS)}
    named = {name: values for name, values in both.items() if values}
    key = {KEY: log[KEY]} if KEY in log else {}
    others = {name for name in before.get("pending", []) if name != channel}
    finished = {*done_for(document)} | ({channel} if done else set())
    delivery = {
        "done": sorted(finished),
        "pending": sorted(others if done else others | {channel}),
        "log": {
            **before.get("log", {}),
            channel: key | dict(entry) | named,
        },
    }
    return document | {"delivery": delivery}


@dataclass(slots=True)
class Delivered:
    """The results of one run, by channel. `sent`, `failed` and `given_up` (failed for longer than
    `give_up_after_hours`) count messages, `held` counts alerts that wait because of the rate limit.
    `broken` is the reason why a channel could not be opened."""

    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)

    def add(self, other: Delivered) -> None:
        """Add the results of another run."""
        for name in ("sent", "failed", "held", "given_up", "broken"):
            getattr(self, name).update(getattr(other, name))


class Unrecorded:
    """What a channel was sent and could not be recorded, as while the index of alerts takes no
    writes: this process does not send it again, and tries to record it in each run."""

    def __init__(self) -> None:
        self._left: list[tuple[Mapping[str, str], Callable[[], None]]] = []
        self.fault: Exception | None = None
        """Why the last record could not be written; None once all are."""

    def record(self, alerts: Mapping[str, str], write: Callable[[], None]) -> None:
        """Write the record of alerts that a message is about, each with its level then."""
        try:
            write()
        except (OpenSearchException, TrailhoundError) as fault:
            self._left.append((alerts, write))
            self.fault = fault

    def retry(self) -> None:
        """Write again what is left."""
        left, self._left, self.fault = self._left, [], None
        for alerts, write in left:
            self.record(alerts, write)

    def has(self, name: str, level: str) -> bool:
        """Whether a message about an alert at this level is among them."""
        return any(alerts.get(name) == level for alerts, _ in self._left)


class Deliveries:
    """The deliveries of one run to one channel. Its methods raise opensearch-py's exceptions."""

    def __init__(
        self,
        client: OpenSearch,
        alerts: str,
        channel: str,
        limits: NotifySettings,
        now: datetime,
    ) -> None:
        """`alerts` is the index, `now` the time of the run."""
        self._client = client
        self._alerts = alerts
        self._channel = channel
        self._limits = limits
        self._now = now

    def sent(
        self,
        name: str,
        level: str,
        message: Notified,
        key: Mapping[str, str] | None = None,
    ) -> None:
        """The channel accepted a message about an alert, which had this level then; one whose level
        rose meanwhile stays due. `key`: of its incident."""
        named: dict[str, Any] = {
            "level": message.level,
            RULES: sorted(message.named),
            GROUNDS: sorted(message.grounds),
            **({KEY: dict(key)} if key else {}),
        }
        revise(self._client, self._alerts, name, lambda it: self._after_sending(it, level, named))

    def failed(self, name: str, reason: str) -> bool:
        """The channel refused a message. True if it has done so for `give_up_after_hours`: it is
        not sent again."""
        after = revise(self._client, self._alerts, name, lambda it: self._after_failing(it, reason))
        return after is not None and self._channel in done_for(after)

    def covered(self, alerts: Iterable[tuple[Due, Notified]]) -> None:
        """Alerts need no message of their own. Those that others keep changing are recorded in the
        next run."""
        by_name = {due.name: (due, notified) for due, notified in alerts}

        def change(name: str, document: Document) -> Document | None:
            due, message = by_name[name]
            if not covers(message, replace(due, level=document["level"])):
                return None  # it rose meanwhile
            entry = {
                "state": FOLDED,
                "at": stamp(self._now),
                "into": message.by,
                "level": message.level,
            }
            return with_delivery(document, self._channel, entry, done=True)

        revise_many(self._client, self._alerts, by_name, change)

    def pending(self, names: Sequence[str]) -> None:
        """Alerts wait for a message of theirs, however old they become."""
        entry = {"state": "pending", "at": stamp(self._now), "attempts": 0}

        def change(_: str, document: Document) -> Document | None:
            if self._channel in done_for(document):
                return None  # sent meanwhile
            return with_delivery(document, self._channel, entry, done=False)

        # Alerts that others keep changing are marked in the next run.
        revise_many(self._client, self._alerts, names, change)

    def _after_sending(self, document: Document, level: str, named: Mapping[str, Any]) -> Document:
        attempts = self._log(document).get("attempts", 0) + 1
        entry = {
            "state": SENT,
            "at": stamp(self._now),
            "attempts": attempts,
            **named,
        }
        return with_delivery(document, self._channel, entry, done=document["level"] == level)

    def _after_failing(self, document: Document, error: str) -> Document:
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
            return with_delivery(document, self._channel, entry | {"state": "failed"}, done=True)
        wait = timedelta(seconds=_BACKOFF.at_most(attempts))
        entry["next_at"] = stamp(self._now + wait)
        return with_delivery(document, self._channel, entry, done=False)

    def _log(self, document: Document) -> dict[str, Any]:
        log = document.get("delivery", {}).get("log", {})
        entry: dict[str, Any] = log.get(self._channel, {})
        return entry
