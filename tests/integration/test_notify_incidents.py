"""One message is about an incident, or about twins; another one says what is new."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertStore
from detections.finding import Finding
from detections.incidents.significance import NAMED
from detections.notify.channel_status import channel_statuses
from tests.helpers.commands import command
from tests.helpers.findings import emptied, event_id, put_events, single
from tests.helpers.notifications import (
    NOW,
    RECENT,
    RULES,
    House,
    hook,
    in_one_incident,
    keys,
)
from tests.helpers.processes import run
from tests.helpers.receiver import Receiver
from trailhound.cluster.templates import Names

pytestmark = pytest.mark.usefixtures("secret_unlogged")


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


def test_an_incident_whose_alerts_add_up_reaches_a_channel_above_them(
    house: House, receiver: Receiver
) -> None:
    """Two mediums of different calls; a channel that was sent the first one is sent another
    message."""

    def raised(rule_id: str, second: int, call: str) -> set[str]:
        put_events(house.client, house.settings, [second], RECENT, eventName=call)
        found = single(rule_id, second, start=RECENT)
        return Recorder(house.client, house.settings, RULES).record([found]).created

    notifier = house.with_channels(
        hook(receiver, name="on-call", level="high"), hook(receiver, name="chat", level="medium")
    )
    first = raised("medium", 1, "ImportKeyMaterial")
    in_one_incident(house, first)
    assert notifier.deliver(NOW).sent == {"chat": 1}
    second = raised("medium-too", 2, "DisableKey")
    in_one_incident(house, first, second)
    receiver.received.clear()
    assert notifier.deliver(NOW).sent == {"chat": 1, "on-call": 1}
    for message in (each.json for each in receiver.received):
        because = "2 rules of 2 tactics, all succeeded"
        assert message["level"] == "high"
        assert message["subject"].startswith("[high] Title of medium")
        assert f"The incident is raised from medium: {because}." in message["text"]
        assert message["alert"]["level"] == "medium"
        assert message["alert"]["adds_up"]["because"] == because
    assert {house.reported(name)["on-call"]["state"] for name in first | second} == {
        "sent",
        "folded",
    }
    # Nothing more for the same reason, also after what else goes on in it.
    more = raised("medium", 3, "ScheduleKeyDeletion")
    in_one_incident(house, first, second, more)
    assert not notifier.deliver(NOW).sent
    listed = json.loads(
        command(house.settings, "incidents", "list", "--level", "high", "--json").stdout
    )
    (incident,) = listed["incidents"]
    assert (incident["level"], incident["raised_because"]) == ("high", because)
    shown = command(house.settings, "incidents", "show", incident["id"]).stdout
    words = " ".join(shown.split())
    assert f"from medium: {because}" in words
    assert "usually benign an administrator at work" in words


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
    alarmed = "Title of medium (S3BucketPolicyChanges)"
    assert message["subject"] == f"[high] {alarmed}: ada"
    assert (message["id"], message["alert"]["explained_by"]["id"]) == (lead, other)
    assert f"HIGH: {alarmed}" in message["text"]
    assert "Usually benign: an administrator at work." in message["text"]
    listed = json.loads(command(house.settings, "incidents", "list", "--json").stdout)
    (incident,) = listed["incidents"]
    assert (incident["title"], incident["alert"]) == (alarmed, other)


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
