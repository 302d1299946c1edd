"""What is known automation at a moment, in a sentence: for `status`, the report and the list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.events.index import EventIndex
from detections.span import moment
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.known_automation import KnownAutomations


@dataclass(frozen=True, slots=True)
class KnownSummary:
    """What is known at a moment, and since when there is history. `needed`: days of history."""

    active: int
    learned: int
    first_event: datetime | None
    needed: int
    enabled: bool
    now: datetime

    @property
    def history_days(self) -> int:
        """Whole days before today from which there are events."""
        if self.first_event is None:
            return 0
        return max(0, (self.now.date() - self.first_event.astimezone(UTC).date()).days)

    def sentence(self) -> str:
        """For people.

        >>> KnownSummary(0, 0, None, 10, True, datetime(2025, 3, 1, tzinfo=UTC)).sentence()
        'no call is known automation: there are no events yet; it takes 10 days of history'
        """
        if self.active:
            calls = "1 entry" if self.active == 1 else f"{self.active:,} entries"
            return f"known automation: {calls} ({self.learned:,} learned); {self.since}"
        if not self.enabled:
            return "no call is known automation: learning is off, and none is set as trusted"
        if self.history_days < self.needed:
            needed = f"it takes {self.needed} days of history"
            return f"no call is known automation: {self.since}; {needed}"
        return (
            f"no call is known automation: {self.since}, and none was counted on {self.needed} "
            "days of late"
        )

    @property
    def since(self) -> str:
        """Since when history counts, in words."""
        if self.first_event is None:
            return "there are no events yet"
        days = "1 day" if self.history_days == 1 else f"{self.history_days:,} days"
        return f"history counts since {self.first_event:%F} ({days})"

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it; times in ISO 8601."""
        return {
            "entries": self.active,
            "learned": self.learned,
            "history_since": self.first_event.isoformat() if self.first_event else None,
            "history_days": self.history_days,
            "days_needed": self.needed,
            "enabled": self.enabled,
        }


def known_summary(client: OpenSearch, settings: Settings, now: datetime) -> KnownSummary:
    """What is known automation now. Raises opensearch-py's exceptions, `ClusterError`."""
    chosen = settings.detections.known_automation
    stored = [each for each in KnownAutomations(client, settings).all() if each.holds(now)]
    learned = [each for each in stored if each.origin == "learned"] if chosen.enabled else []
    by_hand = [each for each in stored if each.origin == "set"]
    by_settings = sum(
        len(each.calls) * len(each.networks)
        for each in chosen.trusted
        if each.until is None or now < each.until
    )
    return KnownSummary(
        len(learned) + len(by_hand) + by_settings,
        len(learned),
        first_event(client, settings),
        chosen.days,
        chosen.enabled,
        now,
    )


def first_event(client: OpenSearch, settings: Settings) -> datetime | None:
    """The time of the first event in the index; None where there is none."""
    index = EventIndex(client, Names(settings.prefix).days)
    body = {"size": 0, "aggs": {"first": {"min": {"field": "@timestamp"}}}}
    found = index.search(body).get("aggregations", {}).get("first", {}).get("value")
    return None if found is None else moment(int(found))
