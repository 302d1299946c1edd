"""The day of an object's name, and the limits that hang on it."""

from __future__ import annotations

from datetime import date

import pytest

from ingest.documents.day_limit import DayLimit, day_of_name
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


@pytest.mark.parametrize(("uri", "limit"), [(CLOUDTRAIL, 62), ("/data/export.json", 4_000)])
def test_the_defaults(uri: str, limit: int) -> None:
    made: set[str] = set()
    refused: set[str] = set()
    check = DayLimit(IngestSettings(), made.__contains__).check
    owner = ObjectProgress(TrailObject(uri, "", 1), lambda _: None)
    for number in range(5_000):
        day = date.fromordinal(700_000 + number).strftime("%Y.%m.%d")
        try:
            check(owner, day)
        except RecordError as error:
            refused.add(error.reason)
        else:
            made.add(day)
    assert len(made) == limit
    assert refused == {"too_many_new_days"}
