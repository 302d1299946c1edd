"""Alerts reach people: once, at least once across a crash, at a bearable rate, and no old ones."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import AuthorizationException

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from tests.helpers.engines import remove_namespace
from tests.helpers.findings import event_id, put_events, rule, single
from tests.helpers.notifications import (
    NOW,
    RECENT,
    RULES,
    SECRET,
    House,
    hook,
    in_one_incident,
    keys,
)
from tests.helpers.receiver import Received, Receiver
from tests.helpers.trails import prepared
from trailhound.cluster.templates import Names
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps

pytestmark = pytest.mark.usefixtures("secret_unlogged")


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


def test_a_message_names_the_web_identity_that_opened_the_session(
    house: House, receiver: Receiver
) -> None:
    """Its own events have the provider; which repository it was is in the call that opened it."""
    provider = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    subject = "repo:example-org/app:ref:refs/heads/main"
    session = {
        "arn": "arn:aws:sts::111122223333:assumed-role/deploy/ci",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "webIdFederationData": {"federatedProvider": provider, "attributes": {}}
        },
    }
    put_events(house.client, house.settings, [5, 6], RECENT, userIdentity=session)
    recorder = Recorder(house.client, house.settings, RULES)
    recorder.record([single("high", 5, start=RECENT)])
    notifier = house.with_channels(hook(receiver))
    notifier.deliver(NOW)
    put_events(
        house.client,
        house.settings,
        [1],
        RECENT,
        eventName="AssumeRoleWithWebIdentity",
        responseElements={"subjectFromWebIdentityToken": subject, "provider": provider},
        resource={"access_key": ["ASIAEXAMPLE"]},
    )
    recorder.record([single("high", 6, start=RECENT)])
    notifier.deliver(NOW)
    texts = [each.json["text"] for each in receiver.received]
    assert "Web identity: token.actions.githubusercontent.com\n" in texts[0]
    assert f"Web identity: {subject} (token.actions.githubusercontent.com)\n" in texts[1]


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
