"""A dry run's sizes by place, and the rate by which its time is estimated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.backfill.places import PlaceSizes
from ingest.backfill.rate import STATED, measured
from ingest.objects import TrailObject
from ingest.sources.layout import place_of

START = datetime(2025, 3, 1, tzinfo=UTC)
MIB = 1024 * 1024


def sizes_of(*objects: tuple[str, int]) -> PlaceSizes:
    made = PlaceSizes()
    for path, size in objects:
        made.add(TrailObject(path, "etag", size), place_of(path))
    return made


def test_objects_are_added_up_by_account_region_and_day() -> None:
    folder = "AWSLogs/111122223333/CloudTrail/eu-west-1"
    made = sizes_of(
        (f"{folder}/2025/03/01/a.json.gz", 5),
        (f"{folder}/2025/03/01/b.json.gz", 7),
        (f"{folder}/2025/03/merged.json.gz", 1),
        (f"{folder}/2025/merged.json.gz", 2),
        ("export.json", 3),
    )
    assert [tuple(each.values()) for each in made.as_list()] == [
        ("", "", "", 1, 3),
        ("111122223333", "eu-west-1", "2025", 1, 2),
        ("111122223333", "eu-west-1", "2025-03", 1, 1),
        ("111122223333", "eu-west-1", "2025-03-01", 2, 12),
    ]
    by_account = made.by(lambda name: (name.account,))
    assert {key: each.bytes for key, each in by_account.items()} == {
        ("",): 3,
        ("111122223333",): 15,
    }


def entry(since: float, until: float, size: int) -> dict[str, Any]:
    claimed, finished = (START + timedelta(seconds=each) for each in (since, until))
    return {
        "claimed_at": claimed.isoformat(),
        "finished_at": finished.isoformat(),
        "bytes": size,
    }


def test_the_rate_is_that_of_the_run_that_read_the_most() -> None:
    run = [entry(100, 100 + second, 4 * MIB) for second in range(1, 11)]
    # A daemon that waits for a file every minute.
    waiting = [entry(1000 + 60 * n, 1003 + 60 * n, MIB) for n in range(20)]
    found = measured([*run, *waiting])
    assert (found.bytes, found.objects) == (4 * MIB, 10)
    assert found.larger(objects=8, size=4 * MIB) == 8.0


def test_too_little_to_measure_gives_the_stated_rate() -> None:
    few: list[list[dict[str, Any]]] = [
        [entry(0, 0.5, 50 * MIB)],
        [entry(0, 60, 1000)],
        [{"bytes": 5}],
        [],
    ]
    for entries in few:
        found = measured(entries)
        assert (found.bytes, found.measured) == (STATED, False)
        assert found.larger(objects=1, size=1) == 1.0
