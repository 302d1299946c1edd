"""Alerts reach people: once, at least once across a crash, at a bearable rate, and no old ones."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from opensearchpy import AuthorizationException, OpenSearch

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.finding import Finding
from detections.incidents.significance import NAMED
from detections.notify.channel_status import ChannelStatus, channel_statuses
from detections.notify.lanes import Lanes
from detections.notify.notifier import Notifier
from detections.rule import Attack
from ingest.sources.session import aws_session
from tests.helpers.commands import command
from tests.helpers.engines import remove_namespace
from tests.helpers.findings import emptied, event_id, put_events, rule, single
from tests.helpers.processes import run
from tests.helpers.queues import until
from tests.helpers.receiver import Received, Receiver
from tests.helpers.trails import own_settings, prepared
from trailhound.app.health.reasons import read_shared, readiness
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps

SECRET = "s3cr3t-t0ken"
NOW = datetime.now(UTC).replace(second=30, microsecond=0)
RECENT = NOW - timedelta(minutes=10)
RULES = {
    each.id: each
    for each in (
        rule("critical", level="critical", severity=10, attack=Attack(("defense-evasion",))),
        rule("high"),
        rule("medium", level="medium", severity=5, attack=Attack(("credential_access",))),
        rule("low", level="low", severity=3),
        *(rule(f"way-{number}", level="high") for number in range(14)),
        rule(max(NAMED), title="S3BucketPolicyChanges"),
        rule("by-user", title="pattern by user", kind="correlation", variant_of="pattern"),
        rule("by-address", title="pattern by address", kind="correlation", variant_of="pattern"),
    )
}


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert SECRET not in caplog.text


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


class House:
    """Alerts of a namespace and their notifications."""

    def __init__(self, engine: str, namespace: str, home: Path) -> None:
        self._place = engine, namespace, home
        self.settings = own_settings(engine, namespace, home)
        self.client: OpenSearch = connect(self.settings)

    def with_channels(
        self, *channels: dict[str, Any], lanes: Lanes | None = None, **limits: Any
    ) -> Notifier:
        notify = {"channels": list(channels), **limits}
        self.settings = own_settings(*self._place, notify=notify)
        return Notifier(self.client, self.settings, aws_session, lanes=lanes)

    def raise_alerts(self, rule_id: str, *seconds: int, start: datetime = RECENT) -> set[str]:
        put_events(self.client, self.settings, seconds, start)
        findings = [single(rule_id, second, start=start) for second in seconds]
        return Recorder(self.client, self.settings, RULES).record(findings).created

    def reported(self, name: str) -> dict[str, Any]:
        reported: dict[str, Any] = AlertStore(self.client, self.settings).get(name)["delivery"]
        return reported


@pytest.fixture(scope="module")
def one_house(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    namespace = f"t{uuid.uuid4().hex[:10]}"
    made = House(engine, namespace, tmp_path_factory.mktemp("home"))
    prepared(made.settings)
    yield made
    remove_namespace(engine, namespace)


@pytest.fixture
def house(one_house: House) -> House:
    emptied(one_house.client, one_house.settings)
    one_house.with_channels()
    return one_house


def hook(receiver: Receiver, **given: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{receiver.port}/{SECRET}"
    return {"name": "hook", "kind": "webhook", "url": url, "secret": SECRET, "timeout": 60} | given


def keys(receiver: Receiver, kind: str = "alert") -> list[str]:
    return [each.json["id"] for each in receiver.received if each.json["kind"] == kind]


def test_each_alert_once_by_level_and_tactic(house: House, receiver: Receiver) -> None:
    critical, high = house.raise_alerts("critical", 1), house.raise_alerts("high", 2)
    medium, low = house.raise_alerts("medium", 3), house.raise_alerts("low", 4)
    with Receiver() as other:
        notifier = house.with_channels(
            hook(receiver),
            hook(other, name="tactics", level="low", tactics=["Credential Access"]),
        )
        report = notifier.deliver(NOW)
        assert report.sent == {"hook": 3, "tactics": 1}
        assert not notifier.deliver(NOW).sent
        assert not house.with_channels(hook(receiver)).deliver(NOW).sent
        assert keys(receiver) == [*critical, *high, *medium], "the most severe first"
        assert keys(other) == [*medium]
    (name,) = medium
    assert {channel: each["state"] for channel, each in house.reported(name).items()} == {
        "hook": "sent",
        "tactics": "sent",
    }
    (unsent,) = low
    assert house.reported(unsent) == {}
    (alert,) = [each.json["alert"] for each in receiver.received if each.json["id"] == name]
    assert alert["evidence"]["event_id"] == [event_id(3)]
    assert not {"counted", "delivery", "group_key", "history"} & set(alert)


def test_a_message_says_which_key_was_used_from_where_and_with_what(
    house: House, receiver: Receiver
) -> None:
    put_events(
        house.client,
        house.settings,
        [1],
        RECENT,
        userIdentity={"arn": "arn:aws:iam::111122223333:user/ada", "accessKeyId": "AKIAEXAMPLE"},
        geolocation={"country": "Chile", "asn": 64500, "as_org": "Example"},
        userAgent="aws-cli/2\n\u202ehttps://example.com",
    )
    recorder = Recorder(house.client, house.settings, RULES)
    (name,) = recorder.record([single("high", 1, start=RECENT)]).created
    house.with_channels(hook(receiver)).deliver(NOW)
    (message,) = [each.json for each in receiver.received]
    assert message["alert"]["origin"] == {
        "access_keys": ["AKIAEXAMPLE"],
        "addresses": [
            {"address": "198.51.100.7", "country": "Chile", "network": "AS64500 Example"}
        ],
        "tools": ["aws-cli/2  https://example.com"],
    }
    for line in (
        "Address: 198.51.100.7 (Chile, AS64500 Example)",
        "Access key: AKIAEXAMPLE",
        "Tool: aws-cli/2  https[:]//example.com",
        f"Continue with `trailhound alerts show {name}`",
    ):
        assert line in message["text"]


def test_an_attempt_that_succeeds_later_is_sent_again_at_its_level(
    house: House, receiver: Receiver
) -> None:
    grouped = rule("medium", kind="correlation", level="medium", severity=5)
    recorder = Recorder(house.client, house.settings, {"medium": grouped})
    call = {"eventName": "PutKeyPolicy"}
    put_events(house.client, house.settings, [1], RECENT, errorCode="AccessDenied", **call)
    put_events(house.client, house.settings, [2], RECENT, event={"outcome": "success"}, **call)
    tried = single("medium", 1, start=RECENT)
    both = replace(tried, events=(event_id(1), event_id(2)), count=2)
    both = replace(both, last_seen=single("medium", 2, start=RECENT).last_seen)
    (name,) = recorder.record([tried]).created
    notifier = house.with_channels(hook(receiver, level="low"))
    assert notifier.deliver(NOW).sent == {"hook": 1}
    recorder.record([both])
    for sent in ({"hook": 1}, {}):
        assert notifier.deliver(NOW).sent == sent
    first, second = (each.json for each in receiver.received)
    assert (first["id"], first["level"]) == (name, "low")
    assert first["subject"] == "[low, attempt] Title of medium: ada"
    assert (second["id"], second["level"]) == (f"{name}-medium", "medium")
    assert second["alert"]["id"] == name
    assert "Raised from low: a call succeeded." in second["text"]
    assert house.reported(name)["hook"]["level"] == "medium"


def test_an_attempt_that_succeeds_at_the_same_level_is_sent_again(
    house: House, receiver: Receiver
) -> None:
    """As one of a rule whose attempts are as severe: the message about it said that it failed."""
    alarm = rule("alarm", kind="correlation", level="critical", severity=10, lower_attempts=False)
    recorder = Recorder(house.client, house.settings, {"alarm": alarm})
    call = {"eventName": "StopLogging"}
    put_events(house.client, house.settings, [1], RECENT, errorCode="AccessDenied", **call)
    put_events(house.client, house.settings, [2, 3], RECENT, event={"outcome": "success"}, **call)
    tried = single("alarm", 1, start=RECENT)
    both = replace(tried, events=(event_id(1), event_id(2)), count=2)
    both = replace(both, last_seen=single("alarm", 2, start=RECENT).last_seen)
    (name,) = recorder.record([tried]).created
    in_one_incident(house, {name})
    notifier = house.with_channels(hook(receiver))
    assert notifier.deliver(NOW).sent == {"hook": 1}
    recorder.record([both])
    for sent in ({"hook": 1}, {}):
        assert notifier.deliver(NOW).sent == sent
    first, second = (each.json for each in receiver.received)
    assert (first["subject"], second["subject"]) == (
        "[critical, attempt] Title of alarm: ada",
        "[critical] Title of alarm: ada",
    )
    assert (first["id"], second["id"]) == (name, f"{name}-critical")


def test_an_alert_that_grows_or_is_closed_is_not_told_again(
    house: House, receiver: Receiver
) -> None:
    (first,) = house.raise_alerts("high", 1)
    (closed,) = house.raise_alerts("high", 2)
    AlertStore(house.client, house.settings).close(closed, "ada")
    notifier = house.with_channels(hook(receiver))
    notifier.deliver(NOW)
    AlertStore(house.client, house.settings).acknowledge(first, "ada")
    notifier.deliver(NOW)
    assert keys(receiver) == [first]


def test_a_crash_between_sending_and_marking_sends_again_under_the_same_key(
    house: House, receiver: Receiver
) -> None:
    """The receiver takes the message; whoever sent it dies before it can write that down."""

    class Killed(BaseException):
        pass

    (name,) = house.raise_alerts("high", 1)
    notifier = house.with_channels(hook(receiver))
    opened = notifier.channel(house.settings.notify.channels[0])
    send = opened.send

    def send_and_die(message: Any) -> None:
        send(message)
        raise Killed

    opened.send = send_and_die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        notifier.deliver(NOW)
    assert house.with_channels(hook(receiver)).deliver(NOW).sent == {"hook": 1}
    assert keys(receiver) == [name, name]
    assert not house.with_channels(hook(receiver)).deliver(NOW).sent


def test_what_was_sent_and_cannot_be_recorded_is_sent_once_and_holds_nothing_up(
    house: House, receiver: Receiver
) -> None:
    """As while a full disk blocks the index of alerts."""
    critical, high = house.raise_alerts("critical", 1), house.raise_alerts("high", 2)
    alerts = Names(house.settings.prefix).alerts
    with Receiver() as other:
        notifier = house.with_channels(hook(receiver), hook(other, name="other"))
        house.client.indices.put_settings(index=alerts, body={"index.blocks.write": True})
        try:
            for _ in range(3):
                with pytest.raises(AuthorizationException):
                    notifier.deliver(NOW)
        finally:
            house.client.indices.put_settings(index=alerts, body={"index.blocks.write": None})
        assert keys(receiver) == keys(other) == [*critical, *high]
        assert not notifier.deliver(NOW).sent
        assert keys(receiver) == keys(other) == [*critical, *high]
    for name in critical | high:
        assert {each["state"] for each in house.reported(name).values()} == {"sent"}


def in_one_incident(house: House, *alerts: set[str]) -> None:
    """As the updater joins them."""
    names = sorted(set().union(*alerts))
    index = Names(house.settings.prefix).alerts
    for name in names:
        body = {"doc": {"incident": names[0], "incident_due": False}}
        house.client.update(index=index, id=name, body=body, params={"refresh": "true"})


def test_an_incident_is_one_message_and_one_more_when_it_is_more_severe(
    house: House, receiver: Receiver
) -> None:
    high, medium = house.raise_alerts("high", 1, 2), house.raise_alerts("medium", 3)
    in_one_incident(house, high, medium)
    notifier = house.with_channels(hook(receiver))
    assert notifier.deliver(NOW).sent == {"hook": 1}
    (first,) = receiver.received
    assert first.json["level"] == "high"
    assert first.json["alert"]["of_incident"]["alerts"] == 3
    assert "Also in this incident (3 alerts" in first.json["text"]
    assert "- medium: Title of medium" in first.json["text"]
    (folded,) = (house.reported(name)["hook"] for name in medium)
    assert (folded["state"], folded["into"]) == ("folded", first.json["alert"]["id"])
    # Another alert of no higher level needs none; one above does.
    more = house.raise_alerts("high", 4)
    in_one_incident(house, high, medium, more)
    assert not notifier.deliver(NOW).sent
    worst = house.raise_alerts("critical", 5)
    in_one_incident(house, high, medium, more, worst)
    assert notifier.deliver(NOW).sent == {"hook": 1}
    assert keys(receiver)[1:] == sorted(worst)
    assert not house.with_channels(hook(receiver)).deliver(NOW).sent
    # What goes on after it was closed is told.
    store = AlertStore(house.client, house.settings)
    for name in high | medium | more | worst:
        store.close(name, "ada")
    again = house.raise_alerts("medium", 6)
    in_one_incident(house, high, medium, more, worst, again)
    before = len(receiver.received)
    assert notifier.deliver(NOW).sent == {"hook": 1}
    (message,) = [each.json for each in receiver.received[before:]]
    closed = message["alert"]["closed_before"]
    assert (closed["by"], closed["most_severe"]["level"]) == (["ada"], "critical")
    assert f"goes on after it was closed: {closed['alerts']} of its alerts are" in message["text"]


def test_the_key_of_an_incident_stays_when_its_id_changes(house: House, receiver: Receiver) -> None:
    index = Names(house.settings.prefix).alerts
    notifier = house.with_channels(hook(receiver))
    minutes = itertools.count()

    def told(incident: str, *alerts: set[str]) -> tuple[str, str]:
        """The id and the key of the incident in the next message, once these are joined in it."""
        for name in set().union(*alerts):
            body = {"doc": {"incident": incident, "incident_due": False}}
            house.client.update(index=index, id=name, body=body, params={"refresh": "true"})
        assert notifier.deliver(NOW + timedelta(minutes=next(minutes))).sent == {"hook": 1}
        alert = receiver.received[-1].json["alert"]
        return alert["incident"], alert["incident_key"]

    first = house.raise_alerts("medium", 1)
    assert told("b", first) == ("b", "b")
    worse = house.raise_alerts("high", 2)
    assert told("a", first, worse) == ("a", "b")
    other = house.raise_alerts("medium", 3)
    assert told("0", other) == ("0", "0")
    for name in (*first, *worse):
        AlertStore(house.client, house.settings).close(name, "ada")
    worst = house.raise_alerts("critical", 4)
    assert told("0", first, worse, other, worst) == ("0", "b"), "the one that was told first"


def test_an_incident_that_goes_on_by_other_rules_is_sent_again_once_a_rule(
    house: House, receiver: Receiver
) -> None:
    made = house.raise_alerts("critical", 1)
    notifier = house.with_channels(hook(receiver))

    def sent(*rules: str) -> dict[str, Any] | None:
        """The message of a run after another alert of each of these rules, if there is one."""
        nonlocal made
        for rule_id in rules:
            made |= house.raise_alerts(rule_id, len(made) + 1)
        in_one_incident(house, made)
        before = len(receiver.received)
        notifier.deliver(NOW)
        several = [each.json for each in receiver.received[before:]]
        assert len(several) <= 1
        return several[0] if several else None

    first = sent()
    assert first is not None
    incident = first["alert"]["incident"]
    assert "You get another message about this incident only if it becomes" in first["text"]
    assert f"`trailhound incidents show {incident}`" in first["text"]
    assert sent("critical", "medium") is None, "of a rule that was named, and below high"
    both = sent("way-1", "way-2", "medium")
    assert both is not None
    assert both["alert"]["of_incident"]["earlier_message"] == first["id"]
    assert f"there was a message about alert {first['id']} of it" in both["text"]
    assert {"Title of way-1", "Title of way-2"} <= {
        both["alert"]["rule"]["name"],
        *(each["rule"] for each in both["alert"]["of_incident"]["others"]),
    }
    assert sent("way-1", "way-2", "critical") is None
    # A new notifier knows it from what is recorded.
    notifier = house.with_channels(hook(receiver))
    assert sent("way-2", "critical") is None
    folded = [name for name in made if house.reported(name)["hook"]["state"] == "folded"]
    shown = run(house.settings, "alerts", "show", folded[0]).stdout.decode()
    said = " ".join(shown.split())
    assert f"there was one about alert {house.reported(folded[0])['hook']['into']}" in said
    assert f"and its incident {min(made)}" in said


def test_a_message_about_an_alarm_says_what_happened(house: House, receiver: Receiver) -> None:
    """By another alert of the call, also if the channel does not take that one."""
    put_events(house.client, house.settings, [1], RECENT, eventName="PutBucketLifecycle")
    alarm, says = (single(each, 1, start=RECENT) for each in (max(NAMED), "medium"))
    recorder = Recorder(house.client, house.settings, RULES)
    (lead,), (other,) = (recorder.record([each]).created for each in (alarm, says))
    in_one_incident(house, {lead, other})
    assert house.with_channels(hook(receiver, level="high")).deliver(NOW).sent == {"hook": 1}
    (message,) = [each.json for each in receiver.received]
    assert message["subject"] == "[high] Title of medium (S3BucketPolicyChanges): ada"
    assert (message["id"], message["alert"]["explained_by"]["id"]) == (lead, other)
    assert "HIGH: Title of medium (S3BucketPolicyChanges)" in message["text"]
    listed = json.loads(command(house.settings, "incidents", "list", "--json").stdout)
    (incident,) = listed["incidents"]
    assert (incident["title"], incident["alert"]) == ("Title of medium", other)


def test_every_rule_of_a_large_incident_is_named_by_a_message(
    house: House, receiver: Receiver
) -> None:
    rules = [f"way-{number}" for number in range(14)]
    many = set().union(*(house.raise_alerts("way-0", *range(100, 112)) for _ in "x"))
    names = set().union(*(house.raise_alerts(each, n) for n, each in enumerate(rules))) | many
    in_one_incident(house, names)
    notifier = house.with_channels(hook(receiver))
    assert notifier.deliver(NOW).sent == {"hook": 1}
    (status,) = channel_statuses(house.client, house.settings)
    assert status.waiting == 3
    assert notifier.deliver(NOW).sent == {"hook": 1}
    assert not notifier.deliver(NOW).sent
    named = {
        title
        for each in receiver.received
        for title in (
            each.json["alert"]["rule"]["name"],
            *(it["rule"] for it in each.json["alert"]["of_incident"]["others"]),
        )
    }
    assert named == {f"Title of {each}" for each in rules}
    states = Counter(house.reported(name)["hook"]["state"] for name in names)
    assert states == {"sent": 2, "folded": len(names) - 2}


def test_a_run_that_ends_after_an_incident_was_told_tells_it_no_other_way(
    house: House, receiver: Receiver
) -> None:
    names = house.raise_alerts("high", 1, 2, 3)
    in_one_incident(house, names)
    notifier = house.with_channels(hook(receiver))
    assert notifier.deliver(NOW).sent == {"hook": 1}
    # As if it had ended before the others were recorded.
    index = Names(house.settings.prefix).alerts
    for name in names:
        if house.reported(name)["hook"]["state"] == "folded":
            document = house.client.get(index=index, id=name)["_source"]
            del document["delivery"]
            house.client.index(index=index, id=name, body=document, params={"refresh": "true"})
    assert not house.with_channels(hook(receiver)).deliver(NOW).sent
    assert {house.reported(name)["hook"]["state"] for name in names} == {"sent", "folded"}


def test_a_message_for_each_alert_is_a_setting(house: House, receiver: Receiver) -> None:
    names = house.raise_alerts("high", 1, 2)
    in_one_incident(house, names)
    notifier = house.with_channels(hook(receiver), one_message_per="alert")
    assert notifier.deliver(NOW).sent == {"hook": 2}
    assert set(keys(receiver)) == names


def test_a_channel_that_fails_is_tried_later_and_holds_no_other_up(house: House) -> None:
    down = [True]

    def answer(_: Received) -> int:
        return 503 if down[0] else 200

    names = house.raise_alerts("high", *range(5))
    with Receiver(answer) as weak, Receiver() as well:
        notifier = house.with_channels(hook(weak), hook(well, name="well"))
        report = notifier.deliver(NOW)
        assert report.failed == {"hook": 3}, "three in a row, and it is left alone"
        assert report.sent == {"well": 5}
        assert not notifier.deliver(NOW + timedelta(seconds=59)).failed, "it is paused"
        again = house.with_channels(hook(weak)).deliver(NOW + timedelta(seconds=1))
        assert again.failed == {"hook": 2}, "no other before its time"
        (waiting,) = {
            json.dumps(house.reported(name)["hook"]) for name in names if name in keys(weak)[:1]
        }
        assert json.loads(waiting)["state"] == "pending"
        assert "503" in json.loads(waiting)["error"]
        down[0] = False
        before = len(weak.received)
        # A day and more later: what was once tried is not taken for history.
        report = notifier.deliver(NOW + timedelta(hours=30))
        assert report.sent == {"hook": 5}
        assert set(keys(weak)[before:]) == names


def test_a_message_is_given_up_on_in_the_end_and_that_stays_written(house: House) -> None:
    (name,) = house.raise_alerts("high", 1)
    with Receiver(lambda _: 400) as receiver:
        notifier = house.with_channels(hook(receiver), give_up_after_hours=1)
        assert notifier.deliver(NOW).failed == {"hook": 1}
        report = notifier.deliver(NOW + timedelta(hours=2))
        assert report.given_up == {"hook": 1}
        assert not notifier.deliver(NOW + timedelta(hours=4)).failed
    reported = house.reported(name)["hook"]
    assert (reported["state"], reported["attempts"]) == ("failed", 2)


def test_a_channel_whose_alerts_were_given_up_is_not_ready_until_it_delivers(
    house: House,
) -> None:
    answers = {"status": 400}

    def reasons() -> list[str]:
        found = readiness(read_shared(house.client, house.settings), house.settings).reasons
        return [each.message for each in found if each.code == "channel"]

    def give_up(receiver: Receiver, *seconds: int) -> ChannelStatus:
        house.raise_alerts("high", *seconds)
        for hours in (0, 2):  # a new notifier each time, as after a restart
            notifier = house.with_channels(
                hook(receiver), give_up_after_hours=1, one_message_per="alert"
            )
            notifier.deliver(NOW + timedelta(hours=hours))
        house.with_channels(hook(receiver)).deliver(NOW + timedelta(hours=4))
        (status,) = channel_statuses(house.client, house.settings)
        return status

    with Receiver(lambda _: answers["status"]) as receiver:
        env = {"TRAILHOUND_NOTIFY__CHANNELS": json.dumps([hook(receiver)])}
        status = give_up(receiver, 1, 2)
        assert (status.waiting, status.given_up) == (0, 2)
        assert datetime.fromisoformat(status.given_up_since) == NOW + timedelta(hours=2)
        (said,) = reasons()
        assert "the channel hook has delivered nothing since 2 alerts were given up" in said
        shown = command(house.settings, "status", "--json", env=env)
        assert said in [each["message"] for each in json.loads(shown.stdout)["reasons"]]
        checked = command(house.settings, "doctor", "--json", env=env)
        facts = {it["what"]: it for it in json.loads(checked.stdout)["findings"]}
        assert facts["channel hook"]["verdict"] == "failed"
        assert said in facts["channel hook"]["fact"]

        failed = command(house.settings, "notify", "test", "hook", env=env)
        assert failed.exit_code == 1
        assert reasons() == [said], "a test that is refused makes no other reason"
        answers["status"] = 204
        away = env | {"TRAILHOUND_CLUSTER__HOSTS": '["http://127.0.0.1:1"]'}
        alone = command(house.settings, "notify", "test", "hook", env=away)
        assert (alone.exit_code, alone.stdout) == (0, "hook: delivered\n")
        assert "not recorded" in alone.stderr
        delivered = command(house.settings, "notify", "test", "hook", env=env)
        assert (delivered.exit_code, reasons()) == (0, [])

        answers["status"] = 400
        status = give_up(receiver, 3)
        assert (status.given_up, len(reasons())) == (1, 1)
        answers["status"] = 204
        house.raise_alerts("high", 50)
        notifier = house.with_channels(hook(receiver), one_message_per="alert")
        notifier.deliver(NOW + timedelta(hours=5))
        assert reasons() == []


def test_what_is_over_the_rate_waits_and_is_counted_and_nothing_is_lost(
    house: House, receiver: Receiver
) -> None:
    critical = house.raise_alerts("critical", 100, 101)
    names = house.raise_alerts("high", *range(10)) | critical
    notifier = house.with_channels(hook(receiver), per_minute=5)
    report = notifier.deliver(NOW)
    assert (report.sent["hook"], report.held["hook"]) == (5, 7)
    assert set(keys(receiver)[:2]) == critical, "the most severe first"
    again = house.with_channels(hook(receiver), per_minute=5).deliver(NOW + timedelta(seconds=20))
    assert (again.sent["hook"], again.held["hook"]) == (0, 7), "the minute is everybody's"
    (digest,) = [each.json for each in receiver.received if each.json["kind"] == "digest"]
    assert (digest["held_back"], digest["levels"]) == (7, {"high": 7})
    for minute in (1, 2, 3):
        notifier.deliver(NOW + timedelta(minutes=minute))
    assert Counter(keys(receiver)) == dict.fromkeys(names, 1)
    assert len(keys(receiver, "digest")) == 2


def test_history_is_not_told(house: House, receiver: Receiver) -> None:
    house.raise_alerts("critical", 1, start=NOW - timedelta(hours=25))
    (new,) = house.raise_alerts("critical", 2)
    house.with_channels(hook(receiver), max_age_hours=24).deliver(NOW)
    assert keys(receiver) == [new]
    house.with_channels(hook(receiver, name="later"), max_age_hours=26).deliver(NOW)
    assert len(keys(receiver)) == 3


def test_a_digest_of_learning_rules_that_fails_pauses_the_channel(house: House) -> None:
    """It is tried again after a minute, as other messages are, and not each time rules run."""
    put_events(house.client, house.settings, [1], RECENT)
    found = replace(single("high", 1, start=RECENT), learning="found while learning")
    Recorder(house.client, house.settings, RULES).record([found])
    with Receiver(lambda _: 503) as weak:
        notifier = house.with_channels(hook(weak))
        for seconds in (0, 5, 59):
            notifier.deliver(NOW + timedelta(seconds=seconds))
        assert keys(weak, "digest") == [f"learning-hook-{NOW:%F}"]
        notifier.deliver(NOW + timedelta(seconds=61))
        assert len(keys(weak, "digest")) == 2
    (status,) = channel_statuses(house.client, house.settings)
    assert (status.waiting, status.last_delivery) == (1, "")
    assert "503" in status.last_error


def test_neither_learning_alerts_nor_refused_ones_hold_up_others(house: House) -> None:
    """A run reads a limited number of alerts; what can't be sent now takes no place among them."""
    found = [replace(single("critical", n, start=RECENT), learning="too early") for n in range(4)]
    put_events(house.client, house.settings, range(4), RECENT)
    Recorder(house.client, house.settings, RULES).record(found)
    refused = house.raise_alerts("critical", 10, 11)
    (low,) = house.raise_alerts("low", 20)

    def answer(request: Received) -> int:
        alert = request.json.get("alert") or {}
        return 400 if alert.get("level") == "critical" else 200

    with Receiver(answer) as hook_of:
        house.with_channels(hook(hook_of, level="low"))
        notifier = Notifier(house.client, house.settings, aws_session, most=3)
        notifier.deliver(NOW)
        assert set(keys(hook_of)) == {*refused, low}
        assert keys(hook_of)[-1] == low
        (later,) = house.raise_alerts("low", 30)
        notifier.deliver(NOW + timedelta(seconds=5))
        assert keys(hook_of)[-1] == later
        digests = [each.json for each in hook_of.received if each.json["kind"] == "digest"]
    assert [each["learning"] for each in digests] == [2]
    assert digests[0]["text"].startswith("At least 2 alerts of rules")


def test_what_waits_is_not_taken_for_history(house: House, receiver: Receiver) -> None:
    names = house.raise_alerts("critical", 1, 2, start=NOW - timedelta(hours=23))
    notifier = house.with_channels(hook(receiver), per_minute=1)
    notifier.deliver(NOW)
    notifier.deliver(NOW + timedelta(hours=10))
    assert set(keys(receiver)) == names


def test_what_a_channel_could_not_be_offered_is_not_taken_for_history(
    house: House, receiver: Receiver, tmp_path: Path
) -> None:
    """No daemon runs for days, or the channel cannot be opened: its alerts are late, not old."""
    file = tmp_path / "url"
    unopened = hook(receiver, name="later") | {"url": None, "url_file": str(file)}
    notifier = house.with_channels(hook(receiver), unopened)
    assert notifier.deliver(NOW).broken.keys() == {"later"}
    missed = house.raise_alerts("critical", 1, start=NOW + timedelta(minutes=1))
    old = house.raise_alerts("critical", 2, start=NOW - timedelta(hours=48))
    assert house.with_channels(hook(receiver)).deliver(NOW + timedelta(hours=60)).sent == {
        "hook": 1
    }
    assert set(keys(receiver)) == missed
    file.write_text(f"http://127.0.0.1:{receiver.port}/{SECRET}")
    after = house.with_channels(hook(receiver), unopened).deliver(NOW + timedelta(hours=61))
    assert after.sent == {"later": 1}
    assert old.isdisjoint(keys(receiver))


def test_what_rules_find_late_is_not_taken_for_history(house: House, receiver: Receiver) -> None:
    notifier = house.with_channels(hook(receiver))
    notifier.deliver(NOW)
    now = NOW + timedelta(hours=60)
    notifier.deliver(now, caught_up=NOW)
    found = house.raise_alerts("critical", 1, start=NOW + timedelta(minutes=1))
    assert notifier.deliver(now, caught_up=NOW + timedelta(hours=1)).sent == {"hook": 1}
    assert set(keys(receiver)) == found
    notifier.deliver(now, caught_up=now)
    house.raise_alerts("critical", 2, start=NOW + timedelta(hours=2))
    assert not notifier.deliver(now, caught_up=NOW).sent, "what was offered once stays offered"


def test_an_alert_that_is_closed_while_others_are_sent_is_not_sent(house: House) -> None:
    names = house.raise_alerts("high", 1, 2)

    def answer(got: Received) -> int:
        for other in names - {got.json["id"]}:
            AlertStore(house.client, house.settings).close(other, "ada")
        return 200

    with Receiver(answer) as receiver:
        house.with_channels(hook(receiver)).deliver(NOW)
        assert len(keys(receiver)) == 1


def test_a_slow_channel_delays_no_other_channel_and_no_later_run(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent twice meanwhile, new settings included; what is new and more severe is not
    behind all that the channel still has."""
    monkeypatch.setattr("detections.notify.lanes.ENDS_AFTER", 0.0)
    first, lanes, answers = house.raise_alerts("high", 1, 2), Lanes(), threading.Event()
    limits: dict[str, Any] = {"lanes": lanes, "one_message_per": "alert", "per_minute": 3}

    def answer(_: Received) -> int:
        return 200 if answers.wait(20) else 503

    with Receiver(answer) as slow:
        channels = hook(slow, name="slow"), hook(receiver)
        notifier = house.with_channels(*channels, **limits)
        notifier.deliver(NOW, wait=0)
        lanes.wait(["hook"])
        assert set(keys(receiver)) == first
        until(lambda: len(slow.received) == 1, "the first message")
        status = channel_statuses(house.client, house.settings)
        assert [each.waiting for each in status] == [2, 0]
        (worst,) = house.raise_alerts("critical", 3)
        report = house.with_channels(*channels, **limits).deliver(NOW)
        assert (keys(receiver)[2:], report.sent) == ([worst], {"hook": 3})
        answers.set()
        lanes.wait()
        assert (keys(slow), set(keys(slow)) < first) == (keys(slow)[:1], True)
        assert notifier.deliver(NOW).sent == {"slow": 3}, "what was not sent is not in its rate"
        assert keys(slow)[1] == worst
        assert Counter(keys(slow)) == Counter([*first, worst])
    for name in (*first, worst):
        assert {each["state"] for each in house.reported(name).values()} == {"sent"}


def test_channels_that_deliver_at_once_all_record_it(house: House, receiver: Receiver) -> None:
    """In the same alerts: those that a message covers, and those of the learning period."""
    names = house.raise_alerts("high", *range(40))
    in_one_incident(house, names)
    put_events(house.client, house.settings, range(50, 60), RECENT)
    found = [replace(single("critical", n, start=RECENT), learning="early") for n in range(50, 60)]
    learning = Recorder(house.client, house.settings, RULES).record(found).created
    channels = [f"hook-{number}" for number in range(4)]
    house.with_channels(*(hook(receiver, name=each) for each in channels)).deliver(NOW)
    assert len(keys(receiver)) == len(channels)
    for name in names:
        assert house.reported(name).keys() == set(channels)
    for name in learning:
        states = {channel: each["state"] for channel, each in house.reported(name).items()}
        assert states == dict.fromkeys(channels, "learning")


def test_a_broken_channel_holds_no_other_up(house: House, receiver: Receiver) -> None:
    house.raise_alerts("high", 1)
    broken = {"name": "broken", "kind": "apprise", "url": f"pigeon://{SECRET}"}
    report = house.with_channels(broken, hook(receiver)).deliver(NOW)
    assert "apprise" in report.broken["broken"]
    assert report.sent == {"hook": 1}


def test_sns_topics_reach_their_queues(house: House, s3_endpoint: str) -> None:
    """Standard and FIFO topics of another region than the settings', with what programs need."""
    names = house.raise_alerts("medium", 1) | house.raise_alerts("critical", 2)
    sns = boto3.client("sns", endpoint_url=s3_endpoint, region_name="eu-west-1")
    sqs = boto3.client("sqs", endpoint_url=s3_endpoint, region_name="eu-west-1")
    channels, queues = [], []
    for suffix, attributes in (("", {}), (".fifo", {"FifoQueue": "true"})):
        name = f"alerts-{uuid.uuid4().hex[:8]}{suffix}"
        fifo = {"FifoTopic": "true"} if suffix else {}
        topic = sns.create_topic(Name=name, Attributes=fifo)["TopicArn"]
        queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
        channels.append({"name": f"sns{suffix.strip('.')}", "kind": "sns", "topic": topic})
        queues.append(queue)
    notifier = house.with_channels(*channels)
    house.settings = house.settings.model_copy(
        update={"aws": house.settings.aws.model_copy(update={"endpoint_url": s3_endpoint})}
    )
    notifier = Notifier(house.client, house.settings, aws_session)
    report = notifier.deliver(NOW)
    assert report.sent == {"sns": 2, "snsfifo": 2}, report
    for queue in queues:
        received: list[Any] = []
        while len(received) < 2:
            reply = sqs.receive_message(
                QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2, AttributeNames=["All"]
            )
            assert reply.get("Messages"), "a message is missing"
            received += reply["Messages"]
        envelopes = [json.loads(each["Body"]) for each in received]
        documents = [json.loads(each["Message"]) for each in envelopes]
        assert {each["id"] for each in documents} == names
        for envelope, document in zip(envelopes, documents, strict=True):
            assert envelope["MessageAttributes"]["alert_id"]["Value"] == document["id"]
            assert envelope["MessageAttributes"]["level"]["Value"] == document["level"]
            assert envelope["Subject"].startswith(f"[{document['level']}]")
        if queue.endswith(".fifo"):
            ids = {each["Attributes"].get("MessageDeduplicationId") for each in received}
            assert ids == names


def test_a_topic_that_is_gone_is_a_failure(house: House, s3_endpoint: str) -> None:
    house.raise_alerts("high", 1)
    topic = "arn:aws:sns:us-east-1:123456789012:no-such-topic"
    house.with_channels({"name": "sns", "kind": "sns", "topic": topic})
    aws = house.settings.aws.model_copy(update={"endpoint_url": s3_endpoint})
    settings = house.settings.model_copy(update={"aws": aws})
    report = Notifier(house.client, settings, aws_session).deliver(NOW)
    assert report.failed == {"sns": 1}
    (alert,) = AlertStore(house.client, settings).find(AlertQuery())
    assert "SNS rejected the message: NotFound" in house.reported(alert["id"])["sns"]["error"]


def test_a_test_that_fails_is_seen_and_one_that_is_delivered_ends_the_wait(house: House) -> None:
    """Of alerts that failed before, and of a channel that is paused after three failures."""
    answers = {"status": 500}

    def doctor(env: dict[str, str]) -> dict[str, Any]:
        checked = command(house.settings, "doctor", "--json", env=env)
        found = {it["what"]: it for it in json.loads(checked.stdout)["findings"]}
        check: dict[str, Any] = found["channel hook"]
        return check

    with Receiver(lambda _: answers["status"]) as receiver:
        env = {"TRAILHOUND_NOTIFY__CHANNELS": json.dumps([hook(receiver)])}
        assert doctor(env)["verdict"] == "ok"
        assert command(house.settings, "notify", "test", env=env).exit_code == 1
        assert doctor(env)["verdict"] == "warning"
        assert "its last message failed" in doctor(env)["fact"]
        assert "a test: " in doctor(env)["fact"]
        house.raise_alerts("high", 1, 2, 3)
        now = datetime.now(UTC)
        notifier = house.with_channels(hook(receiver), one_message_per="alert")
        assert notifier.deliver(now).failed["hook"] == 3
        answers["status"] = 204
        assert not notifier.deliver(now + timedelta(seconds=5)).sent, "each waits"
        assert command(house.settings, "notify", "test", env=env).exit_code == 0
        assert notifier.deliver(now + timedelta(seconds=10)).sent["hook"] == 3
        assert doctor(env)["verdict"] == "ok"


def test_the_test_command(house: House, receiver: Receiver) -> None:
    channels = [
        hook(receiver),
        {"name": "post", "kind": "apprise", "url": f"json://127.0.0.1:{receiver.port}/{SECRET}"},
        {"name": "broken", "kind": "command", "command": ["/nowhere"]},
    ]
    env = {"TRAILHOUND_NOTIFY__CHANNELS": json.dumps(channels)}
    done = command(house.settings, "notify", "test", "--json", env=env)
    assert done.exit_code == 1
    rows = {each["channel"]: each for each in json.loads(done.stdout)["channels"]}
    assert (rows["hook"]["delivered"], rows["post"]["delivered"]) == (True, True)
    assert "cannot be run" in rows["broken"]["error"]
    one = command(house.settings, "notify", "test", "hook", env=env)
    assert (one.exit_code, one.stdout) == (0, "hook: delivered\n")
    assert len(receiver.received) == 3
    unknown = command(house.settings, "notify", "test", "nobody", env=env)
    assert isinstance(unknown.exception, UsageError)
    for each in (done, one, unknown):
        assert SECRET not in f"{each.output}{each.exception!r}"


def test_an_older_cluster_does_as_well(
    engine_2_19: str, receiver: Receiver, tmp_path: Path
) -> None:
    namespace = f"t{uuid.uuid4().hex[:10]}"
    house = House(engine_2_19, namespace, tmp_path)
    try:
        prepared(house.settings)
        near = rule("near", suppress=timedelta(minutes=1))
        put_events(house.client, house.settings, [0, 30], RECENT)
        recorder = Recorder(house.client, house.settings, {near.id: near})
        for _ in range(2):
            recorder.record(single("near", second, start=RECENT) for second in (30, 0))
        (alert,) = AlertStore(house.client, house.settings).find(AlertQuery(principal="ADA"))
        assert alert["count"] == 2
        assert house.with_channels(hook(receiver)).deliver(NOW).sent == {"hook": 1}
        assert keys(receiver) == [alert["id"]]
    finally:
        remove_namespace(engine_2_19, namespace)


def test_status_says_how_each_channel_stands(house: House, receiver: Receiver) -> None:
    names = house.raise_alerts("high", *range(5))
    broken = {"name": "unusable", "kind": "apprise", "url": f"pigeon://{SECRET}"}
    with Receiver(lambda _: 503) as weak:
        channels = hook(weak, name="weak"), hook(receiver, name="well"), broken
        notifier = house.with_channels(*channels)
        notifier.deliver(NOW)
        status = channel_statuses(house.client, house.settings)
        assert [(each.name, each.waiting) for each in status] == [
            ("weak", 5),
            ("well", 0),
            ("unusable", 5),
        ]
        assert "503" in status[0].last_error
        assert (status[0].last_delivery, status[1].last_error) == ("", "")
        assert datetime.fromisoformat(status[1].last_delivery) == NOW
        assert "apprise" in status[2].last_error
        for name in names:
            AlertStore(house.client, house.settings).close(name, "ada")
        notifier.deliver(NOW + timedelta(minutes=2))
        assert channel_statuses(house.client, house.settings)[0].waiting == 0, (
            "nobody has to be told"
        )
    reported = command(house.settings, "status", "--json")
    shown = {each["name"]: each for each in json.loads(reported.stdout)["channels"]}
    assert "503" in shown["weak"]["last_error"]
    said = run(house.settings, "status", env={"COLUMNS": "200"}).stdout.decode()
    (line,) = [line for line in said.splitlines() if line.startswith("weak ")]
    assert "503" in line
    assert SECRET not in said


def test_alerts_of_the_same_events_are_one_message(house: House, receiver: Receiver) -> None:
    put_events(house.client, house.settings, range(5), RECENT)

    def found(rule_id: str) -> str:
        when = RECENT, RECENT + timedelta(seconds=4)
        finding = Finding(rule_id, tuple(map(event_id, range(5))), 5, *when)
        recorded = Recorder(house.client, house.settings, RULES).record([finding])
        (made,) = recorded.created
        return made

    user, address = found("by-user"), found("by-address")
    notifier = house.with_channels(hook(receiver), one_message_per="alert")
    assert notifier.deliver(NOW).sent == {"hook": 1}
    (message,) = [each.json for each in receiver.received]
    first, other = (user, address) if message["id"] == user else (address, user)
    assert message["id"] == first
    assert "by user" in message["subject"]
    assert "by address" in message["subject"]
    assert [each["id"] for each in message["alert"]["twins"]] == [other]
    assert other in message["text"]
    folded = house.reported(other)["hook"]
    assert (folded["state"], folded["into"]) == ("folded", first)
    # Who was sent one before the other was raised isn't sent the other, unless it was closed.
    for closed in (False, True):
        emptied(house.client, house.settings)
        receiver.received.clear()
        put_events(house.client, house.settings, range(5), RECENT)
        user = found("by-user")
        assert notifier.deliver(NOW).sent == {"hook": 1}
        if closed:
            AlertStore(house.client, house.settings).close(user, "ada")
        found("by-address")
        notifier.deliver(NOW)
        assert len(receiver.received) == 1 + closed


def test_a_catch_up_without_alerts_is_recorded_and_no_digest_is_said_to_be_delivered(
    house: House, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = house.with_channels(hook(receiver))
    catch_ups = CatchUps(house.client, house.settings)
    assert catch_ups.begin(CatchUp(name=SCHEDULED_RULES, found_at=NOW, until=NOW, done=True))
    assert not notifier.deliver(NOW).sent
    after = catch_ups.get(SCHEDULED_RULES)
    assert after is not None
    assert after.notified == ("hook",)
    assert receiver.received == []
    assert "digest was delivered" not in caplog.text


def test_alerts_wait_for_a_channel_that_refuses_the_digest_of_a_catch_up(house: House) -> None:
    put_events(house.client, house.settings, [1], RECENT)
    recorder = Recorder(house.client, house.settings, RULES)
    recorder.catch_up = SCHEDULED_RULES
    recorder.record([single("high", 1, start=RECENT)])
    house.raise_alerts("high", 100, 101)
    catch_ups = CatchUps(house.client, house.settings)
    assert catch_ups.begin(CatchUp(name=SCHEDULED_RULES, found_at=NOW, until=NOW, done=True))
    answers = {"status": 503}
    with Receiver(lambda _: answers["status"]) as receiver:
        notifier = house.with_channels(hook(receiver))
        notifier.deliver(NOW)
        (status,) = channel_statuses(house.client, house.settings)
        assert (status.waiting, status.last_delivery) == (2, "")
        (reason,) = readiness(read_shared(house.client, house.settings), house.settings).reasons
        assert (reason.code, reason.subject) == ("channel", "hook")
        assert "2 alerts wait for it" in reason.message
        answers["status"] = 204
        notifier.deliver(NOW + timedelta(minutes=2))
        (status,) = channel_statuses(house.client, house.settings)
        assert status.waiting == 0
