"""Files without a cluster: the same documents as a backfill of them indexes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.commands import command
from tests.helpers.records import RECORDS
from tests.helpers.trails import backfill, documents, own_settings, prepared, record, write_trail
from trailhound.sample.spec import SampleSpec
from trailhound.sample.write import write_sample


def enriched(done_stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done_stdout.splitlines()]


def place(document: dict[str, Any]) -> tuple[str, int]:
    """The file and the position, by which the two are compared: ids may be missing."""
    return document["trail"]["object"], document["trail"]["position"]


def test_the_documents_are_those_of_a_backfill(engine: str, namespace: str, tmp_path: Path) -> None:
    """But for what only the index shows: when it was indexed, what the engine refused, another
    record's eventID, an event's second delivery."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    trail = tmp_path / "trail"
    write_sample(trail, SampleSpec(events=1500, days=2))
    one, twice = record(), record()
    refused = record(requestParameters=["the engine refuses a list here"])
    write_trail(trail, [*(each.record for each in RECORDS.values()), refused], "shapes")
    write_trail(trail, [one, twice], "first")
    write_trail(trail, [{**one, "eventName": "DeleteTrail"}, twice], "second")
    report = backfill(settings, trail)
    assert report.conflicts >= 1
    assert report.repaired >= 1

    done = command(settings, "enrich", str(trail))
    written = {place(each): each for each in enriched(done.stdout)}
    indexed = {place(each): each for each in documents(client, settings).values()}
    assert len(written) == len(indexed) + report.counts.duplicates
    compared = 0
    for where, document in indexed.items():
        assert document["event"].pop("ingested")
        ours = written[where]
        document["trail"].pop("conflict", None)
        if "repaired" in document["trail"] and "repaired" not in ours["trail"]:
            continue
        assert ours == document
        compared += 1
    assert compared > len(indexed) - 20
