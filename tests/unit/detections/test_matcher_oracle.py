"""SigmaHQ's CloudTrail rules over recorded events, against an independent engine's hits."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sigma.rule import SigmaRule

from detections.matcher import SigmaMatcher


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.rglob("*.jsonl")):
        yield from map(json.loads, filter(None, file.read_text("utf-8").splitlines()))


def _arrays(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.rglob("*.json")):
        yield from json.loads(file.read_bytes())


def _trails(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((folder / "AWSLogs").rglob("*.json*")):
        content = file.read_bytes()
        yield from json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)[
            "Records"
        ]


READERS = {"stratus": _arrays, "traildiscover": _lines, "umccr": _trails}


@pytest.fixture(scope="module")
def matchers(shared_data: Path) -> dict[str, SigmaMatcher]:
    rules = [
        SigmaRule.from_yaml(file.read_text("utf-8"))
        for file in sorted((shared_data / "sigmahq").glob("*.yml"))
    ]
    return {str(rule.id): SigmaMatcher.from_rule(rule) for rule in rules}


@pytest.mark.parametrize("folder", READERS)
def test_hits_equal_the_oracle(
    folder: str, shared_data: Path, matchers: dict[str, SigmaMatcher]
) -> None:
    oracle = json.loads((shared_data / "oracle.json").read_bytes())[folder]
    events = {event["eventID"]: event for event in READERS[folder](shared_data / folder)}
    hits = {
        rule: count
        for rule, matcher in matchers.items()
        if (count := sum(map(matcher.matches, events.values())))
    }
    assert len(matchers) == 57
    assert len(events) == oracle["distinct_events"]
    assert hits == oracle["hits"]
