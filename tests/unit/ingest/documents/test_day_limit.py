"""The day of an object's name, and the limits that hang on it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ingest.documents.day_limit import KEPT_DAYS, NEAR_DAYS, DayLimit, day_of_name
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from trailhound.errors import RecordError
from trailhound.settings.ingest import IngestSettings

CLOUDTRAIL = (
    "s3://b/AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/02/"
    "111122223333_CloudTrail_eu-west-1_20250302T0005Z_abcdefgh.json.gz"
)


@pytest.mark.parametrize(
    ("uri", "day"),
    [
        (CLOUDTRAIL, date(2025, 3, 2)),
        ("/data/2025/03/01/events.json", date(2025, 3, 1)),
        ("/data/events-2025-03-01.json", date(2025, 3, 1)),
        ("/data/events_2025_03_01.json", date(2025, 3, 1)),
        ("/data/20250301T0000Z.json", date(2025, 3, 1)),
        ("/data/year=2025/events-1-2025-03-01-10-00-00-5", date(2025, 3, 1)),
        ("/2024/01/01/export-2025.03.01.json", date(2025, 3, 1)),
        ("/data/2025-02-31.json", None),
        ("/data/2025-03/events.json", None),
        ("/data/120250301.json", None),
        ("/data/export.json", None),
    ],
)
def test_the_day_of_a_name(uri: str, day: date | None) -> None:
    assert day_of_name(uri) == day


TODAY = date(2025, 3, 10)


class Tried:
    """Days that objects tried to make, by whether they may; `room` is the number that there is."""

    def __init__(self, room: int = 10_000, *, selected: bool = False) -> None:
        self.made: set[str] = set()
        self.refused: set[str] = set()
        self.reasons: set[str] = set()
        self._limit = DayLimit(
            IngestSettings(),
            self.made.__contains__,
            lambda days: room - len(self.made) >= days,
            selected=selected,
            today=lambda: TODAY,
        )

    def days(self, uri: str, since: date, number: int) -> Tried:
        owner = ObjectProgress(TrailObject(uri, "", 1), lambda _: None)
        for place in range(number):
            day = (since + timedelta(days=place)).strftime("%Y.%m.%d")
            try:
                self._limit.check(owner, day)
            except RecordError as error:
                self.refused.add(day)
                self.reasons.add(f"{error.reason}: {error.message}")
            else:
                self.made.add(day)
        return self


@pytest.mark.parametrize(("uri", "limit"), [(CLOUDTRAIL, 62), ("/data/export.json", 4_000)])
def test_the_defaults(uri: str, limit: int) -> None:
    tried = Tried().days(uri, TODAY - timedelta(days=5_100), 5_000)
    assert len(tried.made) == limit
    assert all(each.startswith("too_many_new_days: ") for each in tried.reasons)


def test_no_delivered_event_makes_a_day_that_is_yet_to_come_whatever_its_object_is_called() -> None:
    for uri in (CLOUDTRAIL, "/data/2031/05/05/a.json", "/data/export.json"):
        tried = Tried().days(uri, date(2031, 5, 1), 10)
        assert not tried.made
        assert all("is yet to come" in each for each in tried.reasons)
    assert not Tried(selected=True).days("/data/export.json", date(2031, 5, 1), 10).refused
    # A clock may be wrong.
    assert not Tried().days("/data/export.json", TODAY, NEAR_DAYS + 1).refused


def test_the_last_room_is_for_the_days_around_today() -> None:
    """Objects with any days in their names, as someone makes them who can write to the bucket."""
    tried = Tried(room=300)
    for number in range(1_000):
        day = date(2019, 1, 1) + timedelta(days=number)
        tried.days(f"/data/{day:%Y/%m/%d}/a.json", day, 1)
    assert len(tried.made) == 300 - KEPT_DAYS
    assert all("kept for those around today" in each for each in tried.reasons)
    left = len(tried.refused)
    tried.days("/data/2025/03/10/a.json", TODAY - timedelta(days=NEAR_DAYS), KEPT_DAYS)
    assert len(tried.refused) == left


def test_a_backfill_of_years_may_use_all_room_for_the_days_of_its_objects() -> None:
    tried = Tried(room=100, selected=True)
    for number in range(100):
        day = date(2019, 1, 1) + timedelta(days=number)
        tried.days(f"/data/{day:%Y/%m/%d}/a.json", day, 1)
    assert len(tried.made) == 100
    assert not tried.refused
    # Not for days that an object only claims.
    tried = Tried(room=100, selected=True).days(CLOUDTRAIL, date(2019, 1, 1), 100)
    assert len(tried.made) == 100 - KEPT_DAYS
