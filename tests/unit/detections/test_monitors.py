"""The shape of a monitor of the Alerting plugin."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detections.monitors import SEVERITY, monitor
from detections.rule import LEVELS
from tests.helpers.detection_rules import BURST, DELETED, write_rules
from tests.helpers.findings import rule
from trailhound.cli.main import app

QUERY = {"term": {"eventName": "CreateAccessKey"}}


def test_a_monitor_searches_the_last_interval_and_triggers_on_any_hit() -> None:
    made = monitor(rule("key-made"), QUERY, timedelta(minutes=5), "cloudtrail-*")
    assert made["name"] == "Title of key-made (key-made)"
    assert (made["type"], made["monitor_type"]) == ("monitor", "query_level_monitor")
    assert made["schedule"] == {"period": {"interval": 5, "unit": "MINUTES"}}
    (search,) = [each["search"] for each in made["inputs"]]
    assert search["indices"] == ["cloudtrail-*"]
    when, query = search["query"]["query"]["bool"]["filter"]
    assert when["range"]["event.ingested"]["gte"] == "{{period_end}}||-5m"
    assert query == QUERY
    (trigger,) = [each["query_level_trigger"] for each in made["triggers"]]
    assert trigger["severity"] == "2"
    assert trigger["condition"]["script"]["source"] == "ctx.results[0].hits.total.value > 0"
    json.dumps(made)


def test_every_level_has_a_severity_the_most_severe_first() -> None:
    assert [SEVERITY[level] for level in reversed(LEVELS)] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(("seconds", "minutes"), [(1, 1), (60, 1), (61, 2), (10**9, 10_080)])
def test_intervals_are_whole_minutes(seconds: int, minutes: int) -> None:
    made = monitor(rule(), QUERY, timedelta(seconds=seconds), "cloudtrail-*")
    assert made["schedule"]["period"]["interval"] == minutes


WIDER = "5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a04"


@pytest.fixture
def rules(tmp_path: Path) -> list[str]:
    folder = write_rules(tmp_path / "rules")
    (folder / "wider.yml").write_text(
        f"title: More than five\nid: {WIDER}\nlevel: critical\n"
        "logsource: {product: aws, service: cloudtrail}\n"
        "detection: {s: {eventName: RunInstances, requestParameters.maxCount|gt: 5}, condition: s}"
    )
    return ["rules", "export", "--monitors", "--rules", str(folder), "--only"]


def test_plain_rules_are_exported_and_what_a_monitor_cannot_do_is_told(rules: list[str]) -> None:
    done = CliRunner().invoke(app, [*rules, "--namespace", "team"])
    made = {
        each["triggers"][0]["query_level_trigger"]["name"]: each for each in _array(done.stdout)
    }
    assert set(made) == {DELETED, WIDER}, "no correlation, and no rule that serves one alone"
    (search,) = [each["search"] for each in made[DELETED]["inputs"]]
    assert search["indices"] == ["team-cloudtrail-*"]
    assert "trail.repaired" not in json.dumps(made), "nothing there puts a repaired event together"
    messages = done.stderr.splitlines()
    assert sum("More than five: its monitor finds more" in line for line in messages) == 1
    assert sum("Many denied calls: left out" in line for line in messages) == 1
    assert BURST not in json.dumps(made)


def test_monitors_go_to_a_folder_or_to_one_file(rules: list[str], tmp_path: Path) -> None:
    folder, file = tmp_path / "new" / "monitors", tmp_path / "all.json"
    for output in (folder, file):
        assert CliRunner().invoke(app, [*rules, "-o", str(output)]).exit_code == 0
    assert {each.name for each in folder.iterdir()} == {f"{DELETED}.json", f"{WIDER}.json"}
    alone = [json.loads(each.read_text("utf-8")) for each in sorted(folder.iterdir())]
    assert sorted(_array(file.read_text("utf-8")), key=str) == sorted(alone, key=str)


def test_what_to_export_to_has_to_be_said() -> None:
    assert CliRunner().invoke(app, ["rules", "export"]).exit_code != 0


def _array(text: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(text)
    return made
