"""Which rules' alerts a mere attempt lowers."""

from __future__ import annotations

from itertools import pairwise

import pytest

from detections.attempts import lowered, lowers_attempts
from detections.packs.loading import SHIPPED, load_paths
from detections.rule import LEVELS, SEVERITIES, Attack
from tests.helpers.findings import rule
from trailhound.settings import DetectionSettings


@pytest.mark.parametrize(
    ("tactic", "lower"),
    [("persistence", True), ("defense-evasion", False), ("credential-access", False)],
)
def test_the_tactic_decides(tactic: str, lower: bool) -> None:
    assert lowers_attempts(rule(attack=Attack((tactic, "impact")))) is lower
    assert not lowers_attempts(rule(attack=Attack((tactic,)), lower_attempts=False))


def test_alarms_and_patterns_keep_their_level() -> None:
    paths = [SHIPPED / "alarms", SHIPPED / "patterns"]
    pack = load_paths(paths, DetectionSettings())
    assert len(pack.alerting) == 12 + 2 * 6 + 1
    assert not [each.title for each in pack.alerting if each.lower_attempts]


def test_a_level_is_lowered_once() -> None:
    for below, level in pairwise(LEVELS):
        assert lowered(level, SEVERITIES[level]) == (below, SEVERITIES[below])
    assert lowered("informational", 1) == ("informational", 1)
