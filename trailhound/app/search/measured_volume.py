"""How many events a trail delivers, from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ingest.sources.layout import place_of
from trailhound.errors import UsageError


@dataclass(frozen=True)
class MeasuredVolume:
    """Records by the day on which their file was delivered. Objects whose name shows no day are
    counted as `undated`, with their records."""

    records: int
    days: int
    first: date
    last: date
    undated: int
    undated_records: int


def measure_volume(
    rows: Iterable[Mapping[str, Any]], on_progress: Callable[[int], None] = lambda _: None
) -> MeasuredVolume:
    """The volume of objects as `LedgerSearch` gives them; `on_progress` is called with the number
    of objects so far.

    A record delivered twice counts twice, as AWS bills it. Raises `UsageError` where no object
    that holds records shows its day.
    """
    days: set[date] = set()
    records = undated = undated_records = 0
    for number, row in enumerate(rows, 1):
        on_progress(number)
        if not row["read"]:
            continue
        place = place_of(row["uri"])
        if place is None or place.day is None:
            undated += 1
            undated_records += row["read"]
            continue
        days.add(place.day)
        records += row["read"]
    if not days:
        raise UsageError(
            "the ledger has no object with records that shows by its name on which day it came",
            hint="ingest a trail as CloudTrail delivers it, with `trailhound backfill`",
        )
    return MeasuredVolume(
        records=records,
        days=len(days),
        first=min(days),
        last=max(days),
        undated=undated,
        undated_records=undated_records,
    )
