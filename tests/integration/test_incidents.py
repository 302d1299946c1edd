"""Incidents of a sample's labelled attacks among ordinary activity, and of attacks by hand."""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.incidents import facts as facts_module
from detections.incidents import updater as updater_module
from detections.incidents.updater import IncidentUpdater
from detections.rule import LEVELS
from tests.helpers.commands import command
from tests.helpers.identities import role_arn, session, user
from tests.helpers.namespaces import own_namespace
from tests.helpers.schemas import require_listing
from tests.helpers.terminal import on_a_terminal
from tests.helpers.trails import backfill, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.sample import AttackLabel, SampleSpec, write_sample
from trailhound.settings import Settings

OFFICE = "198.51.100.7"
TOGETHER, CHAIN, HOME = "2025-03-20", "2025-03-25", "2025-03-30"
ROTATED, STAFF = "2025-04-04", "2025-04-08"
"""Days of the attacks by hand, away from the sample's."""
OPENED = f"{TOGETHER}T10:05:00Z"
"""When every session by hand was opened."""

Alerts = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class World:
    """A namespace with its events and alerts, and what the sample says about its attacks."""

    client: OpenSearch
    settings: Settings
    labels: tuple[AttackLabel, ...]

    @property
    def index(self) -> str:
        return Names(self.settings.prefix).alerts

    def alerts(self) -> Alerts:
        body = {
            "size": 1_000,
            "query": {"bool": {"must_not": {"exists": {"field": "merged_into"}}}},
        }
        self.client.indices.refresh(index=self.index)
        hits = self.client.search(index=self.index, body=body)["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change every alert behind the updater's back."""
        lines: list[Any] = []
        for name, alert in self.alerts().items():
            change(alert)
            lines += [{"index": {"_id": name}}, alert]
        reply = self.client.bulk(body=lines, index=self.index, params={"refresh": "true"})
        assert not reply["errors"]


def rights_for_oneself(name: str, day: str, minute: int, address: str = OFFICE) -> dict[str, Any]:
    policy = "arn:aws:iam::aws:policy/AdministratorAccess"
    return record(
        eventTime=f"{day}T10:{minute:02d}:00Z",
        eventName="AttachUserPolicy",
        userIdentity=user(name),
        sourceIPAddress=address,
        requestParameters={"userName": name, "policyArn": policy},
    )


def assumed(who: dict[str, Any], role: str, key: str, day: str, address: str) -> dict[str, Any]:
    return record(
        eventTime=f"{day}T10:05:00Z",
        eventSource="sts.amazonaws.com",
        eventName="AssumeRole",
        userIdentity=who,
        sourceIPAddress=address,
        requestParameters={"roleArn": role_arn(role)},
        responseElements={"credentials": {"accessKeyId": key}},
    )


def two_at_once() -> Iterator[dict[str, Any]]:
    """Two intruders in the same hour: one address, one role, one bucket."""
    for number, name in enumerate(("mallory", "trudy")):
        key = f"ASIA{name.upper()}"
        who = session("Ops", name, key=key, created=OPENED)
        yield rights_for_oneself(name, TOGETHER, number)
        yield assumed(user(name), "Ops", key, TOGETHER, OFFICE)
        yield record(
            eventTime=f"{TOGETHER}T10:{10 + number}:00Z",
            eventSource="cloudtrail.amazonaws.com",
            eventName="StopLogging",
            userIdentity=who,
            sourceIPAddress=OFFICE,
            requestParameters={"name": "management"},
        )
        for second in range(60):
            yield record(
                eventTime=f"{TOGETHER}T10:20:{second:02d}Z",
                eventSource="s3.amazonaws.com",
                eventName="GetObject",
                userIdentity=who,
                sourceIPAddress=OFFICE,
                requestParameters={"bucketName": "loot", "key": f"{name}/{second}"},
            )


def three_credentials() -> Iterator[dict[str, Any]]:
    """A key, a role assumed with it, a user created by that: each from an address of its own."""
    yield rights_for_oneself("robot", CHAIN, 0, "203.0.113.1")
    yield assumed(user("robot"), "Deploy", "ASIACHAIN", CHAIN, "203.0.113.1")
    who = session("Deploy", "ci", key="ASIACHAIN", created=OPENED)
    yield record(
        eventTime=f"{CHAIN}T10:10:00Z",
        userIdentity=who,
        sourceIPAddress="203.0.113.2",
        requestParameters={"userName": "ghost"},
    )
    yield record(
        eventTime=f"{CHAIN}T10:11:00Z",
        eventName="CreateAccessKey",
        userIdentity=who,
        sourceIPAddress="203.0.113.2",
        requestParameters={"userName": "ghost"},
        responseElements={"accessKey": {"userName": "ghost", "accessKeyId": "AKIAGHOST"}},
    )
    for minute, name in ((30, "StopLogging"), (31, "DeleteTrail")):
        yield record(
            eventTime=f"{CHAIN}T10:{minute}:00Z",
            eventSource="cloudtrail.amazonaws.com",
            eventName=name,
            userIdentity=user("ghost"),
            sourceIPAddress="203.0.113.3",
            requestParameters={"name": "management"},
        )


def sessions_of(role: str, day: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each asks for an instance's password, all from one address."""
    for number, name in enumerate(names):
        who = session(role.rsplit("/", 1)[-1], name, key=f"ASIA{name.upper()}", created=OPENED)
        who["sessionContext"]["sessionIssuer"]["arn"] = role_arn(role)
        yield record(
            eventTime=f"{day}T10:{number:02d}:00Z",
            eventSource="ec2.amazonaws.com",
            eventName="GetPasswordData",
            userIdentity=who,
            sourceIPAddress="203.0.113.20",
            requestParameters={"instanceId": f"i-{number:017x}"},
        )


ONE_ROLE = [f"s{number}" for number in range(6)]
PEOPLE = ["ada", "ben", "cora"]


@pytest.fixture(scope="module")
def world(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("incidents")
    with own_namespace(engine, home) as settings:
        spec = SampleSpec(events=6_000, days=4, accounts=1)
        sample = write_sample(home / "trail", spec)
        assert not sample.dropped_attacks
        at_home = [rights_for_oneself(name, HOME, 1, "203.0.113.9") for name in ("one", "two")]
        rotated = sessions_of("App", ROTATED, ONE_ROLE)
        staff = sessions_of("aws-reserved/sso.amazonaws.com/Staff", STAFF, PEOPLE)
        records = [*two_at_once(), *three_credentials(), *at_home, *rotated, *staff]
        by_hand = write_trail(home / "hand", records)
        backfill(settings, home / "trail", by_hand)
        done = command(settings, "detect", "--json")
        assert done.exit_code == 0, done.output
        yield World(connect(settings), settings, sample.attacks)


def incidents(alerts: Alerts) -> dict[str, set[str]]:
    found = defaultdict(set)
    for name, alert in alerts.items():
        found[alert["incident"]].add(name)
    return dict(found)


def of_day(alerts: Alerts, day: str) -> Alerts:
    return {name: each for name, each in alerts.items() if each["first_seen"].startswith(day)}


def test_each_labelled_attack_is_one_incident_with_all_of_it_and_nothing_else(
    world: World,
) -> None:
    alerts = world.alerts()
    everything = incidents(alerts)
    for label in world.labels:
        steps = {step.event_id for step in label.steps}
        touching = {
            name
            for name, each in alerts.items()
            if steps.intersection(each["evidence"]["event_id"])
        }
        (incident,) = {alerts[name]["incident"] for name in touching}
        assert everything[incident] == touching, label.name
        assert incident == min(touching, key=lambda name: (alerts[name]["first_seen"], name))
        covered = {event for name in touching for event in alerts[name]["evidence"]["event_id"]}
        times = sorted(step.event_time for step in label.steps if step.event_id in covered)
        shown = json.loads(command(world.settings, "incidents", "show", incident, "--json").stdout)
        require_listing(shown, "incidents show")
        assert shown["first_seen"][:19] == times[0][:19], label.name
        assert shown["last_seen"][:19] == times[-1][:19], label.name
        entries = [name for each in shown["timeline"] for name in (each["alert"], *each["twins"])]
        assert sorted(entries) == sorted(touching)
        assert shown["alerts"] == len(touching)
        advised = [shlex.split(each["command"]) for each in shown["containment"]["steps"]]
        keys = [words[4] for words in advised if words[2:3] == ["update-access-key"]]
        assert {key for key in shown["access_keys"] if key.startswith("AKIA")} <= {*keys}
        assert len(keys) == len({*keys}), label.name


def test_two_attacks_from_one_address_by_one_role_on_one_bucket_stay_two(world: World) -> None:
    alerts = of_day(world.alerts(), TOGETHER)
    found = incidents(alerts)
    names = sorted(
        sorted({name for alert in several for name in alerts[alert]["links"]["principal"]})
        for several in found.values()
    )
    assert names == [["Ops/mallory", "mallory"], ["Ops/trudy", "trudy"]]
    # An alert of both exists, and is one's; it says whose its events are.
    both = [name for name, each in alerts.items() if len(each["entity"]["principal"]) == 2]
    shown = json.loads(command(world.settings, "alerts", "show", both[0], "--json").stdout)
    named = {each["principal"] for each in shown["by_principal"]}
    assert named == {*alerts[both[0]]["entity"]["principal"]}
    assert sum(each["events"] for each in shown["by_principal"]) == shown["count"]


def test_one_attack_with_three_credentials_is_one(world: World) -> None:
    alerts = of_day(world.alerts(), CHAIN)
    (several,) = incidents(alerts).values()
    names = {name for alert in several for name in alerts[alert]["links"]["principal"]}
    assert names == {"robot", "Deploy/ci", "ghost"}
    # Nobody was told that the role was assumed: no alert has that call.
    assert all(call["name"] != "AssumeRole" for alert in alerts.values() for call in alert["calls"])


def test_sessions_of_one_role_are_one_principal_of_their_address(world: World) -> None:
    alerts = of_day(world.alerts(), ROTATED)
    names = {name for each in alerts.values() for name in each["links"]["principal"]}
    assert names == {f"App/{name}" for name in ONE_ROLE}
    assert len(incidents(alerts)) == 1
    staff = of_day(world.alerts(), STAFF)  # Identity Center names its sessions after people
    assert len(incidents(staff)) == len(PEOPLE)


def test_who_acts_for_the_first_time_in_an_account_with_a_history_is_new(world: World) -> None:
    """In an account whose events have just begun, nobody is."""

    def new(day: str) -> set[str]:
        return {
            name for each in of_day(world.alerts(), day).values() for name in each["links"]["new"]
        }

    assert new(TOGETHER) == set()
    assert new(HOME) == {"one", "two"}
    assert new(ROTATED) == {"App"}


def test_an_address_that_more_come_to_use_joins_nobody_any_more(
    world: World, tmp_path: Path
) -> None:
    before = of_day(world.alerts(), HOME)
    assert len(incidents(before)) == 1
    late = record(
        eventTime=f"{HOME}T20:00:00Z",
        eventName="ListUsers",
        userIdentity=user("three"),
        sourceIPAddress="203.0.113.9",
    )
    backfill(world.settings, write_trail(tmp_path / "late", [late], "late"))
    world.client.indices.refresh(index=Names(world.settings.prefix).days)

    def of_one_user(alert: dict[str, Any]) -> None:
        alert["incident_due"] = alert["links"]["principal"] == ["one"]

    world.change(of_one_user)
    IncidentUpdater(world.client, world.settings).run()
    after = of_day(world.alerts(), HOME)
    names = sorted(
        sorted({name for alert in several for name in after[alert]["links"]["principal"]})
        for several in incidents(after).values()
    )
    assert names == [["one"], ["two"]]


def test_alerts_of_the_last_release_are_joined_by_their_events(world: World) -> None:
    before = incidents(world.alerts())

    def without_links(alert: dict[str, Any]) -> None:
        for name in ("incident", "incident_due", "links"):
            del alert[name]

    world.change(without_links)
    assert command(world.settings, "incidents", "list").exit_code == 0
    IncidentUpdater(world.client, world.settings).run()
    assert incidents(world.alerts()) == before


def test_what_another_run_left_half_done_is_completed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = incidents(world.alerts())
    monkeypatch.setattr(updater_module, "AT_ONCE", 7)

    # All of wrong incidents, and of each some are due.
    def wrong(alert: dict[str, Any]) -> None:
        alert["incident"] = f"wrong-{alert['state']}"
        alert["incident_due"] = alert["severity"] > 7

    world.change(wrong)
    batches = iter((True, False))
    stopped = IncidentUpdater(world.client, world.settings).run(lambda: next(batches))
    assert 0 < stopped.due <= 7
    IncidentUpdater(world.client, world.settings).run()
    assert incidents(world.alerts()) == before
    assert IncidentUpdater(world.client, world.settings).run().due == 0


def test_how_much_is_read_at_once_makes_no_difference(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = incidents(world.alerts())
    monkeypatch.setattr(updater_module, "IDS_HELD", 40)
    monkeypatch.setattr(facts_module, "ADDRESSES", 1)

    def unjoined(alert: dict[str, Any]) -> None:
        alert["incident"] = alert["links"] = None
        alert["incident_due"] = True

    world.change(unjoined)
    batches = iter((True, False))
    first = IncidentUpdater(world.client, world.settings).run(lambda: next(batches))
    assert 0 < first.due < len(world.alerts())
    IncidentUpdater(world.client, world.settings).run()
    assert incidents(world.alerts()) == before


def test_several_runs_at_once_give_the_same(world: World) -> None:
    before = incidents(world.alerts())

    def wrong(alert: dict[str, Any]) -> None:
        alert["incident"] = "wrong" if alert["severity"] > 7 else alert["incident"]
        alert["incident_due"] = True

    world.change(wrong)
    with ThreadPoolExecutor(3) as pool:
        runs = [
            pool.submit(IncidentUpdater(connect(world.settings), world.settings).run)
            for _ in range(3)
        ]
        assert all(not run.result().refused for run in runs)
    IncidentUpdater(world.client, world.settings).run()
    assert incidents(world.alerts()) == before


def test_it_is_found_by_any_of_its_alerts_and_closing_it_closes_all(world: World) -> None:
    alerts = of_day(world.alerts(), CHAIN)
    (incident,) = incidents(alerts)
    some = max(alerts, key=lambda name: alerts[name]["last_seen"])
    shown = json.loads(command(world.settings, "incidents", "show", some[:10], "--json").stdout)
    assert (shown["id"], shown["state"]) == (incident, "open")
    one = command(world.settings, "alerts", "close", some, "--by", "ada")
    assert one.exit_code == 0
    raised = max(datetime.fromisoformat(each["@timestamp"]) for each in alerts.values())
    for seen in (f"{len(alerts) - 1}", f"{raised - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"):
        since = command(world.settings, "incidents", "close", incident, "--seen", seen, "--json")
        assert since.exit_code == 1
        (kept,) = json.loads(since.stdout)["not_changed"]
        assert kept["id"] == incident
        assert any(name[:8] in kept["reason"] for name in alerts)
        assert json.loads(since.stdout)["changed"] == []
    entire = ("--seen", f"{len(alerts)}")
    done = command(
        world.settings,
        *("incidents", "close", incident, *entire, "--as", "benign", "--by", "ada", "--json"),
    )
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert [each["state"] for each in said["incidents"]] == ["closed"]
    assert set(said["closed"]) == alerts.keys() - {some}
    listed = json.loads(command(world.settings, "incidents", "list", "--json").stdout)
    require_listing(listed, "incidents list")
    assert incident not in {each["id"] for each in listed["incidents"]}
    closed = command(world.settings, "incidents", "list", "--state", "closed", "--json")
    assert [each["id"] for each in json.loads(closed.stdout)["incidents"]] == [incident]
    again = command(world.settings, "incidents", "close", incident, "--by", "ada", "--json")
    assert json.loads(again.stdout)["closed"] == []
    close = ("incidents", "close", incident, "--as", "benign", "--by", "bob")
    of = f"of {len(alerts)} alerts closed"
    now = of_day(world.alerts(), CHAIN)
    dispositions = {each.get("disposition") for each in now.values()}
    assert dispositions == {"benign", None}, "one was closed by itself, without a disposition"
    ways = f"{len(alerts) - 1} as benign, by ada; 1 without a disposition, by ada"
    said_now = f"{incident} closed: 0 {of}; {len(alerts)} stay as closed before: {ways}\n"
    change = f"alerts close --all --incident {incident} --state closed --as benign"
    to_change = f"to change what they were closed as: trailhound {change}\n"
    assert command(world.settings, *close).stdout == said_now + to_change
    assert command(world.settings, *change.split(), "--yes", "--by", "eve").exit_code == 0
    now = of_day(world.alerts(), CHAIN)
    assert {each["disposition"] for each in now.values()} == {"benign"}
    assert command(world.settings, *close).stdout.count("\n") == 1, "there is nothing to change"
    assert command(world.settings, "incidents", "reopen", incident).exit_code == 0
    alone = ("alerts", "close", some, "--alone", "--as", "false-positive", "--by", "ada")
    assert command(world.settings, *alone).exit_code == 0
    said_now = f"{len(alerts) - 1} {of}; 1 stays as closed before: as false-positive, by ada\n"
    assert command(world.settings, *close).stdout == (
        f"{incident} closed as benign, by bob: {said_now}{to_change}"
    )
    assert command(world.settings, "incidents", "reopen", incident).exit_code == 0
    said_now = command(world.settings, *close).stdout
    assert said_now == f"{incident} closed as benign, by bob: all {len(alerts)} alerts closed\n"
    unknown = command(world.settings, "incidents", "close", "nosuchincident", "--by", "ada")
    assert "there is no incident nosuchincident" in str(unknown.exception)


def test_decisions_about_an_incident_are_about_each_of_its_alerts(world: World) -> None:
    alerts = of_day(world.alerts(), HOME)
    name = next(iter(incidents(alerts)))
    own = incidents(alerts)[name]

    def said(verb: str, *more: str) -> dict[str, Any]:
        done = command(world.settings, "incidents", verb, name, "--by", "ada", *more, "--json")
        assert done.exit_code == 0, done.output
        made: dict[str, Any] = json.loads(done.stdout)
        return made

    assert set(said("ack", "--note", "asking")["changed"]) == own
    assert said("ack")["incidents"][0]["state"] == "acknowledged"
    assert set(said("assign", "--to", "eve")["changed"]) == own
    assert {each["assignee"] for key, each in world.alerts().items() if key in own} == {"eve"}
    assert set(said("note", "--note", "a ticket")["changed"]) == own
    notes = [each["history"][-1] for key, each in world.alerts().items() if key in own]
    assert {each["note"] for each in notes} == {"a ticket"}
    empty = command(world.settings, "incidents", "note", name, "--note", " ")
    assert "the note is empty" in str(empty.exception)
    said("close", "--as", "benign")
    assert set(said("reopen")["changed"]) == own
    assert said("reopen")["incidents"][0]["state"] == "open"
    flat = command(world.settings, "alerts", "list", "--incident", name, "--json")
    assert {each["id"] for each in json.loads(flat.stdout)["alerts"]} == own


def test_within_a_level_what_was_done_comes_first_and_attempts_last(world: World) -> None:
    listed = command(world.settings, "incidents", "list", "--state", "all", "--json")
    found = json.loads(listed.stdout)["incidents"]
    several = [each for each in found if each["state"] != "closed"]
    times = {each["id"]: datetime.fromisoformat(each["last_seen"]).timestamp() for each in several}
    expected = sorted(
        several,
        key=lambda it: (
            *(-LEVELS.index(it["level"]), it["attempt"]),
            *(-len(it["succeeded"]["tactics"]), -it["succeeded"]["rules"]),
            *(-times[it["id"]], it["id"]),
        ),
    )
    assert [each["id"] for each in several] == [each["id"] for each in expected]
    assert len({len(each["succeeded"]["tactics"]) for each in several}) > 2
    scores = {each["level"]: each["severity"] for each in several}
    assert scores["low"] > scores["medium"], "a score is no level"
    attempts = {each["attempt"] for each in several}
    rows = on_a_terminal(world.settings, "incidents", "list", "--state", "all", "--all")
    assert ("(attempts)" in " ".join(rows.split())) == (True in attempts)


def test_on_a_terminal_alerts_are_folded_by_incident_and_lines_fit(world: World) -> None:
    (name,) = incidents(of_day(world.alerts(), CHAIN))
    listed = on_a_terminal(world.settings, "alerts", "list", "--state", "all")
    every = world.alerts()
    total = f"{len(every)} alerts of {len(incidents(every))} incidents: --flat shows each"
    assert listed.splitlines()[-1].rstrip() == total
    rows = on_a_terminal(world.settings, "incidents", "list", "--state", "all")
    assert "anomalous_activity (" in rows
    assert "incidents of one rule each in" in rows.splitlines()[-1]
    flat = on_a_terminal(world.settings, "alerts", "list", "--flat", "--state", "all")
    assert len(flat.splitlines()) > 2 * len(listed.splitlines())
    shown = on_a_terminal(world.settings, "incidents", "show", name)
    one = on_a_terminal(world.settings, "alerts", "show", name)
    for text in (listed, rows, flat, shown, one):
        # A policy in a command is one word, which is copied as it is.
        lines = [each for each in text.splitlines() if not each.lstrip().startswith("'{")]
        assert max(map(len, lines)) <= 80
    assert "access key" in shown
    assert re.search(
        r"^seen +from [\d-]{10} [\d:]{8} to [\d-]{10} [\d:]{8} UTC", shown, re.MULTILINE
    )
    assert f"trailhound events --incident {name}" in shown


def test_what_is_known_of_events_that_are_gone_stays(world: World) -> None:
    """The last one: the events of a day are gone afterwards."""
    before = incidents(of_day(world.alerts(), TOGETHER))
    world.client.indices.delete(index=Names(world.settings.prefix).day("2025.03.20"))
    world.change(lambda alert: alert.update(incident_due=True))
    IncidentUpdater(world.client, world.settings).run()
    assert incidents(of_day(world.alerts(), TOGETHER)) == before

    # Nothing is known of alerts of the last release.
    def without_links(alert: dict[str, Any]) -> None:
        for name in ("incident", "incident_due", "links"):
            del alert[name]

    world.change(without_links)
    IncidentUpdater(world.client, world.settings).run()
    alerts = of_day(world.alerts(), TOGETHER)
    assert {name: each["incident"] for name, each in alerts.items()} == {
        name: name for name in alerts
    }
