"""A daemon that polls a bucket runs the scheduled rules as well, and one that could not does so
over all that it missed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from opensearchpy import OpenSearch

from detections.alerts.store import AlertQuery, AlertStore
from tests.helpers import last_release as old
from tests.helpers.detection_rules import BURST, DELETED, write_rules
from tests.helpers.processes import LONGEST, printed, run, start
from tests.helpers.queues import until
from tests.helpers.receiver import Receiver
from tests.helpers.trails import (
    backfill,
    own_settings,
    prepared,
    record,
    trail_bytes,
    write_trail,
)
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCOUNT = "111122223333"


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(engine, namespace, tmp_path / "home", index={"refresh_interval": "1s"})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file with rules of the tests' own; sources are given by flags."""
    file = tmp_path / "trailhound.yaml"
    content = {
        "ingest": {"batch_seconds": 0.2},
        "detections": {"shipped": False, "rules": [str(write_rules(tmp_path / "rules"))]},
        "run": {"listen": None},
    }
    file.write_text(yaml.safe_dump(content))
    return file


@contextmanager
def running(settings: Settings, *arguments: str | Path) -> Iterator[None]:
    """A daemon, stopped as an operator stops it."""
    process = start(settings, "run", *arguments)
    try:
        yield
        process.terminate()
        _, said = process.communicate(timeout=LONGEST)
        assert process.returncode == 0, said.decode()
    finally:
        process.kill()


def deleted(minutes: float = 1) -> dict[str, Any]:
    moment = datetime.now(UTC) - timedelta(minutes=minutes)
    return record(
        eventSource="cloudtrail.amazonaws.com",
        eventName="DeleteTrail",
        eventTime=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    )


def denied(number: int) -> dict[str, Any]:
    moment = datetime.now(UTC) - timedelta(minutes=2, seconds=number)
    return record(errorCode="AccessDenied", eventTime=f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def put(s3: S3Client, bucket: str, name: str, *records: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    folder = f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{now:%Y/%m/%d}"
    key = f"{folder}/{ACCOUNT}_CloudTrail_us-east-1_{now:%Y%m%dT%H%M}Z_{name}.json.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=trail_bytes(records))


def alerts(settings: Settings) -> list[dict[str, Any]]:
    return AlertStore(connect(settings), settings).find(AlertQuery())


def status(settings: Settings, config: Path) -> dict[str, Any]:
    shown = run(settings, "status", "--config", config, "--json")
    assert shown.returncode == 0, shown.stderr.decode()
    return printed(shown.stdout)


def job(settings: Settings, config: Path, name: str) -> dict[str, Any]:
    (found,) = [each for each in status(settings, config)["jobs"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


def test_rules_run_on_schedule_beside_a_polled_bucket(
    settings: Settings,
    config: Path,
    s3: S3Client,
    s3_endpoint: str,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    prepared(settings)
    for number in (1, 2):  # the second daemon finds the checkpoints of the first
        put(s3, bucket, f"n{number}", deleted())
        with running(settings, "--poll", f"s3://{bucket}/", "--config", config):
            until(lambda: len(alerts(settings)) == number, "an alert of the event")  # noqa: B023
        detections = job(settings, config, "detections")
        assert (detections["failures"], detections["last_error"]) == (0, "")
    index = Names(settings.prefix).ledger
    client = connect(settings)
    client.indices.refresh(index=index)
    kinds = client.search(
        index=index, body={"size": 0, "aggs": {"kinds": {"terms": {"field": "kind"}}}}
    )["aggregations"]["kinds"]["buckets"]
    assert {"feed_checkpoint", "rule_checkpoint"} <= {each["key"] for each in kinds}
    made = run(settings, "report", "--config", config, "-o", tmp_path / "report.json")
    assert made.returncode == 0, made.stderr.decode()


@pytest.mark.fresh_namespace
def test_a_broken_installation_catches_up_with_one_digest(
    settings: Settings, config: Path, tmp_path: Path
) -> None:
    """One rule ran well until three hours ago, the other never ran."""
    client = connect(settings)
    index = old.make_ledger(client, settings)
    now = datetime.now(UTC)
    broken = [
        old.feed_mark(old.FOLDER, now),
        old.rule_mark(DELETED, now - timedelta(hours=3)),
        old.failing_job(now),
    ]
    prepare_events(client, settings, tmp_path)
    old.store(client, index, broken)

    made = run(settings, "init", "--config", config, "--json")
    assert made.returncode == 0, made.stderr.decode()
    (span,) = [
        each["detail"]
        for each in printed(made.stdout)["changes"]
        if "switched off the scheduled rules" in each["detail"]
    ]
    assert f"since {now:%F}" in span
    assert status(settings, config)["catch_up"]["done"] is False
    assert b"catch-up" in run(settings, "status", "--config", config).stdout

    (folder := tmp_path / "watched").mkdir()
    with Receiver() as receiver:
        content = yaml.safe_load(config.read_text())
        url = f"http://127.0.0.1:{receiver.port}/hook"
        hook = {"name": "hook", "kind": "webhook", "url": url, "secret": "s3cret-s3cret-s3cret"}
        content["notify"] = {"channels": [hook | {"level": "low"}], "per_minute": 100}
        config.write_text(yaml.safe_dump(content))
        with running(settings, "--watch", folder, "--config", config):
            until(lambda: bool(receiver.received), "the digest")
            digest = json.loads(receiver.received[0].body)
            assert digest["kind"] == "digest"
            # The burst is of refused calls alone: one level below its rule's.
            assert digest["levels"] == {"high": 3, "low": 1}
            found = {each["rule"]["id"]: each for each in alerts(settings)}
            assert found.keys() == {DELETED, BURST}
            assert found[BURST]["count"] == 6
            write_trail(folder, [deleted()], "live")
            until(lambda: len(receiver.received) == 2, "the message of a new alert")
    messages = [json.loads(each.body)["kind"] for each in receiver.received]
    assert messages == ["digest", "alert"]
    assert status(settings, config)["catch_up"] is None
    assert job(settings, config, "detections")["last_error"] == ""
    assert run(settings, "init", "--config", config).returncode == 0


def prepare_events(client: OpenSearch, settings: Settings, tmp_path: Path) -> None:
    """Events that came in while no rule could run."""
    index = Names(settings.prefix).ledger
    body = client.indices.get_mapping(index=index)[index]["mappings"]
    prepared(settings)
    events = [*(deleted(minutes) for minutes in (5, 60, 120)), *map(denied, range(6))]
    backfill(settings, write_trail(tmp_path / "missed", events))
    client.indices.delete(index=index)
    client.indices.create(index=index, body={"mappings": body})
    client.indices.refresh(index=Names(settings.prefix).days)
