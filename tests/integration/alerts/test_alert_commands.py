"""Alerts are found, shown and changed by commands, whatever their events say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts import paging
from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from tests.helpers.commands import command
from tests.helpers.findings import (
    at,
    burst,
    put_events,
    single,
)
from tests.helpers.recorded_alerts import PLAIN
from trailhound.errors import UsageError
from trailhound.settings import Settings


def test_filters_find_what_they_name_on_every_page(
    client: OpenSearch,
    settings: Settings,
    recorder: Recorder,
    alert_store: AlertStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "PAGE", 2)
    put_events(client, settings, range(20))
    recorder.record([single(PLAIN.id, second) for second in range(3)])
    recorder.record([burst("burst", range(10, 15))])
    assert len(alert_store.find(AlertQuery(level="high"))) == 3
    assert len(alert_store.find(AlertQuery(rule="burst"))) == 1
    assert len(alert_store.find(AlertQuery(rule="title of BURST"))) == 1
    assert len(alert_store.find(AlertQuery(principal="ADA"))) == 4
    assert len(alert_store.find(AlertQuery(principal="arn:aws:iam::111122223333:user/ada"))) == 4
    assert len(alert_store.find(AlertQuery(principal="a*"))) == 4, "a pattern, as for events"
    assert alert_store.find(AlertQuery(principal="b*")) == []
    assert len(alert_store.find(AlertQuery(since=at(2)))) == 2
    assert [each["count"] for each in alert_store.find(AlertQuery(), limit=1)] == [5]


def test_a_list_past_its_limit_says_how_many_there_are(
    client: OpenSearch, settings: Settings, recorder: Recorder
) -> None:
    put_events(client, settings, range(5))
    recorder.record([single(PLAIN.id, second) for second in range(5)])
    some = command(settings, "alerts", "list", "--limit", "2", "--flat")
    assert "2 of 5 alerts shown: --limit N or --all for more" in some.output
    # What reads the rows of a pipe gets a warning beside them, also where notes are not wanted.
    lines = command(settings, "--quiet", "alerts", "list", "--limit", "2", "--output", "ndjson")
    assert len(lines.stdout.splitlines()) == 2
    assert "warning: only 2 of 5 alerts shown: --limit N or --all for more" in lines.stderr
    grouped = command(settings, "incidents", "list", "--limit", "1", "--json")
    of_incidents = json.loads(grouped.stdout)
    assert (of_incidents["total"] > 1) == of_incidents["more"]
    every = json.loads(command(settings, "alerts", "list", "--all", "--json").stdout)
    assert (len(every["alerts"]), every["total"], every["more"]) == (5, 5, False)
    two = json.loads(command(settings, "alerts", "list", "--limit", "2", "--json").stdout)
    assert (len(two["alerts"]), two["total"], two["more"]) == (2, 5, True)
    assert "shown" not in command(settings, "alerts", "list", "--all", "--limit", "2").output


def test_hostile_events_reach_neither_the_terminal_nor_the_mapping(
    client: OpenSearch, settings: Settings, recorder: Recorder
) -> None:
    name = "\x1b[2J\x1b]0;x\x07evil" + "A" * 5_000
    hostile: dict[str, Any] = {
        "user": {"name": name},
        "sourceIPAddress": "fe80::1%eth0",
        "source": {},
    }
    put_events(client, settings, [1], **hostile)
    group = (("userIdentity.arn", name * 8),)
    made = recorder.record([single("grouped", 1, group), single(PLAIN.id, 1)])
    assert len(made.created) == 2
    for arguments in (("list",), *(("show", each) for each in sorted(made.created))):
        shown = command(settings, "alerts", *arguments)
        assert shown.exit_code == 0, shown.output
        assert "\x1b" not in shown.stdout
        assert "evil" in shown.stdout


def test_the_commands(client: OpenSearch, settings: Settings, recorder: Recorder) -> None:
    put_events(client, settings, range(5))
    recorder.record([single(PLAIN.id, second) for second in range(3)])

    def reported(*arguments: str) -> dict[str, Any]:
        done = command(settings, "alerts", *arguments, "--json")
        assert done.exit_code == 0, done.output
        made: dict[str, Any] = json.loads(done.stdout)
        return made

    listed = reported("list", "--level", "high", "--limit", "2")
    assert (len(listed["alerts"]), listed["more"]) == (2, True)
    first, second = (each["id"] for each in listed["alerts"])
    (taken,) = reported("ack", first, "--by", "ada", "--note", "mine")["alerts"]
    assert (taken["state"], taken["state_by"]) == ("acknowledged", "ada")
    assert len(reported("close", first, second, "--by", "bob")["alerts"]) == 2
    assert [each["id"] for each in reported("list")["alerts"]] != [first]
    assert len(reported("list", "--state", "closed")["alerts"]) == 2
    assert len(reported("list", "--state", "all", "--since", "2025-03-01")["alerts"]) == 3
    shown = reported("show", first)
    assert shown["history"][1]["note"] == "mine"
    assert not {"counted", "group_key"} & set(shown)
    unknown = command(settings, "alerts", "show", "nothing").exception
    assert isinstance(unknown, UsageError)
    assert "there is no alert nothing" in unknown.message


@pytest.mark.parametrize("verb", ["ack", "close"])
def test_each_id_is_reported_and_all_are_looked_up_before_the_first_write(
    verb: str, client: OpenSearch, settings: Settings, recorder: Recorder
) -> None:
    put_events(client, settings, range(3))
    recorder.record([single(PLAIN.id, second) for second in range(3)])
    store = AlertStore(client, settings)
    first, second, third = (each["id"] for each in store.find(AlertQuery()))
    state = {"ack": "acknowledged", "close": "closed"}[verb]

    def changed(*ids: str) -> tuple[int, dict[str, Any]]:
        done = command(settings, "alerts", verb, *ids, "--by", "ada", "--json")
        return done.exit_code, json.loads(done.stdout)

    code, reported = changed(first, "nosuch", second, first, "nor-this")
    assert code == 1
    assert [(each["id"], each["state"]) for each in reported["alerts"]] == [
        (first, state),
        (second, state),
    ]
    assert [each["id"] for each in reported["not_changed"]] == ["nosuch", "nor-this"]
    assert all(each["reason"] for each in reported["not_changed"])
    assert store.get(third)["state"] == "open"
    # The same again, with what was missing put right, completes it.
    code, reported = changed(first, second, third)
    assert (code, reported["not_changed"]) == (0, [])
    people = command(settings, "alerts", verb, first, "nosuch", "--by", "ada")
    assert people.exit_code == 1
    assert f"{first} {state}" in people.output
    assert "nosuch was not changed: there is no alert with this id" in people.output
    # Where there is none of them, nothing was there to change.
    none = command(settings, "alerts", verb, "nosuch", "nor-this", "--by", "ada").exception
    assert isinstance(none, UsageError)
    assert "nosuch, nor-this" in none.message


def test_an_alert_closed_meanwhile_keeps_no_other_from_being_acknowledged(
    client: OpenSearch, settings: Settings, recorder: Recorder
) -> None:
    put_events(client, settings, range(2))
    recorder.record([single(PLAIN.id, second) for second in range(2)])
    store = AlertStore(client, settings)
    first, second = (each["id"] for each in store.find(AlertQuery()))
    store.close(first, "bob")
    done = command(settings, "alerts", "ack", first, second, "--by", "ada")
    assert done.exit_code == 1
    assert f"{second} acknowledged" in done.output
    assert f"{first} was not changed" in done.output
