"""Channels that fail, are slow or cannot be used hold up no other, and lose nothing."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from detections.alerts.recorder import Recorder
from detections.notify.channel_status import ChannelStatus, channel_statuses
from detections.notify.lanes import Lanes
from detections.notify.notifier import Notifier
from ingest.sources.session import aws_session
from tests.helpers.commands import command
from tests.helpers.findings import put_events, single
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
from tests.helpers.queues import until
from tests.helpers.receiver import Received, Receiver
from trailhound.app.health.reasons import readiness
from trailhound.app.health.shared_state import read_shared
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps

pytestmark = pytest.mark.usefixtures("secret_unlogged")


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
