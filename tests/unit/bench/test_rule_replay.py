"""Rules over events in memory: the windows, the groups, and what joins an alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.recordings import unmarked
from bench.rule_replay import Alert, Event, load_pack, replay

START = datetime(2025, 3, 3, 9, tzinfo=UTC)
PLAIN = """
title: Deleted
id: 0a1b2c3d-0000-4000-a000-000000000001
logsource: {product: aws, service: cloudtrail}
detection:
  call: {eventName: Delete}
  condition: call
level: low
"""
BASES = """
title: Deleted
name: deleted
logsource: {product: aws, service: cloudtrail}
detection:
  call: {eventName: Delete}
  condition: call
---
title: Made
name: made
logsource: {product: aws, service: cloudtrail}
detection:
  call: {eventName: Make}
  condition: call
---
title: Together
id: 0a1b2c3d-0000-4000-a000-000000000002
correlation:
"""


def event(seconds: float, name: str = "Delete", **fields: Any) -> Event:
    record = {"eventName": name, "user": "ada", **fields}
    return Event(START + timedelta(seconds=seconds), record)


def alerts(folder: Path, rule: str, *events: Event) -> list[Alert]:
    """What the last rule of a file says of some events."""
    (folder / "rule.yml").write_text(rule)
    wanted = load_pack(folder).rules[-1]
    return replay([wanted], events)[wanted.id]


def correlated(folder: Path, correlation: str, *events: Event) -> list[tuple[int, ...]]:
    return [alert.events for alert in alerts(folder, BASES + correlation, *events)]


COUNT = """
  type: event_count
  rules: [deleted]
  group-by: [user]
  timespan: 10s
  condition: {gte: 3}
"""


def test_a_plain_rule_alerts_once_an_event(tmp_path: Path) -> None:
    found = alerts(tmp_path, PLAIN, event(0), event(1, "Make"), event(2))
    assert [alert.events for alert in found] == [(0,), (2,)]


def test_events_of_a_group_join_while_suppressed(tmp_path: Path) -> None:
    rule = PLAIN + "trailhound: {group_by: [user], suppress: 1m}\n"
    found = alerts(tmp_path, rule, event(0), event(60), event(121), event(5, user="bob"))
    assert sorted(alert.events for alert in found) == [(0, 1), (2,), (3,)]


def test_an_event_without_the_field_to_group_by_is_not_lost(tmp_path: Path) -> None:
    rule = PLAIN + "trailhound: {group_by: [nobody], suppress: 1m}\n"
    assert [alert.events for alert in alerts(tmp_path, rule, event(0), event(1))] == [(0, 1)]


@pytest.mark.parametrize(("last", "found"), [(10, [(0, 1, 2)]), (10.001, [])])
def test_a_window_holds_events_exactly_one_timespan_apart(
    tmp_path: Path, last: float, found: list[tuple[int, ...]]
) -> None:
    assert correlated(tmp_path, COUNT, event(0), event(9), event(last)) == found


def test_windows_that_share_an_event_are_one_burst(tmp_path: Path) -> None:
    at = (0, 4, 8, 12, 40, 41, 42)
    found = correlated(tmp_path, COUNT, *(event(seconds) for seconds in at))
    assert found == [(0, 1, 2, 3), (4, 5, 6)]


def test_groups_are_counted_apart(tmp_path: Path) -> None:
    both = [event(n, user=("ada", "bob")[n % 2]) for n in range(5)]
    assert correlated(tmp_path, COUNT, *both) == [(0, 2, 4)]


def test_several_values_of_one_event_count_each(tmp_path: Path) -> None:
    rule = """
  type: value_count
  rules: [deleted]
  group-by: [user]
  timespan: 10s
  condition: {field: key, gte: 3}
"""
    assert correlated(tmp_path, rule, event(0, key=["a", "b"]), event(1, key="a")) == []
    assert correlated(tmp_path, rule, event(0, key=["a", "b"]), event(1, key="c")) == [(0, 1)]


ORDERED = """
  type: temporal_ordered
  rules: [made, deleted]
  group-by: [user]
  timespan: 10s
"""


def test_an_order_is_kept(tmp_path: Path) -> None:
    assert correlated(tmp_path, ORDERED, event(0), event(1, "Make")) == []
    assert correlated(tmp_path, ORDERED, event(0, "Make"), event(1)) == [(0, 1)]


def test_events_of_one_instant_are_in_any_order(tmp_path: Path) -> None:
    (burst,) = correlated(tmp_path, ORDERED, event(0), event(0, "Make"))
    assert set(burst) == {0, 1}


def test_without_an_order_all_that_counts_is_that_all_are_there(tmp_path: Path) -> None:
    rule = ORDERED.replace("temporal_ordered", "temporal")
    assert correlated(tmp_path, rule, event(0), event(1, "Make")) == [(0, 1)]
    assert correlated(tmp_path, rule, event(0), event(1)) == []


def test_a_correlation_of_correlations_takes_its_firings_for_events(tmp_path: Path) -> None:
    rule = """
  type: event_count
  rules: [deleted]
  group-by: [user]
  timespan: 10s
  condition: {gte: 2}
---
title: Deleted again and again, then made
id: 0a1b2c3d-0000-4000-a000-000000000003
correlation:
  type: temporal_ordered
  rules: [together, made]
  group-by: [user]
  timespan: 1m
"""
    rule = BASES.replace("title: Together", "title: Together\nname: together") + rule
    assert len(alerts(tmp_path, rule, event(0), event(1), event(60, "Make"))) == 1
    assert alerts(tmp_path, rule, event(0), event(60, "Make")) == []
    assert alerts(tmp_path, rule, event(0, "Make"), event(1), event(2)) == []


def test_a_rule_that_looks_back_is_named_as_left_out(tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text(PLAIN + "trailhound: {new_terms: {field: awsRegion}}\n")
    pack = load_pack(tmp_path)
    assert (pack.rules, pack.left_out) == ([], ["Deleted"])


def test_marks_of_tools_are_taken_out_everywhere() -> None:
    record = {
        "userAgent": "aws-cli/2.15 Linux/6.6.9-amd64.kali",
        "requestParameters": {"tags": [{"key": "StratusRedTeam"}], "name": "red-exercise-x"},
    }
    assert unmarked(record) == {
        "userAgent": "aws-sdk-go-v2/1.36.1 os/linux lang/go#1.23.6 md/GOOS#linux md/GOARCH#amd64",
        "requestParameters": {"tags": [{"key": "app"}], "name": "app-x"},
    }


def test_a_user_agent_without_marks_stays() -> None:
    assert unmarked({"userAgent": "aws-cli/2.15"}) == {"userAgent": "aws-cli/2.15"}
