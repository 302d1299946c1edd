"""The part of an alert's document that says which channels were sent it, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import Document, stamp
from detections.notify.bundles import FOLDED, RULES, SENT, Due, Notified, covers
from trailhound.backoff import Backoff
from trailhound.cluster.versions import Write, read_many, revise, write_many
from trailhound.settings import NotifySettings

_BACKOFF = Backoff(first=30.0, longest=3600.0)
"""Seconds between two attempts to send a message."""


def done_for(document: Mapping[str, Any]) -> list[str]:
    """The channels that are sent nothing more about an alert."""
    done: list[str] = document.get("delivery", {}).get("done", [])
    return done


def with_delivery(
    document: Document, channel: str, entry: Mapping[str, Any], *, done: bool
) -> Document:
    """The document with the result of its delivery to a channel; rules that earlier messages about
    it named stay recorded."""
    before = document.get("delivery", {})
    rules = before.get("log", {}).get(channel, {}).get(RULES, [])
    named = {RULES: sorted({*rules, *entry.get(RULES, ())})}
    others = {name for name in before.get("pending", []) if name != channel}
    finished = {*done_for(document)} | ({channel} if done else set())
    delivery = {
        "done": sorted(finished),
        "pending": sorted(others if done else others | {channel}),
        "log": {
            **before.get("log", {}),
            channel: dict(entry) | (named if named[RULES] else {}),
        },
    }
    return document | {"delivery": delivery}


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

    def sent(self, name: str, level: str, rules: Iterable[str]) -> None:
        """The channel accepted a message about an alert, which had this level then, and named these
        rules; one whose level rose meanwhile stays due."""
        named = sorted(set(rules))
        revise(self._client, self._alerts, name, lambda it: self._after_sending(it, level, named))

    def failed(self, name: str, reason: str) -> bool:
        """The channel refused a message. True if it has done so for `give_up_after_hours`: it is
        not sent again."""
        after = revise(self._client, self._alerts, name, lambda it: self._after_failing(it, reason))
        return after is not None and self._channel in done_for(after)

    def covered(self, alerts: Iterable[tuple[Due, Notified]]) -> None:
        """Alerts need no message of their own. Those that were changed meanwhile are recorded in
        the next run."""
        by_name = {due.name: (due, notified) for due, notified in alerts}
        stored = read_many(self._client, self._alerts, by_name)
        writes = {}
        for name, each in stored.items():
            due, message = by_name[name]
            if not covers(message, each.document["level"], due.known_by):
                continue  # it rose meanwhile
            entry = {
                "state": FOLDED,
                "at": stamp(self._now),
                "into": message.by,
                "level": message.level,
            }
            writes[name] = Write(
                with_delivery(each.document, self._channel, entry, done=True), each
            )
        write_many(self._client, self._alerts, writes)

    def pending(self, names: Sequence[str]) -> None:
        """Alerts wait for a message of theirs, however old they become."""
        entry = {"state": "pending", "at": stamp(self._now), "attempts": 0}
        stored = read_many(self._client, self._alerts, names)
        writes = {
            name: Write(with_delivery(each.document, self._channel, entry, done=False), each)
            for name, each in stored.items()
        }
        # Alerts that were changed meanwhile are marked in the next run.
        write_many(self._client, self._alerts, writes)

    def _after_sending(self, document: Document, level: str, rules: Sequence[str]) -> Document:
        attempts = self._log(document).get("attempts", 0) + 1
        entry = {
            "state": SENT,
            "at": stamp(self._now),
            "attempts": attempts,
            "level": level,
            RULES: list(rules),
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
