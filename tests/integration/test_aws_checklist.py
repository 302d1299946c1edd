"""`trailhound aws checklist` over a cluster, and without one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.commands import command
from tests.helpers.postures import posture
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail


def test_items_are_answered_by_the_cluster_or_not_at_all(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    write_trail(tmp_path / "trail", [record()])
    backfill(settings, tmp_path / "trail")
    file = tmp_path / "posture.json"
    file.write_text(json.dumps(posture().as_dict()), "utf-8")

    arguments = ("aws", "checklist", "--posture", str(file), "--json")
    done = command(settings, *arguments)
    assert done.exit_code == 0, f"{done.output}{done.exception}"
    found = json.loads(done.stdout)
    require_listing(found, "aws checklist")
    assert found["posture_taken"] == posture().taken
    items = {each["id"]: each for each in found["items"]}
    assert items["all-regions"]["state"] == "done"
    assert items["encryption-and-access"]["todo"].startswith("trailhound aws setup --plan")
    assert items["siem"]["todo"] == "trailhound run"
    assert "newest event is of 2025-03-01" in items["performance"]["evidence"]
    assert items["dashboards"]["state"] == "unknown"

    nowhere = command(settings, *arguments, "--url", "http://127.0.0.1:9")
    assert nowhere.exit_code == 1, nowhere.output
    states = {each["id"]: each["state"] for each in json.loads(nowhere.stdout)["items"]}
    assert (states["siem"], states["all-regions"]) == ("unknown", "done")
