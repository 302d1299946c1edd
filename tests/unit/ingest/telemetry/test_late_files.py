"""Which files come too late for the scheduled rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.telemetry.late_files import LateFiles
from tests.helpers.installation import key_of

NOW = datetime(2026, 3, 4, 9, tzinfo=UTC)
LATE = timedelta(hours=24)


@pytest.mark.parametrize(
    ("hours", "counted"), [(0.1, False), (23.5, False), (23.9, True), (70, True)]
)
def test_the_time_in_the_name_counts(hours: float, counted: bool) -> None:
    files = LateFiles()
    delivered = NOW - timedelta(hours=hours)
    # A copy of the file was put there now.
    files.add(key_of(delivered, "x"), NOW.timestamp(), 5, LATE, NOW)
    assert (files.take() is not None) is counted
    assert files.take() is None


def test_without_a_time_in_the_name_that_of_the_delivery_counts() -> None:
    files = LateFiles()
    old = NOW - timedelta(days=2)
    files.add("export.json", 0.0, 5, LATE, NOW)
    files.add("export.json", old.timestamp(), 0, LATE, NOW)
    assert files.take() is None
    files.add("export.json", old.timestamp(), 5, LATE, NOW)
    files.add("1_CloudTrail_20269999T9999Z.json", old.timestamp(), 2, LATE, NOW)
    files.add(key_of(NOW - timedelta(days=3), "x"), NOW.timestamp(), 1, LATE, NOW)
    late = files.take()
    assert late is not None
    assert (late.events, late.first, late.last) == (8, NOW - timedelta(days=3), old)
    assert late.days == ("2026-03-01", "2026-03-02")
