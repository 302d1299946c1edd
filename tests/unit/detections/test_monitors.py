"""The shape of a monitor of the Alerting plugin."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from detections.monitors import SEVERITY, monitor
from detections.rule import LEVELS
from tests.findings import rule

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


def test_every_level_has_a_severity_the_gravest_first() -> None:
    assert [SEVERITY[level] for level in reversed(LEVELS)] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(("seconds", "minutes"), [(1, 1), (60, 1), (61, 2), (10**9, 10_080)])
def test_intervals_are_whole_minutes(seconds: int, minutes: int) -> None:
    made = monitor(rule(), QUERY, timedelta(seconds=seconds), "cloudtrail-*")
    assert made["schedule"]["period"]["interval"] == minutes
