"""Every shipped rule's samples, on a real engine: the rules that must fire do, the others don't."""

from __future__ import annotations

from pathlib import Path

import pytest

from detections.packs.loading import load
from tests.helpers.trails import own_settings
from trailhound.app.detection.rule_tests import run_samples
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect


@pytest.mark.fresh_namespace
def test_every_sample_is_decided_as_it_says(engine: str, namespace: str, tmp_path: Path) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    pack = load(settings.detections)
    assert [str(fault) for fault in pack.faults] == []
    done = run_samples(settings, pack, enricher_from(settings, lambda _: None))
    assert [
        (each.sample.rule.title, each.sample.name, each.error)
        for each in done.verdicts
        if not each.passed
    ] == []
    assert [rule.title for rule in done.bare] == []
    assert done.faulty == ()
    assert len(done.verdicts) >= 2 * len(pack.alerting)
    client = connect(settings)
    left = client.cat.indices(index=f"{namespace}-*", format="json")
    assert left == [], "the namespace of the samples is gone"
