"""Events that came too late, by the times that the names of their files say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trailhound.state.late_events import LateEvents

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "since"),
    [
        (NOON, "2025-03-01"),
        (NOON.replace(hour=0, minute=59), "2025-02-28"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01"),
        (datetime(1, 1, 2, tzinfo=UTC), "0001-01-01"),
    ],
)
def test_any_time_that_a_file_is_named_after_has_its_days(first: datetime, since: str) -> None:
    late = LateEvents(events=1, first=first, last=NOON, added=NOON)
    assert late.days == (since, "2025-03-01")
    assert f"--since {since} --until 2025-03-01" in late.sentence()
