"""Recorded trails, read by Trailhound and by an independent reader: terms and ids compared."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opensearchpy import OpenSearch

from ingest.repair.restore import restore
from ingest.run_report import RunReport
from tests.helpers.trails import backfill, dead_letters, ledger, own_settings, prepared
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def records_of(path: Path) -> list[dict[str, Any]]:
    """The records of a file by the standard library alone."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in text.splitlines() if line]
        return [
            json.loads(line["CloudTrailEvent"]) if "CloudTrailEvent" in line else line
            for line in lines
        ]
    whole = json.loads(text)
    return list(whole if isinstance(whole, list) else whole["Records"])


def by_value(value: Any) -> Any:
    """1.0 and 1 are one number in JSON; True is none."""
    if isinstance(value, dict):
        return {key: by_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [by_value(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def text_of(record: Any) -> str:
    return json.dumps(by_value(record), sort_keys=True, separators=(",", ":"))


Place = tuple[str, str]
"""A day and an id, which are a document's place: an index holds one day."""


def predicted(records: Sequence[dict[str, Any]]) -> dict[Place, set[str]]:
    """Place → the different records that claim it: one document each.

    A UUID is an id; any other eventID only together with the content.
    """
    made: dict[Place, set[str]] = defaultdict(set)
    for record in records:
        day = record["eventTime"][:10]
        text = text_of(record)
        digest = hashlib.sha256(text.encode()).hexdigest()
        event_id = record.get("eventID")
        if isinstance(event_id, str) and UUID.fullmatch(event_id):
            made[day, event_id].add(text)
        elif isinstance(event_id, str) and event_id:
            made[day, f"{event_id[:64]}-{digest[:32]}"].add(text)
        else:
            made[day, digest].add(text)
    return made


def stored(client: OpenSearch, settings: Settings) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Day (of the index), `_id` and `_source` of every document; the corpus fits in a page."""
    names = Names(settings.prefix)
    client.indices.refresh(index=names.days)
    reply = client.search(index=names.days, body={"size": 10_000, "track_total_hits": True})
    hits = reply["hits"]["hits"]
    assert reply["_shards"]["failed"] == 0
    assert len(hits) == reply["hits"]["total"]["value"]
    for hit in hits:
        day = hit["_index"].rpartition("-")[2].replace(".", "-")
        yield day, hit["_id"], hit["_source"]


def check(settings: Settings, report: RunReport, records: list[dict[str, Any]], dead: int) -> None:
    """Counts, ids and contents against the prediction; `dead` records have no usable time."""
    client = prepared(settings)
    expected = predicted(records)
    distinct = sum(map(len, expected.values()))
    counts = report.counts
    assert counts.read == len(records) + dead
    assert counts.dead_lettered == dead
    assert counts.indexed == distinct
    assert counts.duplicates == len(records) - distinct
    assert counts.filtered == 0
    assert report.failed_objects == 0, report.failures
    assert report.conflicts == distinct - len(expected)
    found: dict[Place, set[str]] = defaultdict(set)
    for day, identifier, source in stored(client, settings):
        text = text_of(json.loads(restore(msgspec.json.encode(source))))
        conflict = source["trail"].get("conflict")
        if conflict is not None:
            digest = hashlib.sha256(text.encode()).hexdigest()
            assert identifier == f"{conflict}-{digest[:32]}"
        found[day, conflict or identifier].add(text)
    assert found == expected
    for entry in ledger(client, settings):
        terms = ("indexed", "duplicates", "dead_lettered", "filtered")
        assert entry["read"] == sum(entry[term] for term in terms), entry["uri"]


def test_recorded_trails_are_indexed_whole(
    engine: str, namespace: str, tmp_path: Path, shared_data: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    folders = [shared_data / name for name in ("stratus", "traildiscover", "umccr", "formats")]
    files = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.name.endswith((".json", ".json.gz", ".jsonl"))
    ]
    records = [record for path in files for record in records_of(path)]
    assert len(records) > 600
    report = backfill(settings, *folders)
    assert report.objects == len(files)
    check(settings, report, records, dead=0)
    assert dead_letters(client, settings) == []
    again = backfill(settings, *folders, force=True)
    assert (again.counts.indexed, again.counts.duplicates) == (0, len(records))


def test_hand_shortened_records_are_indexed_if_they_have_a_time(
    engine: str, namespace: str, tmp_path: Path, shared_data: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    labelled = (shared_data / "panther" / "labelled_events.jsonl").read_text().splitlines()
    all_records = [json.loads(line)["event"] for line in labelled]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in all_records))
    timed = [bool(TIME.fullmatch(record.get("eventTime") or "")) for record in all_records]
    records = list(compress(all_records, timed))
    timeless = [record for record, has in zip(all_records, timed, strict=True) if not has]
    report = backfill(settings, path)
    check(settings, report, records, dead=len(timeless))
    letters = dead_letters(client, settings)
    # Seven have no eventTime, "redacted" and "..." are none, and three have all keys in small.
    assert Counter(letter["code"] for letter in letters) == {
        "missing_event_time": 7,
        "bad_event_time": 2,
        "not_a_record": 3,
    }
    # The same shortened record may occur there twice, at two positions: two letters.
    assert sorted(text_of(json.loads(letter["raw"])) for letter in letters) == sorted(
        map(text_of, timeless)
    )


def test_the_independent_reader_itself(shared_data: Path) -> None:
    """Guards the guard: it must see more than one id bearing different records, and duplicates."""
    labelled = (shared_data / "panther" / "labelled_events.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in labelled]
    records = [each for each in events if TIME.fullmatch(each.get("eventTime") or "")]
    made = predicted(records)
    assert any(len(texts) > 1 for texts in made.values())
    assert len(records) > sum(map(len, made.values()))


@pytest.mark.parametrize("value", [1, 1.0, True])
def test_numbers_are_compared_by_value_and_kind(value: Any) -> None:
    assert (text_of({"a": value}) == '{"a":1}') is (value is not True)
