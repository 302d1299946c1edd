"""What a sample consists of: the shares it states, and records of CloudTrail's own shape."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sample import trails
from tests.unit.sample.trails import Event
from trailhound.sample import SampleSpec, SampleSummary, write_sample
from trailhound.sample.records import ACTIVITIES
from trailhound.sample.sessions import OPEN, Actor

EVENTS = 20_000

FIELDS = """
    eventVersion userIdentity eventTime eventSource eventName awsRegion sourceIPAddress userAgent
    errorCode errorMessage requestParameters responseElements additionalEventData requestID eventID
    readOnly resources eventType managementEvent recipientAccountId sharedEventID
    serviceEventDetails vpcEndpointId vpcEndpointAccountId eventCategory tlsDetails
    sessionCredentialFromConsole
""".split()  # noqa: SIM905 - a table
"""CloudTrail's record fields in the order in which it writes them."""

SENSITIVE = {
    "CreateRole": 8, "AttachRolePolicy": 10, "PutRolePolicy": 7, "CreatePolicy": 4,
    "CreatePolicyVersion": 6, "UpdateAssumeRolePolicy": 2, "DetachRolePolicy": 2, "DeleteRole": 2,
    "CreateUser": 1, "AttachUserPolicy": 1, "PutUserPolicy": 0.4, "CreateAccessKey": 2,
    "CreateLoginProfile": 0.6, "PutBucketPolicy": 6, "DeleteBucketPolicy": 1,
    "AuthorizeSecurityGroupIngress": 10, "RevokeSecurityGroupIngress": 5,
    "CreateNetworkAclEntry": 0.5, "UpdateTrail": 0.4, "StopLogging": 0.1, "DeleteTrail": 0.1,
    "PutKeyPolicy": 1, "PutEventSelectors": 0.5, "SendCommand": 4, "StartSession": 15,
}  # fmt: skip
"""As the spec's docstring states them: events of 100,000."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mix")


@pytest.fixture(scope="module")
def summary(folder: Path) -> SampleSummary:
    return write_sample(folder / "trail", SampleSpec(events=EVENTS, seed=3, attacks=False))


@pytest.fixture(scope="module")
def sample(folder: Path, summary: SampleSummary) -> list[Event]:
    return trails.events(folder / "trail")


def _kind(event: Event) -> str:
    address = event["sourceIPAddress"]
    if address.endswith(".amazonaws.com"):
        return "service"
    return "internal" if address == "AWS Internal" else "address"


def test_four_of_five_events_come_from_services(sample: list[Event]) -> None:
    kinds = Counter(_kind(event) for event in sample)
    assert 0.765 < kinds["service"] / EVENTS < 0.815
    assert 0.033 < kinds["internal"] / EVENTS < 0.047
    assert 0.14 < kinds["address"] / EVENTS < 0.20


def test_addresses_are_addresses_of_both_kinds(sample: list[Event]) -> None:
    found = {
        ipaddress.ip_address(event["sourceIPAddress"])
        for event in sample
        if _kind(event) == "address"
    }
    assert {address.version for address in found} == {4, 6}
    # About one distinct address for forty events from outside, at any size.
    outside = sum(_kind(event) == "address" for event in sample)
    assert 20 < outside / len(found) < 60


def test_every_kind_of_caller_occurs(sample: list[Event]) -> None:
    kinds = Counter(event["userIdentity"]["type"] for event in sample)
    assert set(kinds) >= {
        "AWSService",
        "AssumedRole",
        "IAMUser",
        "AWSAccount",
        "WebIdentityUser",
        "SAMLUser",
        "IdentityCenterUser",
    }
    assert kinds["Root"] < EVENTS * 0.0005
    assert set(OPEN) == set(Actor)


def test_errors_are_few_and_of_many_codes(sample: list[Event]) -> None:
    codes = Counter(event["errorCode"] for event in sample if "errorCode" in event)
    assert 0.02 < sum(codes.values()) / EVENTS < 0.06
    assert len(codes) > 12
    assert codes["AccessDenied"] > 50


def test_ids_are_as_long_as_aws_makes_them(sample: list[Event]) -> None:
    text = json.dumps(sample)
    ids = re.findall(
        r'"(?:ami|eni|fs|i|key|loc|lt|r|sg|snap|subnet|tgw-attach|vol|vpc|vpce)-([0-9a-f]+)"', text
    )
    assert Counter(map(len, ids)).keys() == {17}
    # `A(?<!\wA)` is `\bA`, and twenty times as fast: a search for a letter, then a look at it.
    keys = re.findall(r"A(?<!\wA)(?:KI|SI)A[A-Z0-9]+\b", text)
    assert Counter(map(len, keys)).keys() == {20}
    principals = re.findall(r"A(?<!\wA)(?:RO|ID)A[A-Z0-9]+\b", text)
    assert Counter(map(len, principals)).keys() == {21}


def test_people_work_in_business_hours_and_rest_at_weekends(sample: list[Event]) -> None:
    people = [
        event for event in sample if "AWSReservedSSO_" in event["userIdentity"].get("arn", "")
    ]
    days = Counter(event["eventTime"][:10] for event in people)
    working = [days[f"2025-03-{day:02d}"] for day in range(3, 8)]
    inactive = [days[f"2025-03-{day:02d}"] for day in (8, 9)]
    assert max(inactive) < min(working) / 3
    hours = Counter(int(event["eventTime"][11:13]) for event in people)
    assert sum(hours[hour] for hour in range(7, 19)) > 0.75 * len(people)


def test_sensitive_calls_are_as_frequent_as_stated(sample: list[Event]) -> None:
    table: Counter[str] = Counter()
    for activity in ACTIVITIES:
        table[activity.shape.name] += activity.weight  # type: ignore[assignment]
    assert {name: pytest.approx(table[name]) for name in SENSITIVE} == SENSITIVE
    stated = sum(SENSITIVE.values()) / 100_000 * EVENTS
    found = sum(event["eventName"] in SENSITIVE for event in sample)
    assert 0.5 * stated < found < 1.6 * stated


def test_the_activities_add_up_to_what_is_stated() -> None:
    shares: Counter[str] = Counter()
    for activity in ACTIVITIES:
        inside = activity.actor in (Actor.SERVICE, Actor.SERVICE_ROLE, Actor.ON_BEHALF)
        shares["services" if inside else activity.actor.name] += activity.weight  # type: ignore[assignment]
    assert shares["services"] == pytest.approx(79_000)
    assert shares["INTERNAL"] == pytest.approx(4_000)
    assert shares["WORKLOAD"] == pytest.approx(10_800)
    assert shares["ROOT"] == pytest.approx(6)
    assert shares.total() == pytest.approx(100_000, rel=0.002)


def test_records_have_the_size_and_versions_of_real_ones(sample: list[Event]) -> None:
    sizes = [len(json.dumps(event, separators=(",", ":"))) for event in sample]
    assert 1_200 < sum(sizes) / len(sizes) < 1_800
    assert {event["eventVersion"] for event in sample} == {"1.08", "1.09", "1.10", "1.11"}


def test_fields_stand_in_cloudtrails_order(sample: list[Event]) -> None:
    place = {name: number for number, name in enumerate(FIELDS)}
    for event in sample:
        places = [place[name] for name in event]
        assert places == sorted(places)
        assert len(event["eventID"]) == 36


def test_what_the_fields_hold_has_its_kind(sample: list[Event]) -> None:
    slot = re.compile(r"<#?[a-z_0-9]+>")
    uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    for event in sample:
        assert not slot.search(json.dumps(event))
        assert uuid.fullmatch(event["eventID"])
        assert re.fullmatch(r"2025-03-0[3-9]T[0-2]\d:[0-5]\d:[0-5]\dZ", event["eventTime"])
        assert isinstance(event["readOnly"], bool)
        assert event["managementEvent"] is (event["eventCategory"] == "Management")
        assert ("tlsDetails" in event) is (_kind(event) == "address")
        for name in ("requestParameters", "responseElements"):
            assert event[name] is None or isinstance(event[name], dict)
        identity = event["userIdentity"]
        if identity["type"] == "AssumedRole":
            issuer = identity["sessionContext"]["sessionIssuer"]
            role, session = identity["arn"].split("/", 1)[1].split("/", 1)
            assert issuer["userName"] == role
            assert identity["principalId"] == f"{issuer['principalId']}:{session}"
            assert re.fullmatch(r"AROA[A-Z2-7]{17}", issuer["principalId"])
            assert re.fullmatch(r"ASIA[A-Z2-7]{16}", identity["accessKeyId"])
            assert identity["sessionContext"]["attributes"]["creationDate"] <= event["eventTime"]


def test_an_assumed_role_is_the_one_that_was_asked_for(sample: list[Event]) -> None:
    assumed = [
        event
        for event in sample
        if event["eventName"].startswith("AssumeRole") and "errorCode" not in event
    ]
    assert len(assumed) > 1_000
    for event in assumed:
        asked = event["requestParameters"]
        given = event["responseElements"]["assumedRoleUser"]
        role = asked["roleArn"].rsplit("/", 1)[1]
        assert given["arn"].endswith(f":assumed-role/{role}/{asked['roleSessionName']}")
        assert event["resources"][0]["ARN"] == asked["roleArn"]


def test_data_events_count_their_bytes(sample: list[Event]) -> None:
    got = [event for event in sample if event["eventName"] == "GetObject"]
    assert len(got) > 500
    for event in got:
        assert event["eventCategory"] == "Data"
        assert event["additionalEventData"]["bytesTransferredOut"] > 0
        bucket = event["requestParameters"]["bucketName"]
        assert event["resources"][1]["ARN"] == f"arn:aws:s3:::{bucket}"


def test_nothing_repeats_that_should_not(sample: list[Event]) -> None:
    for name in ("eventID", "requestID"):
        values = [event[name] for event in sample if name in event]
        assert len(set(values)) == len(values)
    keys = {event["userIdentity"].get("accessKeyId") for event in sample}
    assert len(keys) > EVENTS / 50


def test_distinct_addresses_grow_with_the_sample(summary: SampleSummary, tmp_path: Path) -> None:
    part = SampleSpec(events=EVENTS // 20, seed=3, attacks=False)
    small = write_sample(tmp_path / "small", part)
    assert summary.distinct_addresses > 2 * small.distinct_addresses
    assert summary.distinct_arns > 1.5 * small.distinct_arns


def test_the_tail_has_as_many_paths_and_services_as_a_real_trail(sample: list[Event]) -> None:
    """It is what a dynamic mapping of the fields has to make a field of, each."""
    blocks = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")
    paths = {
        path for event in sample for block in blocks for path in _paths(event.get(block), block)
    }
    assert len(paths) >= 1_200
    assert len({event["eventSource"] for event in sample}) >= 60


def _paths(value: Any, path: str) -> Iterator[str]:
    """The dotted path of each scalar below a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, path)
    else:
        yield path
