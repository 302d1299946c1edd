"""What is in memory while alerts are written and joined does not grow with how many there are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest
from opensearchpy import OpenSearch

from detections.alerts import recorder as recorder_module
from detections.alerts.named_events import NamedEvents
from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.finding import Finding
from detections.incidents import facts as facts_module
from detections.incidents.facts import AlertEvents, Facts
from tests.helpers.findings import at, event_id, put_events, rule
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

BURST = rule("burst", kind="correlation")
EVENTS = 100
FEW, MANY = 4, 40
"""Alerts: ten times as many, whose events together take ten times the memory."""
RATIO = 3.0


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As little as possible at once: of two alerts."""
    monkeypatch.setattr(recorder_module, "FACTS_HELD", 2 * EVENTS)
    monkeypatch.setattr(recorder_module, "ALERTS_HELD", 2 * EVENTS)
    monkeypatch.setattr(recorder_module, "ALERTS_READ", 2)
    monkeypatch.setattr(facts_module, "HELD", 2 * EVENTS)


def findings(name: str, number: int, events: int) -> list[Finding]:
    """One burst of each of several principals, all of the same events."""
    ids = tuple(map(event_id, range(events)))
    one = Finding("burst", ids, events, at(0), at(events - 1))
    return [
        replace(one, group=(("userIdentity.arn", f"arn:aws:iam::111122223333:user/{name}-{each}"),))
        for each in range(number)
    ]


def peak(call: Callable[[], object]) -> int:
    """The bytes that a call holds at most."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def recorded(recorder: Recorder, found: Sequence[Finding]) -> int:
    made = []
    held = peak(lambda: made.append(recorder.record(found)))
    assert len(made[0].created | made[0].updated) == len(found)
    return held


def test_alerts_are_written_and_extended_in_the_memory_of_a_few(
    client: OpenSearch, settings: Settings, limits: None
) -> None:
    put_events(client, settings, range(EVENTS + 1))
    recorder = Recorder(client, settings, {"burst": BURST})
    recorder.record(findings("before", FEW, EVENTS))  # what is kept for later calls is there
    for events in (EVENTS, EVENTS + 1):
        few = recorded(recorder, findings("few", FEW, events))
        many = recorded(recorder, findings("many", MANY, events))
        assert many < RATIO * few
    for alert in AlertStore(client, settings).find(AlertQuery(rule="burst")):
        before = "user/before-" in alert["group"][0]
        assert alert["count"] == len(alert["evidence"]["event_id"]) == EVENTS + (not before)


def test_alerts_are_linked_in_the_memory_of_a_few(
    client: OpenSearch, settings: Settings, limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_events(client, settings, range(MANY * EVENTS))
    alerts = [
        AlertEvents(
            f"alert-{number}",
            at(number * EVENTS),
            at((number + 1) * EVENTS - 1),
            tuple(map(event_id, range(number * EVENTS, (number + 1) * EVENTS))),
        )
        for number in range(MANY)
    ]

    def linked(several: Sequence[AlertEvents]) -> object:
        names = Names(settings.prefix)
        return Facts(NamedEvents(client, names.days)).linked(several)

    linked(alerts)  # what is kept for later calls, of so many texts at most, is there
    few, many = (peak(partial(linked, some)) for some in (alerts[:FEW], alerts))
    assert many < RATIO * few
    in_parts = linked(alerts)
    monkeypatch.setattr(facts_module, "HELD", MANY * EVENTS)
    assert linked(alerts) == in_parts
