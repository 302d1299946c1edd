"""SigmaHQ's rules over recorded events in the index: as many hits as an independent engine's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detections.events.search import Search
from detections.packs.loading import load_paths
from detections.span import ALL_TIME
from tests.helpers.recorded import READERS, recorded
from tests.helpers.trails import backfill, own_settings, prepared, write_trail
from trailhound.cluster.templates import Names
from trailhound.settings import DetectionSettings

NOON = "2025-03-01T12:00:00Z"


@pytest.mark.parametrize("folder", READERS)
def test_hits_equal_the_oracle(
    folder: str, shared_data: Path, engine: str, namespace: str, tmp_path: Path
) -> None:
    oracle = json.loads((shared_data / "oracle.json").read_bytes())[folder]
    settings = own_settings(engine, namespace, tmp_path)
    client = prepared(settings)
    # All on one day: no rule asks for the time, and an index for each day would cost a minute.
    events = [each | {"eventTime": NOON} for each in recorded(shared_data, folder)]
    report = backfill(settings, write_trail(tmp_path, events))
    assert report.counts.indexed == oracle["distinct_events"]
    client.indices.refresh(index=Names(settings.prefix).days)
    pack = load_paths([shared_data / "sigmahq"], DetectionSettings())
    assert len(pack.rules) == len(pack.compiled) == 57

    search = Search(client, settings)
    counted = list(search.count(pack.rules, pack.compiled, ALL_TIME))
    assert [each.error for each in counted] == [None] * 57
    assert {each.rule.id: each.hits for each in counted if each.hits} == oracle["hits"]
    for found in search.find(pack.rules, pack.compiled, ALL_TIME):
        hits = [finding.events for finding in found.findings]
        assert len(set(hits)) == len(hits) == oracle["hits"].get(found.rule.id, 0)
