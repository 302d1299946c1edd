"""The days of events that came too late, and what is left to do about them."""

from __future__ import annotations

from datetime import UTC, datetime

from trailhound.state.late_events import LateEvents


def test_the_days_are_those_of_the_events() -> None:
    first = datetime(2006, 1, 1, tzinfo=UTC)
    last = datetime(2025, 3, 1, 23, 59, tzinfo=UTC)
    late = LateEvents(events=1, first=first, last=last, added=last)
    assert late.days == ("2006-01-01", "2025-03-01")
    assert "--since 2006-01-01 --until 2025-03-01" in late.sentence()
