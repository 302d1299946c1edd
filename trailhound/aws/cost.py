"""What a trail costs, estimated before it is set up. US dollars, us-east-1, list prices of 2025.

Sources: "AWS CloudTrail pricing", "Amazon S3 pricing", "Amazon CloudWatch pricing".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from trailhound.aws.names import DEEP_ARCHIVE, GLACIER, SMALL, STANDARD_IA

_DATA_EVENT: Final = 0.10 / 100_000
_INSIGHT: Final = 0.35 / 100_000
"""For a management event that one kind of Insights analyses."""
_LOG_BYTE: Final = 0.50 / 2**30
_EVENT_BYTES: Final = 1_500
"""Of an event as CloudWatch Logs takes it."""
_GB: Final = 2**30
_DAYS_A_MONTH: Final = 365 / 12

_STORED: Final = {"STANDARD": 0.023, "STANDARD_IA": 0.0125, "GLACIER": 0.0036, "DEEP": 0.00099}
"""A GB a month."""
_MOVED: Final = {"STANDARD_IA": 0.01 / 1_000, "GLACIER": 0.03 / 1_000, "DEEP": 0.05 / 1_000}
"""For one object."""
_INDEX_BYTES: Final = (32 * 1024, 8 * 1024)
"""What Glacier adds to an object: bytes at its own price, and at Standard's."""


@dataclass(frozen=True)
class Cost:
    """`dollars` in a year, except where `of` says otherwise."""

    of: str
    dollars: float

    def as_dict(self) -> dict[str, Any]:
        return {"of": self.of, "dollars": round(self.dollars, 2)}


def event_costs(
    *, data_events_a_day: int, management_events_a_day: int, insights: int, data: bool
) -> list[Cost]:
    """What events cost in a year; `insights` is how many kinds of Insights are on."""
    days = 365
    shipped = (data_events_a_day if data else 0) + management_events_a_day
    costs = [
        Cost(
            f"{management_events_a_day:,} management events a day: Insights of {insights} kinds",
            management_events_a_day * days * insights * _INSIGHT,
        ),
        Cost(
            f"{shipped:,} events a day into CloudWatch Logs, of {_EVENT_BYTES:,} bytes",
            shipped * days * _EVENT_BYTES * _LOG_BYTE,
        ),
    ]
    if data:
        said = f"{data_events_a_day:,} data events a day"
        costs.insert(0, Cost(said, data_events_a_day * days * _DATA_EVENT))
    return costs


def storage_costs(*, files_a_day: int, file_bytes: int, years: int = 10) -> list[Cost]:
    """What the files of one year cost in so many years, without and with moving small ones."""
    files = files_a_day * 365
    still = files * _kept(file_bytes, years * 365, moved=file_bytes > SMALL)
    moved = files * _kept(file_bytes, years * 365, moved=True)
    said = f"{files_a_day:,} files a day of {file_bytes:,} bytes, a year's files for {years} years"
    return [
        Cost(f"{said}: only files over {SMALL:,} bytes move", still),
        Cost(f"{said}: all move (--move-small)", moved),
    ]


def _kept(size: int, days: int, *, moved: bool) -> float:
    """One object for so many days."""
    if not moved:
        return _stored(size, days, "STANDARD")
    own, standard = _INDEX_BYTES
    cost = _stored(size, STANDARD_IA, "STANDARD") + sum(_MOVED.values())
    cost += _stored(max(size, SMALL), GLACIER - STANDARD_IA, "STANDARD_IA")
    cost += _stored(size + own, DEEP_ARCHIVE - GLACIER, "GLACIER")
    cost += _stored(size + own, max(days - DEEP_ARCHIVE, 0), "DEEP")
    return cost + _stored(standard, days - GLACIER, "STANDARD")


def _stored(size: int, days: int, where: str) -> float:
    return size / _GB * _STORED[where] * days / _DAYS_A_MONTH
