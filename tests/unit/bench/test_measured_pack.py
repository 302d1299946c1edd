"""The rules that ship, measured: each recorded technique found, little said of ordinary days."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.detections import BUDGET, HIGH_SEVERITY_BUDGET, OURS, enricher, noise, recall
from bench.forging import forged
from bench.recordings import enriched, ordinary, techniques, unmarked
from bench.rule_replay import ReplayedPack, load_pack
from bench.seasoning import CHOSEN, DAYS, month_of, seasoned
from detections.packs.loading import load_paths
from trailhound.settings import DetectionSettings


@pytest.fixture(scope="module")
def pack() -> ReplayedPack:
    return load_pack(OURS)


def test_every_recorded_technique_is_found(pack: ReplayedPack, shared_data: Path) -> None:
    """Without the marks of the tool, and without the rules that were given by name."""
    shared = enricher()
    attacks = {
        name: list(enriched(map(unmarked, records), shared))
        for name, records in techniques(shared_data).items()
    }
    assert len(attacks) == 18
    assert [name for name, found in recall(pack, attacks).items() if not found] == []


def test_forged_agents_and_names_hide_no_technique(pack: ReplayedPack, shared_data: Path) -> None:
    """All that a caller chooses about itself says infrastructure code and pipeline, at once."""
    shared = enricher()
    attacks = {
        name: list(enriched((forged(unmarked(each)) for each in records), shared))
        for name, records in techniques(shared_data).items()
    }
    assert [name for name, found in recall(pack, attacks).items() if not found] == []


def test_ordinary_days_keep_within_the_budget(pack: ReplayedPack) -> None:
    found = noise(pack, list(enriched(ordinary(10_000, seed=3), enricher())))
    assert found.events == 10_000
    assert found.rate() <= BUDGET
    assert found.rate(severe=True) <= HIGH_SEVERITY_BUDGET


def test_a_month_of_a_pipelines_work_hides_no_technique_of_its_role(shared_data: Path) -> None:
    """From a new network, with a new call from its own, and the first of 14 days."""
    shared = enricher()
    loaded = load_paths([OURS], DetectionSettings())
    month = month_of(ordinary(6_000, days=DAYS), loaded, shared)
    assert sum(len(days) >= CHOSEN.days for days in month.observed.values()) > 10
    attacks = {name: [*map(unmarked, each)] for name, each in techniques(shared_data).items()}
    found = seasoned(month, loaded, attacks, shared)
    missed = [(way, name) for way, by in found.items() for name, titles in by.items() if not titles]
    assert (len(found), missed) == (3, [])
