"""`trailhound whois`: what a page about a subject says, and what is unusual now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from detections.rule import LEVELS
from tests.helpers.commands import command
from tests.helpers.detection_rules import write_rules
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.settings import Settings

KEY = "AKIAADAEXAMPLE"
CLOSE = ("alerts", "close", "--all", "--yes", "--by", "ada")
ADA = {
    "type": "IAMUser",
    "arn": "arn:aws:iam::111122223333:user/ada",
    "accountId": "111122223333",
    "userName": "ada",
    "accessKeyId": KEY,
}


READ = """\
title: Payroll read
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a04
level: low
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: GetObject}
  condition: selection
"""


def week() -> list[dict[str, Any]]:
    """Ten ordinary calls a day for six days, then a burst from elsewhere at night."""
    ordinary = [
        record(
            eventTime=f"2025-03-{day:02}T{9 + number % 5:02}:00:{number:02}Z",
            eventName="GetUser",
            userIdentity=ADA,
        )
        for day in range(1, 7)
        for number in range(10)
    ]
    burst = [
        record(
            eventTime=f"2025-03-07T03:00:{number:02}Z",
            eventName="CreateAccessKey",
            requestParameters={"userName": "bob"},
            sourceIPAddress="203.0.113.9",
            awsRegion="sa-east-1",
            errorCode="AccessDenied",
            userIdentity=ADA,
        )
        for number in range(30)
    ]
    eve = {
        "userName": "eve",
        "arn": "arn:aws:iam::111122223333:user/eve",
        "accessKeyId": "AKIAEVE",
    }
    other = record(eventTime="2025-03-02T10:00:00Z", userIdentity=ADA | eve)
    zoe = ADA | {
        "userName": "zoe",
        "arn": "arn:aws:iam::111122223333:user/zoe",
        "accessKeyId": "AKIAZOE",
    }
    more = [
        record(
            eventTime=f"2025-03-{day:02}T09:00:{number:02}Z",
            eventName=call,
            sourceIPAddress="198.51.100.77",
            userIdentity=zoe,
        )
        for day, reads in ((1, 2), (2, 3), (3, 2), (4, 3), (5, 2), (6, 40))
        for call, times in (("GetParameter", reads), ("GetUser", 10))
        for number in range(times)
    ]
    return [*ordinary, *burst, other, *more]


def test_a_page_says_when_where_what_and_what_is_unusual(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    write_trail(tmp_path / "trail", week())
    backfill(settings, tmp_path / "trail")

    made = output_of(settings, "ada", "--weeks", "1")
    assert (made["events"], made["failed"]) == (90, 30)
    assert made["first_seen"] == "2025-03-01T09:00:00.000Z"
    assert made["last_seen"] == "2025-03-07T03:00:29.000Z"
    assert {n for n, count in enumerate(made["hours"]) if count} == {3, 9, 10, 11, 12, 13}
    assert made["calls"] == [
        {"value": "GetUser", "events": 60},
        {"value": "CreateAccessKey", "events": 30},
    ]
    assert made["without"]["addresses"] == 0
    placed = sum(each["events"] for each in made["countries"])
    assert made["without"]["countries"] == made["events"] - placed
    assert made["keys"] == [{"value": KEY, "events": 90}]
    assert made["peers"]["same_address"] == [{"value": "eve", "events": 1}]
    assert {"value": "bob", "events": 90} in made["peers"]["acted_on"]
    unusual = {(each["kind"], each["value"]) for each in made["unusual"]}
    assert unusual == {
        ("calls", "CreateAccessKey"),
        ("addresses", "203.0.113.9"),
        ("networks", "203.0.0.0/16"),
        ("errors", "AccessDenied"),
        ("tools", "AWS CLI"),  # as often as its events
        ("regions", "sa-east-1"),
        ("hours", "03:00"),
        ("events", "40"),  # ten of the day before
        ("failures", "30"),
    }
    # A value is unusual by its number alone, and each of those that are.
    of_zoe = {(each["kind"], each["value"]) for each in output_of(settings, "zoe")["unusual"]}
    assert ("calls", "GetParameter") in of_zoe
    assert ("calls", "GetUser") not in of_zoe
    # As of the day before nothing was.
    assert output_of(settings, KEY, "--weeks", "1", "--until", "2025-03-06")["unusual"] == []
    assert output_of(settings, "198.51.100.7")["names"][0]["value"] == "ada"
    page = command(settings, "whois", "ada", "--weeks", "1")
    assert page.exit_code == 0
    assert "not active from 03:00 to 04:00 UTC before" in page.stdout


def test_alerts_are_those_that_name_an_event_of_the_subject(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """What else the users of a bucket did is no alert of the bucket."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    reads = {
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "userIdentity": ADA,
        "requestParameters": {"bucketName": "payroll", "key": "a"},
    }
    removes = {"eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail"}
    trail = [
        record(eventTime=f"2025-03-{day:02}T09:00:00Z", userIdentity=ADA, **removes)
        for day in range(1, 11)
    ]
    trail += [record(eventTime=f"2025-03-0{day}T10:00:00Z", **reads) for day in (2, 3)]
    write_trail(tmp_path / "trail", trail)
    backfill(settings, tmp_path / "trail")
    rules = write_rules(tmp_path / "rules")
    (rules / "read.yml").write_text(READ)
    env = {"TRAILHOUND_DETECTIONS__RULES": json.dumps([str(rules)])}
    assert command(settings, "detect", env=env).exit_code == 0

    bucket = output_of(settings, "s3:payroll")
    assert bucket["alerts_total"] == 2
    assert {(each["rule"]["name"], each["state"]) for each in bucket["alerts"]} == {
        ("Payroll read", "open")
    }
    assert output_of(settings, "s3:payroll", "--until", "2025-03-02")["alerts_total"] == 1
    ada = output_of(settings, "ada")
    assert ada["alerts_total"] == len(ada["alerts"]) > 12
    # The most severe first, of the same the earliest.
    order = [(-LEVELS.index(each["level"]), each["first_seen"]) for each in ada["alerts"]]
    assert order == sorted(order)
    page = command(settings, "whois", "ada").stdout
    first = ada["alerts"][0]
    assert f"{first['level']:<8} open 2025-03-" in page
    assert f" {first['id'][:8]} {first['rule']['name']}" in page
    assert f"and {ada['alerts_total'] - 8} more: the time line has each in its place" in page
    # Those of other days than the last one are said, with the day to look at.
    since = ada["now"]["since"]
    before = [each for each in ada["alerts"] if each["last_seen"] < since]
    folded = " ".join(page.split())
    assert 0 < len(before) < len(ada["alerts"])
    assert f"{len(before)} alerts from before the hours that are compared below" in folded
    assert f"trailhound whois ada --until {before[0]['last_seen'][:10]}" in folded

    found = json.loads(command(settings, "incidents", "list", "--json").stdout)["incidents"]
    shown = command(settings, "incidents", "show", found[0]["id"]).stdout
    assert f"trailhound timeline {found[0]['id']}" in shown
    who, last = found[0]["principals"][0], found[0]["last_seen"][:10]
    assert f"trailhound whois {who} --until {last}" in " ".join(shown.split())


def test_names_that_only_events_of_a_moment_ago_have_are_known(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client, day = prepared(settings), Names(settings.prefix).day("2025.03.01")
    client.indices.create(index=day, body={"settings": {"index": {"refresh_interval": "-1"}}})
    account = "444455556666"
    for number, words in enumerate((("alerts", "list"), ("incidents", "list"), CLOSE)):
        name = f"new-{number}"
        event = record(userIdentity=ADA | {"userName": name}, recipientAccountId=account)
        client.index(index=day, body=event | {"user": {"name": name}})
        done = command(settings, *words, "--principal", name)
        assert done.exit_code == (1 if words == CLOSE else 0), (words, done.exception)
        account = f"44445555000{number}"
        client.index(index=day, body=event | {"recipientAccountId": account})
        done = command(settings, *words, "--account", account)
        assert done.exit_code == (1 if words == CLOSE else 0), (words, done.exception)


def test_what_is_not_there_is_named_and_so_is_what_is_near(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    away = ADA | {"arn": "arn:aws:iam::444455556666:user/ada", "accountId": "444455556666"}
    trail = [
        record(
            eventTime=f"2025-03-01T09:00:0{n}Z",
            eventName="GetUser",
            userIdentity=who,
            recipientAccountId=who["accountId"],
        )
        for n, who in enumerate((ADA, ADA, away))
    ]
    write_trail(tmp_path / "trail", trail)
    backfill(settings, tmp_path / "trail")

    for name in ("whois", "timeline"):
        for unknown in ("adda", "user:adda"):
            done = command(settings, name, unknown)
            assert isinstance(done.exception, UsageError)
            assert unknown in str(done.exception)
            assert "user:ada" in (done.exception.hint or "")
        there = "there are no events from 2025-05-01T00:00:00.000Z: those in the index are from"
        done = command(settings, name, "ada", "--since", "2025-05-01")
        assert (done.exit_code, there in done.output) == (0, True)
        other = command(settings, name, "198.51.100.7", "--until", "2025-02-01").output
        assert "there are no events until 2025-02-02T00:00:00.000Z" in other
    hunted = command(settings, "hunt", "--since", "2026-01-01").output
    assert "from 2026-01-01T00:00:00.000Z on: the last one in the index is at 2025-03-01T" in hunted
    for words in (("events",), ("alerts", "list"), ("incidents", "list"), CLOSE):
        done = command(settings, *words, "--principal", "adda")
        assert isinstance(done.exception, UsageError), words
        assert "no event is by adda" in str(done.exception)
        assert "the nearest: user:ada" in (done.exception.hint or "")
        done = command(settings, *words, "--account", "999999999999")
        assert isinstance(done.exception, UsageError), words
        assert "no event is of the account 999999999999" in str(done.exception)
        assert "there are: 111122223333, 4" in (done.exception.hint or "")
        for known in ("--principal", "ada"), ("--principal", "zz*"), ("--account", "111122223333"):
            done = command(settings, *words, *known)
            assert done.exit_code == (1 if words == CLOSE else 0), (words, known)
    done = command(settings, "events", "--region", "mars-1")
    assert isinstance(done.exception, UsageError)
    assert "no event is of the region mars-1" in str(done.exception)
    assert "there are: us-east-1" in (done.exception.hint or "")
    for option, exists, unknown in (
        ("--principal", "ada", "adda"),
        ("--account", "111122223333", "999999999999"),
        ("--region", "us-east-1", "mars-1"),
    ):
        done = command(settings, "events", option, exists, option, unknown, "--json")
        assert done.exit_code == 1, option
        made = json.loads(done.stdout)
        (problem,) = made["problems"]
        assert (unknown in problem, bool(made["events"])) == (True, True)
    page, nowhere = tmp_path / "r.json", ("--account", "999999999999")
    done = command(settings, "report", *nowhere, "-o", str(page))
    assert isinstance(done.exception, UsageError)
    assert "no event is of the account 999999999999" in str(done.exception)
    assert not page.exists()
    done = command(settings, "report", *nowhere, "--account", "111122223333", "-o", str(page))
    assert (done.exit_code, page.exists()) == (1, True)
    assert "There is no event of 999999999999 at any time" in " ".join(done.output.split())
    for words in (("alerts", "list"), CLOSE):
        done = command(settings, *words, "--tactic", "persistance")
        assert isinstance(done.exception, UsageError), words
        assert (done.exception.hint or "") == "did you mean 'persistence'?"
        done = command(settings, *words, "--tactic", "Resource Development")
        assert done.exit_code == (1 if words == CLOSE else 0), words
    for address in "203.0.113.99", "203.0.113.0/24":
        done = command(settings, "events", "--address", address)
        assert done.exit_code == 0
        assert f"no event is from {address}" in done.output
    for address in "198.51.100.7", "198.51.100.0/24":
        done = command(settings, "events", "--address", address)
        assert (done.exit_code, "no event is from" in done.output) == (0, False)
    lost = command(settings, "timeline", "ada", "--expand", "999")
    assert isinstance(lost.exception, UsageError)
    assert "there is no line 999 to expand" in str(lost.exception)
    for words in (("events",), ("paths", "--lateral")):
        assert there in command(settings, *words, "--since", "2025-05-01").output

    both = output_of(settings, "ada")
    assert (both["events"], both["principals"]) == (
        3,
        ["user:ada@111122223333", "user:ada@444455556666"],
    )
    said = command(settings, "whois", "ada").stdout.splitlines()
    assert said[1:4] == [
        "2 principals have this name, and this page mixes them; for one alone:",
        "  trailhound whois user:ada@111122223333",
        "  trailhound whois user:ada@444455556666",
    ]
    for one in ("ada@111122223333", "user:ada@111122223333"):
        assert output_of(settings, one)["events"] == 2


def output_of(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = command(settings, "whois", *arguments, "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert isinstance(made, dict)
    return made


def test_a_time_without_events_of_the_subject_says_when_there_are_any(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    carol = {
        "type": "IAMUser",
        "principalId": "AIDACAROL",
        "arn": "arn:aws:iam::111122223333:user/carol",
        "accountId": "111122223333",
        "userName": "carol",
    }
    trail = [
        record(eventTime=time, eventName="GetUser", userIdentity=who)
        for time, who in (
            ("2025-03-01T09:00:00Z", ADA),
            ("2025-03-03T09:00:00Z", ADA),
            ("2025-03-05T09:00:00Z", carol),
        )
    ]
    write_trail(tmp_path / "trail", trail)
    backfill(settings, tmp_path / "trail")
    there = "in this time: there are some from 2025-03-01T09:00:00.000Z to 2025-03-03T09:00:00.000Z"
    once = "in this time: there is one at 2025-03-05T09:00:00.000Z"
    for line in (("timeline", "ada"), ("whois", "ada"), ("events", "--principal", "ada")):
        done = command(settings, *line, "--since", "2025-03-04")
        assert (done.exit_code, there in " ".join(done.output.split())) == (0, True), done.output
    found = command(settings, "timeline", "carol", "--until", "2025-03-04").output
    assert once in " ".join(found.split())
    done = command(settings, "events", "--call", "GetUser", "--since", "2025-03-04")
    assert "in this time" not in done.output
