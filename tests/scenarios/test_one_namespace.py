"""An installation at work: all sources, rules, channels and commands in one namespace.

A daemon follows a queue, a polled bucket and a folder, with a filter, a threat list, rules on
schedule, a webhook and retention; a backfill runs beside it. All of it through the command line.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from opensearchpy import OpenSearch

from tests.helpers.detection_rules import BURST, DELETED, write_rules
from tests.helpers.processes import identity_holds, printed, run, start
from tests.helpers.queues import Queue, until
from tests.helpers.receiver import Receiver
from tests.helpers.trails import documents, ledger, own_settings, record, trail_bytes, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.jobs import Jobs

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCOUNT = "111122223333"
LISTED = "203.0.113.66"


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(engine, namespace, tmp_path / "home")


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def records(now: datetime, source: str) -> list[dict[str, Any]]:
    """Eight of a source: three plain ones, two that the filter leaves out, one from a listed
    address, one that a rule is about, and one that is in every source."""
    when = stamp(now - timedelta(minutes=2))
    return [
        *(record(eventTime=when, userAgent=source) for _ in range(3)),
        *(record(eventTime=when, eventName="Decrypt") for _ in range(2)),
        record(eventTime=when, sourceIPAddress=LISTED),
        record(eventTime=when, eventSource="cloudtrail.amazonaws.com", eventName="DeleteTrail"),
        record(eventTime=when, eventID="00000000-0000-4000-8000-000000000001"),
    ]


def denied(now: datetime, number: int) -> dict[str, Any]:
    return record(
        eventTime=stamp(now - timedelta(minutes=3, seconds=number)), errorCode="AccessDenied"
    )


def key_of(now: datetime, name: str) -> str:
    folder = f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{now:%Y/%m/%d}"
    return f"{folder}/{ACCOUNT}_CloudTrail_us-east-1_{now:%Y%m%dT%H%M}Z_{name}.json.gz"


def announcement(bucket: str, key: str, size: int) -> str:
    """What S3 writes into a queue."""
    thing = {"bucket": {"name": bucket}, "object": {"key": key, "size": size}}
    event = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": thing}
    return json.dumps({"Records": [event]})


def searchable(client: OpenSearch, settings: Settings) -> int:
    """How many events there are; -1 while a day's index is being made or removed."""
    days = Names(settings.prefix).days
    client.indices.refresh(index=days)
    reply = client.count(index=days)
    return -1 if reply["_shards"]["failed"] else int(reply["count"])


def write_config(
    tmp_path: Path, queue: Queue, bucket: str, endpoint: str, port: int
) -> tuple[Path, Path]:
    """The settings file, and the folder that is watched."""
    listed, watched = tmp_path / "listed.txt", tmp_path / "watched"
    listed.write_text(f"{LISTED}\n")
    rules = write_rules(tmp_path / "rules")
    for pack in rules.iterdir():  # a round ends before the next one is due, on a busy machine too
        pack.write_text(pack.read_text().replace("interval: 1s", "interval: 10s"))
    content = {
        "aws": {"endpoint_url": endpoint},
        "ingest": {"batch_seconds": 0.2},
        "filter": [{"eventName": "Decrypt"}],
        "enrich": {"threat_lists": [{"name": "scanners", "path": str(listed)}]},
        "retention": {"days": 30, "ism": False},
        "detections": {"shipped": False, "rules": [str(rules)]},
        "notify": {
            "per_minute": 100,
            "channels": [
                {
                    "name": "hook",
                    "kind": "webhook",
                    "url": f"http://127.0.0.1:{port}/hook",
                    "secret": "a-secret-of-this-test",
                    "level": "low",
                }
            ],
        },
        "run": {
            "listen": None,
            "lease_seconds": 2,
            "sources": [
                {"queue": queue.url},
                {"poll": f"s3://{bucket}/", "every": 1},
                {"watch": str(watched), "every": 0.5},
            ],
        },
    }
    file = tmp_path / "trailhound.yaml"
    file.write_text(yaml.safe_dump(content))
    return file, watched


def test_queue_bucket_folder_rules_and_backfill_in_one_namespace(
    settings: Settings, tmp_path: Path, s3: S3Client, s3_endpoint: str, bucket: str
) -> None:
    now, queue = datetime.now(UTC), Queue(s3_endpoint)
    pushed = f"{bucket}-pushed"
    s3.create_bucket(Bucket=pushed)
    sources = {name: records(now, name) for name in ("queue", "bucket", "folder", "export")}

    def trailhound(*arguments: str | Path, code: int = 0) -> bytes:
        ended = run(settings, *arguments, "--config", file)
        assert ended.returncode == code, (arguments, ended.stderr.decode())
        return ended.stdout

    with Receiver() as receiver:
        file, watched = write_config(tmp_path, queue, bucket, s3_endpoint, receiver.port)
        trailhound("init")
        # A day that is past retention, brought in before there was one.
        ancient = now - timedelta(days=45)
        write_trail(tmp_path / "ancient", [record(eventTime=stamp(ancient))])
        ended = run(settings, "backfill", tmp_path / "ancient", "--json")
        assert ended.returncode == 0, ended.stderr.decode()

        process = start(settings, "run", "--config", file)
        try:
            body = trail_bytes(sources["queue"])
            s3.put_object(Bucket=pushed, Key=key_of(now, "queued"), Body=body)
            queue.send(announcement(pushed, key_of(now, "queued"), len(body)))
            polled = trail_bytes(sources["bucket"])
            s3.put_object(Bucket=bucket, Key=key_of(now, "polled"), Body=polled)
            write_trail(watched, [*sources["folder"], *(denied(now, n) for n in range(3))], "w")
            export = [*sources["export"], *(denied(now, n) for n in range(3, 6))]
            write_trail(tmp_path / "export", export)
            beside = printed(trailhound("backfill", tmp_path / "export", "--json"))
            assert identity_holds(beside)
            assert (beside["read"], beside["filtered"]) == (11, 2)

            client = connect(settings)
            ancient_day = Names(settings.prefix).day(f"{ancient:%Y.%m.%d}")
            until(lambda: not client.indices.exists(index=ancient_day), "the end of an old day")
            # Of each source: three plain, one listed, one deletion; one shared by all; six denied.
            until(lambda: searchable(client, settings) == 4 * 5 + 1 + 6, "all events")
            until(lambda: queue.left() == 0, "an empty queue")
            until(lambda: len(receiver.received) >= 5, "a message for each alert")

            names = {"detections", "retention", "housekeeping"}
            until(lambda: names <= {each.name for each in Jobs(client, settings).all()}, "jobs")
            status = printed(trailhound("status", "--json"))
            assert len(status["daemons"]) == 1
            kinds = {each["kind"] for each in status["daemons"][0]["sources"]}
            assert len(kinds) == 3
            jobs = {each["name"]: each for each in status["jobs"]}
            assert names <= jobs.keys()
            assert {each["last_error"] for each in jobs.values()} == {""}
            assert {
                each["id"] if "id" in each else each["rule_id"] for each in status["rules"]
            } >= {
                DELETED,
                BURST,
            }
            assert not any(each["failures"] for each in status["rules"])
            assert [each["waiting"] for each in status["channels"]] == [0]
            process.terminate()
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said.decode()
        finally:
            process.kill()

    assert b"KeyError" not in said
    found = printed(trailhound("alerts", "list", "--json"))["alerts"]
    raised = Counter(each["rule"]["id"] for each in found)
    assert raised == {DELETED: 4, BURST: 1}
    (burst,) = [each for each in found if each["rule"]["id"] == BURST]
    assert burst["count"] == 6
    messages = [json.loads(each.body) for each in receiver.received]
    assert {each["id"] for each in messages} == {each["id"] for each in found}
    assert all(each["kind"] == "alert" for each in messages)

    held = documents(client, settings).values()
    marked = [each for each in held if each.get("threat")]
    assert len(marked) == 4
    entries = [each for each in ledger(client, settings) if each["kind"] == "object"]
    assert Counter(each["state"] for each in entries) == {"done": 5}
    totals = {name: sum(each[name] for each in entries) for name in ("read", "filtered")}
    assert totals == {"read": 4 * 8 + 6 + 1, "filtered": 8}
    assert sum(each["duplicates"] for each in entries) == 3

    trailhound("report", "-o", tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text()
    assert "8 records of all times" in text, "each record that was left out is counted once"
    assert printed(trailhound("status", "--json"))["daemons"] == []
