"""The findings of several rules are recorded together, and each rule's run says what is its own."""

from __future__ import annotations

import pytest
from opensearchpy import OpenSearch

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.finding import Finding
from detections.running import recording as recording_module
from detections.running.recording import Recording, RuleRun
from tests.helpers.findings import ADA, put_events, rule, single
from trailhound.settings import Settings

PLAIN = rule("plain")
GROUPED = rule("grouped")
REFUSED = rule("refused", title="x" * 40_000)
"""Its alerts are rejected: no keyword has so many bytes."""
REFUSED_GROUPS = rule("refused-groups", title="x" * 40_000)
RULES = {each.id: each for each in (PLAIN, GROUPED, REFUSED, REFUSED_GROUPS)}


def together(client: OpenSearch, settings: Settings, number: int) -> Recording:
    return Recording(client, settings.hosts[0], Recorder(client, settings, RULES), number)


def found(name: str) -> list[Finding]:
    return [single(name, second, ADA if "group" in name else ()) for second in (1, 2)]


def alerts(client: OpenSearch, settings: Settings) -> dict[str, str]:
    """The rule of each alert."""
    return {
        each["id"]: each["rule"]["id"] for each in AlertStore(client, settings).find(AlertQuery())
    }


def test_findings_wait_for_those_of_others(client: OpenSearch, settings: Settings) -> None:
    put_events(client, settings, (1, 2))
    recording = together(client, settings, 4)
    plain, grouped = RuleRun(PLAIN), RuleRun(GROUPED)
    recording.end(plain, found(PLAIN.id))
    recording.end(nothing := RuleRun(REFUSED))
    assert list(recording.ended()) == [nothing]
    assert not alerts(client, settings)
    recording.end(grouped, found(GROUPED.id))
    assert list(recording.ended()) == [plain, grouped]
    assert (len(plain.recorded.created), len(grouped.recorded.created)) == (2, 2)
    assert alerts(client, settings) == {
        name: run.rule.id for run in (plain, grouped) for name in run.recorded.created
    }
    again = RuleRun(PLAIN)
    recording.end(again, found(PLAIN.id))
    recording.flush()
    assert list(recording.ended()) == [again]
    assert not again.recorded.created
    assert not list(recording.ended()), "a run is complete once"


def test_what_waits_is_no_more_than_is_recorded_at_once(
    client: OpenSearch, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_events(client, settings, (1, 2))
    monkeypatch.setattr(recording_module, "EVENTS_AT_ONCE", 4)
    recording = together(client, settings, 1_000)
    plain, grouped = RuleRun(PLAIN), RuleRun(GROUPED)
    recording.end(plain, found(PLAIN.id))
    assert not list(recording.ended())
    recording.end(grouped, found(GROUPED.id))
    assert list(recording.ended()) == [plain]
    assert set(alerts(client, settings).values()) == {PLAIN.id}


def test_a_rule_whose_alerts_are_refused_fails_alone(
    client: OpenSearch, settings: Settings
) -> None:
    put_events(client, settings, (1, 2))
    recording = together(client, settings, 1_000)
    runs = [RuleRun(each) for each in (REFUSED, PLAIN, REFUSED_GROUPS, GROUPED)]
    for run in runs:
        recording.end(run, found(run.rule.id))
    recording.flush()
    assert list(recording.ended()) == runs
    assert [run.error is None for run in runs] == [False, True, False, True]
    assert [len(run.recorded.created) for run in runs] == [0, 2, 0, 2]
    assert alerts(client, settings) == {
        name: run.rule.id for run in runs for name in run.recorded.created
    }
