"""SigmaHQ's CloudTrail rules over recorded events, against an independent engine's hits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sigma.rule import SigmaRule

from detections.matcher import SigmaMatcher
from tests.helpers.recorded import READERS, recorded


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
    events = recorded(shared_data, folder)
    hits = {
        rule: count
        for rule, matcher in matchers.items()
        if (count := sum(map(matcher.matches, events)))
    }
    assert len(matchers) == 57
    assert len(events) == oracle["distinct_events"]
    assert hits == oracle["hits"]
