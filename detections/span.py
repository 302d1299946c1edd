"""A stretch of time that is asked for, by one of two clocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Clock = Literal["@timestamp", "event.ingested"]
"""When it happened (history), or when Trailhound sent it (schedules: late files are not missed)."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` (included) to `until` (left out), both in UTC with a time zone."""

    since: datetime
    until: datetime
    clock: Clock = "@timestamp"

    def query(self) -> dict[str, Any]:
        """As a clause of the query DSL."""
        limits = {"gte": self.since.isoformat(), "lt": self.until.isoformat()}
        return {"range": {self.clock: limits}}
