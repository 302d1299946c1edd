"""Texts kept in `trail.original`: rules find them, and records differ by them, as on old days."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from detections.events.search import Search
from detections.packs.loading import load_paths
from detections.rule import FilePosition, Rule
from detections.span import ALL_TIME
from detections.usage import kept_apart
from tests.helpers.detections import compile_detection
from tests.helpers.processes import run
from tests.helpers.trails import (
    backfill,
    documents,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.settings import Settings
from trailhound.settings.cluster import UNSEARCHED


def searched(settings: Settings) -> Settings:
    """As the last release wrote: every text in its place."""
    return settings.model_copy(
        update={"index": settings.index.model_copy(update={"unsearched": []})}
    )


def event(number: int, day: int = 1) -> dict[str, Any]:
    return record(
        eventTime=f"2025-03-0{day}T10:00:{number:02}Z",
        eventSource="s3.amazonaws.com",
        eventName="GetObject",
        additionalEventData={"x-amz-id-2": f"Id{number}+/=", "bytesTransferredOut": number},
        responseElements={"credentials": {"sessionToken": "T" * 900, "accessKeyId": "ASIA1"}},
    )


def test_old_and_new_days_hold_the_same_records(settings: Settings, tmp_path: Path) -> None:
    """Events of a day with every text in its place, beside those of a day without."""
    client = prepared(settings)
    old, new = ([event(number, day) for number in range(6)] for day in (1, 2))
    write_trail(tmp_path / "old", old)
    write_trail(tmp_path / "new", new)
    assert backfill(searched(settings), tmp_path / "old").counts.indexed == 6
    assert backfill(settings, tmp_path / "new").counts.indexed == 6
    stored = documents(client, settings)
    for each in new:
        source = stored[each["eventID"]]
        assert source["additionalEventData"] == {
            "bytesTransferredOut": each["additionalEventData"]["bytesTransferredOut"]
        }
        assert "repaired" not in source["trail"]
    # Delivered again, each day by the other's setting: duplicates, and no conflicts.
    write_trail(tmp_path / "again", [*old, *new])
    for each_settings in (settings, searched(settings)):
        report = backfill(each_settings, tmp_path / "again", force=True)
        assert (report.counts.duplicates, report.conflicts, report.repaired) == (12, 0, 0)
    # Another id makes it another record.
    changed = [
        each | {"additionalEventData": {**each["additionalEventData"], "x-amz-id-2": "Z"}}
        for each in (old[0], new[0])
    ]
    write_trail(tmp_path / "forged", changed)
    report = backfill(settings, tmp_path / "forged")
    assert (report.counts.indexed, report.conflicts) == (2, 2)


def test_rules_find_them_on_all_days(each_engine: str, namespace: str, tmp_path: Path) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    both = [[event(number, day) for number in range(6)] for day in (1, 2)]
    write_trail(tmp_path / "old", both[0])
    write_trail(tmp_path / "new", both[1])
    backfill(searched(settings), tmp_path / "old")
    backfill(settings, tmp_path / "new")
    assert len(documents(client, settings)) == 12
    ids = [[each["eventID"] for each in day] for day in both]
    detections: dict[str, tuple[dict[str, Any], list[int]]] = {
        "equal": ({"additionalEventData.x-amz-id-2": "id3+/="}, [3]),
        "part": ({"additionalEventData.x-amz-id-2|contains": ["d1", "d2"]}, [1, 2]),
        "there": ({"responseElements.credentials.sessionToken|exists": True}, list(range(6))),
        "absent": ({"additionalEventData.x-amz-id-2": None}, []),
        "another": ({"responseElements.credentials.accessKeyId": "ASIA1"}, list(range(6))),
        "number": ({"additionalEventData.bytesTransferredOut|gt": 4}, [5]),
    }
    compiled = {
        name: compile_detection({"s": {"eventName": "GetObject"} | asked, "condition": "s"})
        for name, (asked, _) in detections.items()
    }
    rules = [Rule(name, name, "sigma", "low", None, FilePosition(Path())) for name in compiled]
    search = Search(client, settings)
    found = {each.rule.id: list(each.findings) for each in search.find(rules, compiled, ALL_TIME)}
    counted = {each.rule.id: each.hits for each in search.count(rules, compiled, ALL_TIME)}
    for name, (_, numbers) in detections.items():
        expected = {ids[day][number] for day in (0, 1) for number in numbers}
        assert {event for finding in found[name] for event in finding.events} == expected, name
        assert counted[name] == len(expected), name


def test_the_check_names_what_a_setting_hides(settings: Settings, tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(
        "title: By version\nid: 4b9b1a5e-6a0e-4f0c-8f2e-6a8f7f1f0c11\nlogsource: {product: aws}\n"
        "detection: {s: {additionalEventData.SignatureVersion: SigV2}, condition: s}\nlevel: low\n"
    )
    pack = load_paths([rule], settings.detections)
    assert kept_apart(pack, UNSEARCHED) == []
    (said,) = kept_apart(pack, ["additionalEventData.SignatureVersion"])
    assert "By version" in said
    config = tmp_path / "trailhound.yaml"
    config.write_text("index: {unsearched: [additionalEventData.SignatureVersion]}\n")
    ended = run(settings, "rules", "check", rule, "--json", "--config", config)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["unsearched"] == [said]
