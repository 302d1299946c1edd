"""Attacks: told in order, found again by their labels, loud enough for the definitions."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import command
from tests.helpers.trails import own_settings
from tests.unit.sample import trails
from tests.unit.sample.trails import Event
from trailhound.sample import SampleSpec, SampleSummary, write_sample
from trailhound.sample.attacks import ATTACKS

SPEC = SampleSpec(events=20_000, seed=5)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleSummary]:
    directory = tmp_path_factory.mktemp("attacks") / "trail"
    return directory, write_sample(directory, SPEC)


@pytest.fixture(scope="module")
def by_id(sample: tuple[Path, SampleSummary]) -> dict[str, Event]:
    return {event["eventID"]: event for event in trails.events(sample[0])}


def _attack(sample: tuple[Path, SampleSummary], name: str) -> dict[str, Any]:
    return next(a for a in trails.labels(sample[0])["attacks"] if a["attack"] == name)


def _calls(attack: dict[str, Any], by_id: dict[str, Event]) -> list[Event]:
    return [by_id[step["eventID"]] for step in attack["steps"]]


def test_all_attacks_are_there_and_said(sample: tuple[Path, SampleSummary]) -> None:
    directory, summary = sample
    document = trails.labels(directory)
    assert [attack["attack"] for attack in document["attacks"]] == list(ATTACKS)
    assert [attack.name for attack in summary.attacks] == list(ATTACKS)
    assert document["dropped_attacks"] == []
    assert document["spec"]["seed"] == 5
    assert summary.events == len(trails.events(directory)) == SPEC.events


def test_every_step_is_an_event_of_the_trail(
    sample: tuple[Path, SampleSummary], by_id: dict[str, Event]
) -> None:
    for attack in trails.labels(sample[0])["attacks"]:
        for step in attack["steps"]:
            event = by_id[step["eventID"]]
            assert event["eventName"] == step["eventName"]
            assert event["eventTime"] == step["eventTime"]
            assert event.get("errorCode") == step["errorCode"]
            assert event["recipientAccountId"] == attack["account"]
            assert event["sourceIPAddress"] in attack["addresses"]
            arn = event["userIdentity"].get("arn")
            assert arn is None or arn in attack["principals"]
            assert step["technique"] in attack["techniques"]
        assert attack["principal"] in attack["principals"]
        assert attack["address"] == attack["addresses"][0]


def test_attacks_take_minutes_to_hours(sample: tuple[Path, SampleSummary]) -> None:
    for attack in trails.labels(sample[0])["attacks"]:
        times = [datetime.fromisoformat(step["eventTime"]) for step in attack["steps"]]
        assert times == sorted(times)
        assert timedelta(minutes=2) < times[-1] - times[0] < timedelta(hours=6)


def test_no_address_of_an_attacker_is_anybody_elses(
    sample: tuple[Path, SampleSummary], by_id: dict[str, Event]
) -> None:
    labelled = {
        step["eventID"]
        for attack in trails.labels(sample[0])["attacks"]
        for step in attack["steps"]
    }
    hostile = {address for attack in sample[1].attacks for address in attack.addresses}
    others = {event["sourceIPAddress"] for id_, event in by_id.items() if id_ not in labelled}
    assert not hostile & others


def test_the_stolen_key_goes_the_whole_way(
    sample: tuple[Path, SampleSummary], by_id: dict[str, Event]
) -> None:
    attack = _attack(sample, "stolen-key")
    tactics = list(dict.fromkeys(step["tactic"] for step in attack["steps"]))
    order = ["discovery", "privilege-escalation", "persistence", "defense-evasion", "exfiltration"]
    assert [tactic for tactic in tactics if tactic in order] == order
    calls = _calls(attack, by_id)
    names = {call["eventName"] for call in calls if "errorCode" not in call}
    assert names >= {"CreateRole", "AttachRolePolicy", "PutUserPolicy", "CreateUser",
                     "CreateAccessKey", "CreateLoginProfile", "StopLogging", "DeleteTrail",
                     "UpdateTrail", "PutBucketPolicy", "ListObjects"}  # fmt: skip
    assert {"ListUsers", "ListRoles", "ListBuckets"} <= names
    denied = [call for call in calls if call.get("errorCode") == "AccessDenied"]
    assert len(denied) > 5
    assert all("not authorized to perform" in call["errorMessage"] for call in denied)
    made = next(c for c in calls if c["eventName"] == "CreateAccessKey")["responseElements"]
    used = [c for c in calls if c["userIdentity"].get("userName") == "backup-operator"]
    assert {c["userIdentity"]["accessKeyId"] for c in used} == {made["accessKey"]["accessKeyId"]}


def test_exfiltration_passes_the_alarms_threshold(
    sample: tuple[Path, SampleSummary], by_id: dict[str, Event]
) -> None:
    calls = _calls(_attack(sample, "stolen-key"), by_id)
    taken = [datetime.fromisoformat(c["eventTime"]) for c in calls if c["eventName"] == "GetObject"]
    assert len(taken) >= 100
    assert taken[99] - taken[0] <= timedelta(seconds=300)


def test_mining_rents_machines_for_computing(
    sample: tuple[Path, SampleSummary], by_id: dict[str, Event]
) -> None:
    calls = _calls(_attack(sample, "crypto-mining"), by_id)
    rented = Counter(
        call["requestParameters"]["instanceType"]
        for call in calls
        if call["eventName"] == "RunInstances" and "errorCode" not in call
    )
    assert sum(n for kind, n in rented.items() if kind.startswith("c5.")) >= 3
    role = calls[0]["userIdentity"]
    assert role["type"] == "AssumedRole"
    assert role["arn"].rsplit("/", 1)[1].startswith("i-0")


def test_brute_force_fails_often_then_succeeds_without_a_second_factor(
    sample: tuple[Path, SampleSummary], by_id: dict[str, Event]
) -> None:
    calls = _calls(_attack(sample, "console-brute-force"), by_id)
    logins = [call for call in calls if call["eventName"] == "ConsoleLogin"]
    results = [login["responseElements"]["ConsoleLogin"] for login in logins]
    assert results == ["Failure"] * 27 + ["Success"]
    assert {login["sourceIPAddress"] for login in logins} == {logins[0]["sourceIPAddress"]}
    assert logins[-1]["additionalEventData"]["MFAUsed"] == "No"
    times = [datetime.fromisoformat(login["eventTime"]) for login in logins]
    assert times[4] - times[0] <= timedelta(seconds=300)


def test_ransomware_ends_what_could_be_restored(
    sample: tuple[Path, SampleSummary], by_id: dict[str, Event]
) -> None:
    calls = _calls(_attack(sample, "s3-ransomware"), by_id)
    names = Counter(call["eventName"] for call in calls)
    assert names["CopyObject"] == names["DeleteObject"] == names["GetObject"] > 10
    assert names["PutBucketVersioning"] == names["PutBucketLifecycle"] == 1
    deleted = {c["requestParameters"]["key"] for c in calls if c["eventName"] == "DeleteObject"}
    copied = {c["requestParameters"]["key"] for c in calls if c["eventName"] == "CopyObject"}
    assert deleted == copied


def test_a_tiny_sample_drops_attacks_and_says_which(tmp_path: Path) -> None:
    summary = write_sample(tmp_path / "trail", SampleSpec(events=100))
    assert summary.attacks == ()
    assert summary.dropped_attacks == tuple(ATTACKS)
    assert trails.labels(tmp_path / "trail")["dropped_attacks"] == list(ATTACKS)
    assert len(trails.events(tmp_path / "trail")) == 100
    said = command(
        own_settings("http://127.0.0.1:1", "org", tmp_path),
        "sample",
        str(tmp_path / "small"),
        "--events",
        "100",
    )
    assert "4 attacks left out" in said.output
    enough = SampleSpec(events=summary.events_for_attacks)
    assert write_sample(tmp_path / "larger", enough).dropped_attacks == ()


def test_attacks_fit_into_large_files(tmp_path: Path) -> None:
    summary = write_sample(tmp_path / "trail", SampleSpec(events=10_000, events_per_file=5_000))
    assert [attack.name for attack in summary.attacks] == list(ATTACKS)
    assert summary.files == 2


def test_attacks_can_be_left_out(tmp_path: Path) -> None:
    summary = write_sample(tmp_path / "trail", SampleSpec(events=5_000, attacks=False))
    assert (summary.attacks, summary.dropped_attacks) == ((), ())
    assert trails.labels(tmp_path / "trail")["attacks"] == []
