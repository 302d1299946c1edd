"""What a trail costs, estimated before it is set up. US dollars, us-east-1, list prices of 2025.

Sources: "AWS CloudTrail pricing", "Amazon S3 pricing", "Amazon CloudWatch pricing".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from trailhound.aws.names import DEEP_ARCHIVE, GLACIER, SMALL, STANDARD_IA

_DATA_EVENT: Final = 0.10 / 100_000
_INSIGHT: Final = 0.35 / 100_000
"""Dollars for a management event that one type of Insights analyses."""
_LOG_BYTE: Final = 0.50 / 2**30
_EVENT_BYTES: Final = 1_500
"""Size of an event in CloudWatch Logs, assumed."""
FILE_EVENT_BYTES: Final = 350
"""Size of an event in a compressed trail file, measured on the files of `trailhound sample`."""
_GB: Final = 2**30
_DAYS_A_MONTH: Final = 365 / 12

_STORED: Final = {"STANDARD": 0.023, "STANDARD_IA": 0.0125, "GLACIER": 0.0036, "DEEP": 0.00099}
"""Dollars for a GB and month, by storage class."""
_MOVED: Final = {"STANDARD_IA": 0.01 / 1_000, "GLACIER": 0.03 / 1_000, "DEEP": 0.05 / 1_000}
"""Dollars for the transition of one object."""
_INDEX_BYTES: Final = (32 * 1024, 8 * 1024)
"""Bytes that Glacier adds to an object: at its own price, and at Standard's."""


@dataclass(frozen=True)
class Cost:
    """US dollars in total over `years` of the same activity, beginning with an empty bucket."""

    of: str
    total: float
    years: int

    @property
    def monthly(self) -> float:
        """On average: files add up, so the first months cost less and the last ones more."""
        return self.total / (12 * self.years)

    def as_dict(self) -> dict[str, Any]:
        """`dollars` is the name that `total` had in the last release; both are written for one."""
        total = round(self.total, 2)
        return {
            "of": self.of,
            "monthly": round(self.monthly, 2),
            "total": total,
            "dollars": total,
        }


def event_costs(
    *,
    data_events_a_day: int,
    management_events_a_day: int,
    insights: int,
    data: bool,
    years: int,
) -> list[Cost]:
    """The costs of events over `years`; `insights` is the number of Insights types that are on."""
    days = 365 * years
    shipped = (data_events_a_day if data else 0) + management_events_a_day
    costs = [
        Cost(
            f"{management_events_a_day:,} management events a day: Insights of {insights} kinds",
            management_events_a_day * days * insights * _INSIGHT,
            years,
        ),
        Cost(
            f"{shipped:,} events a day into CloudWatch Logs, of {_EVENT_BYTES:,} bytes",
            shipped * days * _EVENT_BYTES * _LOG_BYTE,
            years,
        ),
    ]
    if data:
        volume = f"{data_events_a_day:,} data events a day"
        costs.insert(0, Cost(volume, data_events_a_day * days * _DATA_EVENT, years))
    return costs


def bytes_of_a_file(files_a_day: int, events_a_day: int) -> int:
    """Bytes of each of a day's trail files, which hold its events.

    >>> bytes_of_a_file(1_500, 1_100_000)
    256667
    """
    return max(1, round(events_a_day * FILE_EVENT_BYTES / files_a_day)) if files_a_day else 1


def storage_costs(*, files_a_day: int, file_bytes: int, years: int) -> list[Cost]:
    """The costs of storing all files for `years`, if none is deleted: without and with the
    transition of small files to colder classes."""
    ages = range(1, 365 * years + 1)
    still, all_move = (
        files_a_day * sum(_kept(file_bytes, age, moved=moved) for age in ages)
        for moved in (file_bytes > SMALL, True)
    )
    volume = f"{files_a_day:,} files a day of {file_bytes:,} bytes"
    return [
        Cost(f"{volume}: only files over {SMALL:,} bytes move", still, years),
        Cost(f"{volume}: all move (--move-small)", all_move, years),
    ]


def _kept(size: int, days: int, *, moved: bool) -> float:
    """Dollars for one object of `size` bytes, kept for `days` from its first day on."""
    if not moved:
        return _stored(size, days, "STANDARD")
    own, standard = _INDEX_BYTES
    # From which day, in which class, how many bytes: STANDARD_IA charges for 128 KB at least.
    steps = (
        (0, "STANDARD", size),
        (STANDARD_IA, "STANDARD_IA", max(size, SMALL)),
        (GLACIER, "GLACIER", size + own),
        (DEEP_ARCHIVE, "DEEP", size + own),
    )
    ends = (STANDARD_IA, GLACIER, DEEP_ARCHIVE, days)
    cost = _stored(standard, max(days - GLACIER, 0), "STANDARD")
    for (begin, where, held), end in zip(steps, ends, strict=True):
        if days > begin:
            cost += _stored(held, min(days, end) - begin, where) + _MOVED.get(where, 0.0)
    return cost


def _stored(size: int, days: int, where: str) -> float:
    return size / _GB * _STORED[where] * days / _DAYS_A_MONTH
