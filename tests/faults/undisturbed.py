"""The trail of runs that are killed or lose their cluster, and what a run in peace makes of it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.helpers.namespaces import own_namespace
from tests.helpers.processes import identity_holds, printed, run
from tests.helpers.trails import dead_letters, documents, ledger, record, write_trail
from trailhound.cluster.client import connect
from trailhound.settings import Settings

FILES, EACH = 120, 30
SMALL = {
    "TRAILHOUND_INGEST__BATCH_BYTES": "65536",
    "TRAILHOUND_INGEST__CLAIM_SECONDS": "20",
}
"""A run makes some seventy requests of events: it is in its middle for most of its time."""

Content = tuple[dict[str, dict[str, Any]], list[tuple[str, int, str]]]


def hostile_trail(folder: Path) -> Path:
    """3,600 deliveries of some 3,300 events over three days; some hostile, some without a day."""
    dice = random.Random(7)
    before: list[dict[str, Any]] = []
    for number in range(FILES):
        records = [
            record(
                eventTime=f"2025-03-0{1 + number % 3}T12:{second:02}:00Z",
                requestParameters={"note": "n" * dice.randrange(900)},
            )
            for second in range(EACH)
        ]
        if before:
            records[3:5] = before[10:12]
        records[7]["requestParameters"] = "text"
        if number % 10 == 0:
            records[20]["eventTime"] = "never"
            records[21]["eventID"] = "redacted"
        write_trail(folder, records, f"{number:04}")
        before = records
    return folder


def content(settings: Settings) -> Content:
    """Documents without the moment and the copy they came from, and the dead letters."""
    client = connect(settings)
    found = documents(client, settings)
    for source in found.values():
        source["event"].pop("ingested")
        # Of an event delivered twice, the copy that came first is the document.
        del source["trail"]["object"], source["trail"]["position"]
    letters = dead_letters(client, settings)
    return found, sorted((each["object"], each["position"], each["raw"]) for each in letters)


def content_of_a_run(url: str, trail: Path, home: Path) -> Content:
    """What a run in peace makes of the trail on an engine."""
    with own_namespace(url, home) as settings:
        ended = run(settings, "backfill", trail, "--json")
        report = printed(ended.stdout)
        assert (report["objects"], report["read"]) == (FILES, FILES * EACH)
        assert identity_holds(report)
        return content(settings)


def check_ledger(settings: Settings) -> None:
    """Every file is done, and its counts add up."""
    entries = ledger(connect(settings), settings)
    assert len(entries) == FILES
    assert {entry["state"] for entry in entries} == {"done"}
    assert all(identity_holds(entry) for entry in entries)
    assert sum(entry["read"] for entry in entries) == FILES * EACH
