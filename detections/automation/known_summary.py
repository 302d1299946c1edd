"""A summary of known automation, for `status`, the report and the list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.automation.relation import trusted_by_settings
from detections.events.index import BY_DAY, EventIndex
from detections.span import milliseconds, moment
from trailhound.cluster.templates import Names
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.jobs import Jobs
from trailhound.state.known_automation import KnownAutomations

JOB: Final = "known automation"
"""The name of the scheduled job that learns."""


@dataclass(frozen=True, slots=True)
class EventHistory:
    """The days with events before today: the times of the first and last event, the number of days,
    and how many of them are recent enough to count."""

    first: datetime | None = None
    last: datetime | None = None
    days: int = 0
    recent: int = 0

    def __str__(self) -> str:
        if self.first is None or self.last is None:
            return "there are no events before today yet"
        days = plural(self.days, "day")
        until = f" to {self.last:%F}" if self.last.date() > self.first.date() else ""
        return f"there are events on {days}, {self.first:%F}{until}"


@dataclass(frozen=True, slots=True)
class KnownSummary:
    """The numbers of entries at a moment, and the history. `needed`: the days of history that
    learning takes, in the `within` days before; `ran`: whether learning ever ran; `withheld`: what
    the daemon did not learn, in words."""

    active: int
    learned: int
    history: EventHistory
    needed: int
    within: int
    enabled: bool
    ran: bool
    withheld: str = ""

    def sentence(self) -> str:
        """The summary as a sentence, and what was not learned.

        >>> KnownSummary(0, 0, EventHistory(), 10, 30, True, False).sentence()[:60]
        'no call is known automation: there are no events before toda'
        """
        text = self._known()
        return f"{text}; {self.withheld}" if self.withheld else text

    def _known(self) -> str:
        if self.active:
            calls = plural(self.active, "entry", "entries")
            return f"known automation: {calls} ({self.learned:,} learned); {self.history}"
        if not self.enabled:
            return "no call is known automation: learning is off, and none is set as trusted"
        if self.history.recent < self.needed:
            old = "" if self.history.recent == self.history.days else f", {self.history.recent} now"
            return (
                f"no call is known automation: {self.history}; it takes {self.needed} in the "
                f"{self.within} days before{old}"
            )
        if not self.ran:
            return (
                f"no call is known automation: {self.history}, and nothing has been learned yet: "
                "run the daemon or `trailhound automation learn`"
            )
        return (
            f"no call is known automation: {self.history}, and none was counted on {self.needed} "
            f"of the last {self.within}"
        )

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it; times in ISO 8601."""
        first, last = self.history.first, self.history.last
        return {
            "entries": self.active,
            "learned": self.learned,
            "history_since": first.isoformat() if first else None,
            "history_until": last.isoformat() if last else None,
            "history_days": self.history.days,
            "history_days_that_count": self.history.recent,
            "days_needed": self.needed,
            "enabled": self.enabled,
            "ever_learned": self.ran,
            "not_learned": self.withheld,
        }


def known_summary(client: OpenSearch, settings: Settings, now: datetime) -> KnownSummary:
    """The summary at a moment. Raises opensearch-py's exceptions, `ClusterError`."""
    chosen = settings.detections.known_automation
    every = KnownAutomations(client, settings).all()
    stored = [each for each in every if each.holds(now)]
    learned = [each for each in stored if each.origin == "learned"] if chosen.enabled else []
    by_hand = [each for each in stored if each.origin == "set"]
    by_settings = sum(
        each.until is None or now < each.until for each in trusted_by_settings(chosen)
    )
    job = Jobs(client, settings).get(JOB)
    return KnownSummary(
        len(learned) + len(by_hand) + by_settings,
        len(learned),
        history_before(client, settings, now),
        chosen.days,
        chosen.within_days,
        chosen.enabled,
        any(each.origin == "learned" for each in every) or bool(job.last_success),
        job.note if chosen.enabled else "",
    )


def history_before(client: OpenSearch, settings: Settings, now: datetime) -> EventHistory:
    """The days with events before the UTC day of a moment."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = EventIndex(client, Names(settings.prefix).days).search(
        {
            "query": {"range": {"@timestamp": {"lt": today.isoformat()}}},
            "aggs": {
                "first": {"min": {"field": "@timestamp"}},
                "last": {"max": {"field": "@timestamp"}},
                "days": BY_DAY,
            },
        }
    )
    made = found.get("aggregations") or {}
    first, last = (made.get(name, {}).get("value") for name in ("first", "last"))
    if first is None or last is None:
        return EventHistory()
    days = [int(each["key"]) for each in made["days"]["buckets"]]
    begin = milliseconds(today - timedelta(days=settings.detections.known_automation.within_days))
    recent = sum(1 for each in days if each >= begin)
    return EventHistory(moment(int(first)), moment(int(last)), len(days), recent)
