"""`trailhound hunt`: every threat and sign, with the scores of the definitions; the report."""

from __future__ import annotations

import json
import re
import signal
import threading
from pathlib import Path
from typing import Any

from detections.investigation.lead import COUNTED
from tests.faults.proxy import Answer, Fault, Hold, Proxy, Request
from tests.helpers.commands import command
from tests.helpers.identities import ACCOUNT, user
from tests.helpers.processes import LONGEST, start
from tests.helpers.queues import PATIENCE
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

ROOT = Path(__file__).parents[2]
OUTSIDE, SHARED = "81.2.69.142", "203.0.113.50"
DAY = "2025-03-10"


def at(minute: int, second: int = 0) -> str:
    return f"{DAY}T10:{minute:02}:{second:02}Z"


def trail() -> list[dict[str, Any]]:
    """A quiet account, then one hour in which all of it happens."""
    quiet = [
        record(eventTime="2025-01-20T09:00:00Z", eventName="GetUser", userIdentity=user(name))
        for name in ("sleeper", "ada")
    ]
    quiet.append(
        record(eventTime="2025-03-01T09:00:00Z", eventName="GetUser", userIdentity=user("ada"))
    )
    wakes = record(eventTime=at(0), eventName="GetUser", userIdentity=user("sleeper"))
    calls = ("ListUsers", "ListRoles", "ListPolicies", "ListUsers")
    recon = [
        record(eventTime=at(n), eventName=name, userIdentity=user("ada"), readOnly=True)
        for n, name in enumerate(calls)
    ]
    # Four users and eleven errors from one address: 5 + 6, at most 10.
    shared = [
        record(
            eventTime=at(20, n),
            eventName="GetRole",
            userIdentity=user(f"user{n % 4}"),
            sourceIPAddress=SHARED,
            errorCode="AccessDenied" if n < 11 else "",
        )
        for n in range(12)
    ]
    denied = [
        record(
            eventTime=at(30, n),
            eventName=f"Get{n}",
            userIdentity=user("prober"),
            errorCode="AccessDenied",
        )
        for n in range(10)
    ]
    tried = [
        record(
            eventTime=at(40, n),
            eventName="GetSecretValue",
            userIdentity=user("eve"),
            **({"errorCode": "AccessDenied"} if n < 3 else {}),
        )
        for n in range(4)
    ]
    # Hours before: another refusal and an ordinary success, which are no part of the sequence.
    before = [
        record(
            eventTime=f"{DAY}T0{hour}:00:00Z",
            eventName="GetSecretValue",
            userIdentity=user("eve"),
            **more,
        )
        for hour, more in ((3, {"errorCode": "AccessDenied"}), (4, {}))
    ]
    moved = [
        record(
            eventTime=at(50, n), eventName="GetUser", userIdentity=user("bob"), sourceIPAddress=ip
        )
        for n, ip in enumerate((OUTSIDE, "89.160.20.112"))
    ]
    # Five users from a country that the account had no event from: 5 + 3.
    abroad = [
        record(
            eventTime=at(45, n),
            eventName="GetRole",
            userIdentity=user(f"user{n}"),
            sourceIPAddress="2.125.160.216",
        )
        for n in range(5)
    ]
    region = record(
        eventTime=at(55),
        eventSource="account.amazonaws.com",
        eventName="EnableRegion",
        userIdentity=user("ada"),
        readOnly=False,
        awsRegion="af-south-1",
    )
    # One was allowed to make an administrator, another one was not.
    rights = {"userName": "ghost", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    made = [
        record(
            eventTime=at(57, n),
            eventName="AttachUserPolicy",
            userIdentity=user(name),
            requestParameters=rights,
            **more,
        )
        for n, (name, more) in enumerate(
            {"mallory": {}, "trudy": {"errorCode": "AccessDenied"}}.items()
        )
    ]
    given = record(
        eventTime=at(58),
        eventSource="ec2.amazonaws.com",
        eventName="ModifySnapshotAttribute",
        userIdentity=user("mallory"),
        requestParameters={
            "snapshotId": "snap-0123456789abcdef0",
            "attributeType": "CREATE_VOLUME_PERMISSION",
            "createVolumePermission": {"add": {"items": [{"userId": "444455556666"}]}},
        },
    )
    changes = [*made, given]
    return [
        *(*quiet, wakes, *recon, *shared, *denied, *before, *tried),
        *(*abroad, *moved, region, *changes),
    ]


def hunted(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = command(settings, "hunt", *arguments, "--json", "--limit", "500")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    require_listing(made, "hunt")
    assert isinstance(made, dict)
    return made


PAST = ["suspicious addresses", "first changes in a region", "first calls", "what wakes"]


def without_the_past(settings: Settings, tmp_path: Path, leads: list[dict[str, Any]]) -> None:
    """What compares with the time before is named where it fails or is interrupted, and the leads
    of the other kinds are shown."""
    families = {"address", "first", "dormant"}
    others = [
        each
        for each in leads
        if each["family"] not in families and each["pattern"] != "first_seen_region"
    ]
    waits, go = threading.Event(), threading.Event()
    fault: Fault = Answer(500)

    def script(request: Request) -> Fault | None:
        if not request.path.startswith("/_msearch") or b'"composite"' not in request.body:
            return None
        waits.set()
        return fault

    with Proxy(settings.hosts[0], script) as proxy:
        own = own_settings(proxy.url, settings.namespace, tmp_path / "home")
        failed = command(own, "hunt", "--since", DAY, "--json", "--limit", "500")
        made = json.loads(failed.stdout)
        assert failed.exit_code == 1
        assert made["leads"] == others
        assert [each["what"] for each in made["not_searched"]] == PAST
        assert all("the proxy says so" in each["reason"] for each in made["not_searched"])
        assert "4 kinds of leads not searched, or only in part" in failed.stderr

        waits.clear()
        fault = Hold(go)
        process = start(own, "hunt", "--since", DAY, "--json", "--limit", "500")
        try:
            assert waits.wait(PATIENCE), process.communicate(timeout=LONGEST)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=LONGEST)
        finally:
            go.set()
            process.kill()
    made = json.loads(out)
    assert process.returncode == 130
    require_listing(made, "hunt")
    # Who is alerted is looked up last: without it the order of volume may be another.
    assert made["leads"] == [each | {"alerted": False} for each in others]
    assert made["not_searched"] == [{"what": each, "reason": "interrupted"} for each in PAST]


def test_threats_and_signs_are_one_ranked_list_and_the_threats_a_report(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    write_trail(tmp_path / "trail", trail())
    backfill(settings, tmp_path / "trail")
    folder = tmp_path / "reports"
    folder.mkdir()

    leads = hunted(settings, "--since", DAY, "--report", "--folder", str(folder))["leads"]
    order = [
        (
            each["family"] in COUNTED,
            each["family"] in COUNTED and (each["family"], each["risk_score"]) != ("first", 5),
            -each["risk_score"],
        )
        for each in leads
    ]
    assert order == sorted(order)
    found = {(each["pattern"], each["identifier"].rpartition("/")[2]): each for each in leads}
    recon = found["reconnaissance", "ada"]
    assert (recon["risk_score"], recon["event_count"], recon["activity_type"]) == (5, 4, "user")
    assert set(recon["matching_events"]) == {"ListUsers", "ListRoles", "ListPolicies"}
    assert (recon["first_seen"], recon["last_seen"]) == (
        f"{DAY}T10:00:00.000Z",
        f"{DAY}T10:03:00.000Z",
    )
    assert found["reconnaissance", "198.51.100.7"]["activity_type"] == "ip"
    tried = found["failed_then_succeeded", "eve"]
    assert (tried["event_count"], tried["first_seen"]) == (4, f"{DAY}T10:40:00.000Z")
    assert "was refused 3 times, and then succeeded (4 refusals in all)" in tried["description"]
    shared = found["suspicious_ip", SHARED]
    assert shared["risk_score"] == 10
    assert (shared["unique_users"], shared["failed_operations"]) == (4, 11)
    abroad = found["suspicious_ip", "2.125.160.216"]
    assert (abroad["risk_score"], abroad["unique_users"]) == (8, 5)
    assert "United Kingdom, for the first time" in abroad["description"]
    assert {
        ("dormant_key", "AKIASLEEPER"),
        ("dormant_identity", "sleeper"),
        ("permission_enumeration", "prober"),
        ("failed_then_succeeded", "eve"),
        ("region_enabled", ACCOUNT),
        ("first_seen_region", f"{ACCOUNT} af-south-1"),
        ("second_country", "AKIABOB"),
    } <= found.keys()
    changed = [each for each in leads if each["family"] == "change"]
    assert [
        (each["pattern"], each["identifier"].rpartition("/")[2], each["matching_events"])
        for each in changed
    ] == [
        ("administrator_made", "mallory", ["AttachUserPolicy"]),
        ("outsider_let_in", "mallory", ["ModifySnapshotAttribute"]),
    ]
    assert leads[: len(changed)] == changed, "before what is only much or new"
    assert all(each["events"] for each in leads)
    assert not {"ada"} & {name for pattern, name in found if pattern.startswith("dormant")}

    lines = [
        line.split("\t") for line in command(settings, "hunt", "--since", DAY).stdout.splitlines()
    ]
    (line,) = [each for each in lines if each[1] == "reconnaissance"]
    assert set(line[2].split(" and ")) == {recon["identifier"], "198.51.100.7"}

    (file,) = folder.iterdir()
    assert re.fullmatch(r"cloudtrail_threat_report_\d{8}_\d{6}\.json", file.name)
    report = json.loads(file.read_text())
    assert list(report) == [
        *("analysis_timestamp", "total_threats", "high_risk_threats"),
        *("medium_risk_threats", "low_risk_threats", "threats"),
    ]
    threats = report["threats"]
    assert {each["pattern"] for each in threats} == {
        "reconnaissance",
        "suspicious_ip",
        *({"anomalous_activity"} & {each["pattern"] for each in threats}),
    }
    assert report["total_threats"] == len(threats)
    scores = [each["risk_score"] for each in threats]
    assert scores == sorted(scores, reverse=True)
    assert report["high_risk_threats"] == sum(each["risk_score"] >= 8 for each in threats)
    assert all(
        each["anomaly_type"] == "high_frequency"
        for each in threats
        if each["pattern"] == "anomalous_activity"
    )
    members = ["pattern", "risk_score", "description", "identifier", "activity_type"]
    members += ["matching_events", "event_count", "first_seen", "last_seen"]
    assert all(list(each)[:9] == members for each in threats)

    without_the_past(settings, tmp_path, leads)

    # Before that day there is no threat: a sentence and no file.
    empty = tmp_path / "none"
    empty.mkdir()
    quiet = ("--since", "2025-01-01", "--until", "2025-02-01")
    done = command(settings, "hunt", *quiet, "--report", "--folder", str(empty))
    assert done.exit_code == 0
    assert "no threat was found" in done.output
    assert list(empty.iterdir()) == []


def test_anomalies_of_several_days_and_a_span_without_events(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    calls = [
        record(eventTime=f"2025-03-{day}T09:00:{n:02}Z", userIdentity=user(name), eventName="GetX")
        for day, busy in (("10", 12), ("11", 20))
        for name, count in [*((f"quiet{n}", 1) for n in range(8)), ("busy", busy)]
        for n in range(count)
    ]
    write_trail(tmp_path / "trail", calls)
    backfill(settings, tmp_path / "trail")

    (lead,) = [each for each in hunted(settings)["leads"] if each["family"] == "anomaly"]
    assert lead["event_count"] == 32
    assert lead["description"] == (
        "above the mean of all principals by more than 2 standard deviations: 20 events from "
        "2025-03-11 00:00 on, the most of 2 such windows"
    )

    off = {"a378c706-16eb-4739-88e9-c1a3c72b8c30": {"enabled": False}}
    env = {"TRAILHOUND_DETECTIONS__OVERRIDES": json.dumps(off)}
    without = command(settings, "hunt", env=env)
    assert "anomalous_activity" not in without.stdout
    assert (
        "not looked for, since detections.overrides switches it off: anomalous_activity"
    ) in without.stderr

    # An alert that is about them, and not on volume, puts them first.
    alert = {
        "level": "medium",
        "rule": {"kind": "sigma"},
        "entity": {"arn": lead["identifier"]},
        "first_seen": "2025-03-10T09:00:00Z",
        "last_seen": "2025-03-10T09:00:00Z",
    }
    client, index = connect(settings), Names(settings.prefix).alerts
    for kind in ("anomaly", "sigma"):
        body = {**alert, "rule": {"kind": kind}}
        client.index(index=index, id="a", body=body, params={"refresh": "true"})
        (alerted,) = [each for each in hunted(settings)["leads"] if each["family"] == "anomaly"]
        assert alerted["alerted"] == (kind == "sigma")

    whole = "from 2025-03-04 09:00:19 to 2025-03-11 09:00:19 UTC"
    assert f"searched: {whole}\n" in command(settings, "hunt").stderr
    part = "searched: from 2025-03-11 00:00:00 to 2025-03-11 09:00:19 UTC; there are events from "
    (said,) = [
        line
        for line in command(settings, "hunt", "--since", "2025-03-11").stderr.splitlines()
        if line.startswith("searched")
    ]
    assert said.startswith(f"{part}2025-03-10 09:00:00 to 2025-03-11 09:00:19: ")

    done = command(settings, "hunt", "--since", "2025-05-01", "--until", "2025-05-02")
    assert done.exit_code == 0
    assert "searched:" not in done.output
    assert (
        "there are no events from 2025-05-01T00:00:00.000Z until 2025-05-03T00:00:00.000Z: those "
        "in the index are from 2025-03-10T09:00:00.000Z to 2025-03-11T09:00:19.000Z"
    ) in done.output
    assert "nothing was found" not in done.output


def test_users_of_an_address_are_exact_and_only_refusals_close_to_a_success_are_a_sequence(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)

    def center(name: str, account: str) -> dict[str, Any]:
        return {"type": "IdentityCenterUser", "accountId": account, "userName": name}

    def asked(minute: int, who: dict[str, Any], address: str, refused: bool) -> dict[str, Any]:
        more = {"errorCode": "AccessDenied"} if refused else {}
        when = {"eventTime": f"{DAY}T{10 + minute // 60:02}:{minute % 60:02}:00Z"}
        where = {"sourceIPAddress": address, "eventName": "GetRole"}
        return record(userIdentity=who, **when, **where, **more)

    # Three users with eleven errors: 6 points, and 11 with a fourth.
    three = [user("a"), user("b"), center("c", ACCOUNT)]
    four = [*three, center("c", "444455556666")]
    calls = [
        asked(n, who[n % len(who)], address, refused=True)
        for address, who in (("203.0.113.61", three), ("203.0.113.62", four))
        for n in range(12)
    ]
    # An hour from the first of three refusals, a success between them, and too late a success.
    for name, refusals, successes in (
        ("within", (0, 20, 50), (10, 60)),
        ("late", (0, 20, 50), (61,)),
        ("before", (20, 30, 40), (10,)),
        ("scattered", (0, 40, 80), (81,)),
        ("second", (0, 59, 70, 80), (119,)),
    ):
        who = user(name)
        calls += [asked(minute, who, "203.0.113.63", refused=True) for minute in refusals]
        calls += [asked(minute, who, "203.0.113.63", refused=False) for minute in successes]
    write_trail(tmp_path / "trail", calls)
    backfill(settings, tmp_path / "trail")

    leads = hunted(settings, "--since", DAY)["leads"]
    addresses = {each["identifier"]: each for each in leads if each["family"] == "address"}
    assert "203.0.113.61" not in addresses
    assert addresses["203.0.113.62"]["unique_users"] == 4
    assert addresses["203.0.113.62"]["event_count"] == 12
    assert addresses["203.0.113.62"]["matching_events"] == ["GetRole"]
    assert len(addresses["203.0.113.62"]["events"]) == 12
    sequences = {
        each["identifier"].rpartition("/")[2]
        for each in leads
        if each["pattern"] == "failed_then_succeeded"
    }
    assert sequences == {"within", "second"}
