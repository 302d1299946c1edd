"""How many daily indices one object may make.

Every new day costs the cluster an index permanently, and an event's time is under its writer's
control: a file of 340 KB with events of 1,500 days would make 1,500 indices. What a trail delivers
is of the last days; events of many others are an export, which has no day in its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from ingest.object_progress import ObjectProgress
from ingest.sources.layout import place_of
from trailhound.errors import RecordError
from trailhound.settings.ingest import IngestSettings

TOO_MANY_NEW_DAYS = "too_many_new_days"
"""The dead-letter code of an event that would make one day too many."""

NEAR_DAYS = 31
"""Days before and after an object's own that are never counted: late deliveries, clocks."""

_DAY = re.compile(r"(?<!\d)(20\d\d)([-/_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


class DayLimit:
    """Counts the days that each object creates. `exists(day)`: whether the index exists."""

    def __init__(self, settings: IngestSettings, exists: Callable[[str], bool]) -> None:
        self._of_object = settings.new_days_per_object
        self._of_export = settings.new_days_per_export
        self._exists = exists
        self.refused: set[str] = set()
        """Days without an index that were too many."""

    def check(self, owner: ObjectProgress, day: str) -> None:
        """Count `day` (`YYYY.MM.DD`) if it is new. Raises `RecordError` where it is too many."""
        if self._exists(day):
            return
        own = day_of_name(owner.item.uri)
        if own is not None and abs(_number(day) - own.toordinal()) <= NEAR_DAYS:
            return
        limit = self._of_export if own is None else self._of_object
        if owner.new_days >= limit:
            setting = "new_days_per_export" if own is None else "new_days_per_object"
            self.refused.add(day)
            far = "" if own is None else f" farther than {NEAR_DAYS} days from {own}"
            raise RecordError(
                f"its day {day} has no index, and its object has made {limit:,} new days{far} "
                f"already (ingest.{setting}); `trailhound retry-deadletters --new-days` indexes it",
                reason=TOO_MANY_NEW_DAYS,
            )
        owner.new_days += 1


def day_of_name(uri: str) -> date | None:
    """The day that an object's folder or name says, the last of several; None where none does.

    >>> day_of_name("logs/2024/03/01/10/firehose-1-2024-03-01-10-00-00-5")
    datetime.date(2024, 3, 1)
    >>> day_of_name("export-20240301.json.gz"), day_of_name("export.json.gz")
    (datetime.date(2024, 3, 1), None)
    """
    place = place_of(uri)
    if place is not None and place.day is not None:
        return place.day
    found = None
    for year, _, month, day in _DAY.findall(uri):
        try:
            found = date(int(year), int(month), int(day))
        except ValueError:
            continue
    return found


def _number(day: str) -> int:
    year, month, number = day.split(".")
    return date(int(year), int(month), int(number)).toordinal()
