"""Files without a cluster: the same documents as a backfill of them indexes."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.helpers.commands import command
from tests.helpers.installation import stamp
from tests.helpers.records import RECORDS
from tests.helpers.trails import backfill, documents, own_settings, prepared, record, write_trail
from trailhound.sample.spec import SampleSpec
from trailhound.sample.write import write_sample


def enriched(done_stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done_stdout.splitlines()]


def place(document: dict[str, Any]) -> tuple[str, int]:
    """The file and the position, by which the two are compared: ids may be missing."""
    return document["trail"]["object"], document["trail"]["position"]


def test_the_documents_are_those_of_a_backfill(engine: str, namespace: str, tmp_path: Path) -> None:
    """But for what only the index shows: when it was indexed, what the engine refused, another
    record's eventID, an event's second delivery; and for what only Elasticsearch is given."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    trail = tmp_path / "trail"
    write_sample(trail, SampleSpec(events=1500, days=2))
    one, twice = record(), record()
    refused = record(requestParameters=["the engine refuses a list here"])
    write_trail(trail, [*(each.record for each in RECORDS.values()), refused], "shapes")
    write_trail(trail, [one, twice], "first")
    write_trail(trail, [{**one, "eventName": "DeleteTrail"}, twice], "second")
    report = backfill(settings, trail)
    assert report.conflicts >= 1
    assert report.repaired >= 1

    done = command(settings, "enrich", str(trail))
    written = {place(each): each for each in enriched(done.stdout)}
    indexed = {place(each): each for each in documents(client, settings).values()}
    assert len(written) == len(indexed) + report.counts.duplicates
    compared = 0
    for where, document in indexed.items():
        assert document["event"].pop("ingested")
        ours = written[where]
        document["trail"].pop("conflict", None)
        document["trail"].pop("flat", None)  # events have it on Elasticsearch
        document["trail"].pop("flat", None)
        if "repaired" in document["trail"] and "repaired" not in ours["trail"]:
            continue
        assert ours == document
        compared += 1
    assert compared > len(indexed) - 20


RULES = """\
title: A
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1b01
name: a
level: high
logsource: {product: aws}
detection: {call: {eventName: A}, condition: call}
trailhound: {group_by: [userIdentity.arn, sourceIPAddress], suppress: 5s}
---
title: B
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1b02
name: b
level: low
logsource: {product: aws}
detection: {call: {event.action: B, requestParameters.size|gte: 2}, condition: call}
---
title: C
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1b03
name: c
logsource: {product: aws}
detection: {call: {eventName: C}, condition: call}
trailhound: {group_by: [requestParameters.bucketName, source.address]}
"""
GROUPINGS = [
    ["userIdentity.arn"],
    ["source.address", "awsRegion"],
    ["requestParameters.bucketName"],
    ["resources.ARN", "userIdentity.arn"],
    [],
]
CONDITIONS = {
    "event_count": (["a"], {"gte": 2}),
    "value_count": (["a", "c"], {"field": "requestParameters.bucketName", "gte": 2}),
    "temporal": (["a", "b"], {}),
    "temporal_ordered": (["c", "a"], {}),
    "value_sum": (["a"], {"field": "requestParameters.size", "gt": 3}),
}


def write_random_rules(folder: Path) -> Path:
    """Plain rules, every kind of correlation by every grouping, one of correlations, and one that
    needs history."""
    documents = [*yaml.safe_load_all(RULES)]
    for kind, (rules, condition) in CONDITIONS.items():
        for number, grouping in enumerate(GROUPINGS):
            correlation: dict[str, Any] = {
                "type": kind,
                "rules": rules,
                "timespan": f"{2 + 3 * number}s",
                **({"group-by": grouping} if grouping else {}),
                **({"condition": condition} if condition else {}),
            }
            name = f"{kind}-{number}"
            documents.append({"title": name, "name": name, "correlation": correlation})
    outer = {"type": "temporal", "rules": ["event_count-0", "c"], "timespan": "20s"}
    documents.append({"title": "outer", "correlation": {**outer, "group-by": ["userIdentity.arn"]}})
    documents.append(
        {
            "title": "first time",
            "logsource": {"product": "aws"},
            "detection": {"call": {"eventName": "A"}, "condition": "call"},
            "trailhound": {"new_terms": {"field": "userIdentity.arn"}},
        }
    )
    folder.mkdir()
    (folder / "rules.yml").write_text(yaml.safe_dump_all(documents))
    return folder


def random_records(seed: int) -> list[dict[str, Any]]:
    """Records around midnight of two days: at the same second, without a field, with an address
    in another spelling, without an ARN, with what the engine refuses."""
    chance = Random(seed)
    start = datetime(2025, 3, 1, 23, 59, 30, tzinfo=UTC) + timedelta(days=seed % 3)
    people = [
        {"type": "IAMUser", "userName": "ada", "arn": "arn:aws:iam::111122223333:user/ada"},
        {"type": "IAMUser", "userName": "bob", "arn": "arn:aws:iam::111122223333:user/bob"},
        {"type": "IdentityCenterUser", "userName": "eve", "arn": ""},
        {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
    ]
    made = []
    for _ in range(chance.randint(30, 60)):
        parameters: Any = {
            "bucketName": chance.choice(["b1", "b2", ["b1", "b2"]]),
            "size": chance.choice([1, 2, "3", 10, "many"]),
        }
        if chance.random() < 0.1:
            parameters = chance.choice([None, ["no object"], {"bucketName": "x" * 40_000}])
        made.append(
            record(
                eventTime=stamp(start + timedelta(seconds=chance.randrange(60))),
                eventName=chance.choice("AAABBC"),
                eventSource="s3.amazonaws.com",
                userIdentity=chance.choice(people),
                sourceIPAddress=chance.choice(
                    ["198.51.100.7", "2001:db8:0:0::1", "", "AWS Internal"]
                ),
                awsRegion=chance.choice(["eu-west-1", "us-east-1", {"odd": 1}]),
                requestParameters=parameters,
                resources=[{"ARN": f"arn:{n}"} for n in range(chance.randrange(3))],
                eventID=str(uuid.UUID(int=chance.getrandbits(128))),
            )
        )
    # One eventID on two days is two events, in one alert that names it once.
    night = start.replace(hour=23, minute=59, second=59)
    one = record(
        eventName="A",
        requestParameters={"bucketName": "b1", "size": 1},
        eventID=str(uuid.UUID(int=chance.getrandbits(128))),
    )
    return made + [
        one | {"eventTime": stamp(night + timedelta(seconds=each)), "errorCode": "AccessDenied"}
        for each in (0, 1)
    ]


def write_random_trail(folder: Path, seed: int) -> list[Path]:
    """Two files, the later events first: events that are in both, in another form too, and
    eventIDs that two records have. What is in the second file comes second in the index too."""
    records = random_records(seed)
    chance = Random(seed)
    chance.shuffle(records)
    half = len(records) // 2
    twice = records[:5]
    forged = [{**each, "eventName": "A", "userAgent": "forged"} for each in records[5:8]]
    folder.mkdir(parents=True)
    first = write_trail(folder, records[half:] + records[: half - 3] + forged[:1], f"{seed}-a")
    lines = b"\n".join(json.dumps(each, sort_keys=True).encode() for each in [*twice, *forged])
    second = folder / f"{seed}-b.jsonl"
    second.write_bytes(lines + b"\n" + b"\n".join(json.dumps(r).encode() for r in records[-3:]))
    return [first, second]


VOLATILE = ("@timestamp", "state_at", "history", "delivery", "incident", "access_keys", "opened_by")


def comparable(alerts: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Alerts by id, without what depends on when and where they were raised, nor what joining adds:
    the share of each principal, by which these are ordered, in the summary too."""
    for each in alerts:
        if each.pop("by_principal", None):
            each["entity"]["principal"].sort()
        if len(each["entity"].get("principal", ())) > 1:
            del each["summary"]
        each["evidence"].pop("query", None)
        each["evidence"].pop("query_exact", None)
    return {
        each["id"]: {name: value for name, value in each.items() if name not in VOLATILE}
        for each in alerts
    }


def test_rules_find_the_same_in_files_and_in_the_index(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    trail = tmp_path / "trail"
    write_sample(trail / "sample", SampleSpec(events=800, days=1))
    sources: list[Path] = [trail / "sample"]
    for seed in range(3):
        sources += write_random_trail(trail / f"random{seed}", seed)
    duplicates = 0
    for source in sources:  # one after the other: which of two records comes first is then certain
        report = backfill(settings, source)
        duplicates += report.counts.duplicates
    marked = (each["trail"] for each in documents(client, settings).values())
    conflicts = sum("conflict" in each for each in marked)
    assert min(conflicts, duplicates) > 0
    rules = write_random_rules(tmp_path / "rules")

    history = json.loads(command(settings, "detect", "--rules", str(rules), "--json").stdout)
    found = command(settings, "alerts", "list", "--limit", "5000", "--state", "all", "--json")
    indexed = [
        each
        for each in json.loads(found.stdout)["alerts"]
        if each["rule"]["kind"] in ("sigma", "correlation")
    ]
    files = [str(each) for each in sources]
    done = command(
        settings,
        *("detect", "--files", *files, "--rules", str(rules), "--json"),
        env={"TRAILHOUND_CLUSTER__HOSTS": '["http://127.0.0.1:1"]'},
    )
    assert done.exit_code == 0, done.output
    in_files = json.loads(done.stdout)

    assert in_files["events"] == history["events"] > 500
    assert in_files["conflicts"] == conflicts
    assert in_files["read"]["duplicates"] == duplicates
    assert {each["title"] for each in in_files["not_run"]} >= {"first time", "anomalous_activity"}
    assert len(indexed) > 100
    assert any(each["count"] > len(each["evidence"]["event_id"]) for each in indexed)
    assert comparable(in_files["alerts"]) == comparable(indexed)
    plain_rules = {each["id"] for each in indexed if each["rule"]["kind"] == "sigma"}
    counted = {each["id"]: each["findings"] for each in history["rules"]}
    for each in in_files["rules"]:
        if each["id"] in plain_rules:
            assert each["findings"] == counted[each["id"]], each["title"]
