"""Which daily indices the events of an object may make.

Every new day costs the cluster an index permanently, and an event's time is under its writer's
control, as the object's name is: a file of 340 KB with events of 1,500 days would make 1,500
indices. So

- an object makes a limited number of days. What a trail delivers is of the last days; events of
  many others are an export, which has no day in its name;
- no delivered event makes a day that is yet to come, by any name of its object: no retention
  would ever delete it. In a backfill, whose objects somebody selected, it counts as any far day;
- the last shards that the cluster has room for are for the days around today, so that what is
  delivered now is indexed. Only a backfill may use them, for the days of its objects.

All others wait in the dead letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from ingest.object_progress import ObjectProgress
from ingest.sources.layout import place_of
from trailhound.errors import RecordError
from trailhound.settings.ingest import IngestSettings

TOO_MANY_NEW_DAYS = "too_many_new_days"
"""The dead-letter code of an event that would make one day too many."""

NEAR_DAYS = 31
"""Days before and after an object's own that are never counted: late deliveries, clocks."""

_DAY = re.compile(r"(?<!\d)(20\d\d)([-/_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


KEPT_DAYS = 2 * NEAR_DAYS
"""The number of days that there is always room for, if it is not used by other indices."""


class DayLimit:
    """Counts the days that each object creates. `exists(day)`: whether the index exists;
    `has_room(days)`: whether the cluster has room for so many more; `selected`: whether the objects
    were selected by somebody, rather than delivered."""

    def __init__(
        self,
        settings: IngestSettings,
        exists: Callable[[str], bool],
        has_room: Callable[[int], bool] = lambda _days: True,
        *,
        selected: bool = False,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._of_object = settings.new_days_per_object
        self._of_export = settings.new_days_per_export
        self._exists = exists
        self._has_room = has_room
        self._selected = selected
        self._today = today
        self.refused: set[str] = set()
        """Days without an index that were too many."""

    def check(self, owner: ObjectProgress, day: str) -> None:
        """Count `day` (`YYYY.MM.DD`) if it is new. Raises `RecordError` where it is too many."""
        if self._exists(day):
            return
        ahead = _number(day) - self._today().toordinal()
        own = day_of_name(owner.item.uri)
        near = own is not None and abs(_number(day) - own.toordinal()) <= NEAR_DAYS
        if ahead > NEAR_DAYS and not self._selected:
            raise self._too_many(day, "is yet to come")
        if (
            abs(ahead) > NEAR_DAYS
            and not (near and self._selected)
            and not self._has_room(KEPT_DAYS + 1)
        ):
            raise self._too_many(
                day,
                f"the cluster has room for {KEPT_DAYS} more days at most, which are kept for those "
                "around today (cluster.max_shards_per_node)",
            )
        if near:
            return
        limit = self._of_export if own is None else self._of_object
        if owner.new_days >= limit:
            setting = "new_days_per_export" if own is None else "new_days_per_object"
            far = "" if own is None else f" farther than {NEAR_DAYS} days from {own}"
            raise self._too_many(
                day, f"its object has made {limit:,} new days{far} already (ingest.{setting})"
            )
        owner.new_days += 1

    def _too_many(self, day: str, why: str) -> RecordError:
        self.refused.add(day)
        return RecordError(
            f"its day {day} has no index, and {why}; "
            "`trailhound retry-deadletters --new-days` indexes it",
            reason=TOO_MANY_NEW_DAYS,
        )


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
