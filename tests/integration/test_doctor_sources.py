"""`doctor` asks for each source of `run.sources` whether it exists and may be read."""

from __future__ import annotations

import json
import socket
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from ingest.feeds.kinds import Probed
from tests.helpers.aws_api import AwsApi
from tests.helpers.commands import command
from tests.helpers.queues import Queue
from tests.helpers.trails import own_settings, record, trail_bytes
from trailhound.app.doctor.source_checks import source_checks
from trailhound.errors import SourceUnreachableError

KEY = (
    "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/01/"
    "111122223333_CloudTrail_us-east-1_20250301T1200Z_abcdefgh.json.gz"
)
_KINDS = ("queue ", "bucket ", "folder ")
Checks = dict[str, dict[str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "trailhound.yaml"


def checks(config: Path, sources: list[dict[str, Any]]) -> tuple[Checks, int]:
    """The checks of `doctor` where no cluster answers, by what they are about; its exit code."""
    config.write_text(yaml.safe_dump({"run": {"sources": sources}}), encoding="utf-8")
    settings = own_settings("http://127.0.0.1:1", "org", config.parent / "home")
    done = command(settings, "doctor", "--json", "--config", str(config))
    found = {each["what"]: each for each in json.loads(done.stdout)["findings"]}
    return found, done.exit_code


def bucket_with(body: bytes | None) -> str:
    s3 = boto3.client("s3")
    name = f"trail-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    if body is not None:
        s3.put_object(Bucket=name, Key=KEY, Body=body)
    return name


def test_sources_that_can_be_used(aws_api: AwsApi, config: Path, tmp_path: Path) -> None:
    queue = Queue(aws_api.url)
    # As docs/running.md sets it up: who receives waits so long, and a look may not.
    queue.client.set_queue_attributes(
        QueueUrl=queue.url, Attributes={"ReceiveMessageWaitTimeSeconds": "20"}
    )
    bucket, empty = bucket_with(trail_bytes([record()])), bucket_with(None)
    folder = tmp_path / "in"
    folder.mkdir()
    sources = [
        {"queue": queue.name},
        {"queue": queue.arn(queue.failed)},
        {"poll": f"s3://{bucket}/"},
        {"poll": f"s3://{empty}/"},
        {"watch": str(folder)},
    ]
    found, _ = checks(config, sources)
    verdicts = {what: each["verdict"] for what, each in found.items() if what.startswith(_KINDS)}
    assert verdicts == {
        f"queue {queue.name}": "ok",
        f"queue {queue.arn(queue.failed)}": "warning",
        f"bucket s3://{bucket}/": "ok",
        f"bucket s3://{empty}/": "warning",
        f"folder {folder}": "ok",
    }
    assert found[f"bucket s3://{bucket}/"]["fact"].endswith(f"{KEY} is readable")
    assert "received and deleted" in found[f"queue {queue.name}"]["fact"]
    assert "redrive policy" in found[f"queue {queue.arn(queue.failed)}"]["fact"]
    assert "no trail file yet" in found[f"bucket s3://{empty}/"]["fact"]
    # A message that waits is neither taken nor counted as received.
    queue.send("{}")
    found, _ = checks(config, [{"queue": queue.name}])
    assert found[f"queue {queue.name}"]["fact"].startswith("1 waiting; ")
    received = queue.client.receive_message(
        QueueUrl=queue.url, AttributeNames=["ApproximateReceiveCount"]
    )["Messages"][0]["Attributes"]
    assert received["ApproximateReceiveCount"] == "1"


def test_what_is_not_there_is_named(aws_api: AwsApi, config: Path) -> None:
    sources = [{"queue": "not-there"}, {"poll": "s3://not-there-either/logs"}]
    found, code = checks(config, sources)
    queue, bucket = found["queue not-there"], found["bucket s3://not-there-either/logs"]
    assert (queue["verdict"], bucket["verdict"]) == ("failed", "failed")
    assert "does not exist" in queue["fact"]
    assert "check the name" in queue["advice"]
    assert "no such bucket (NoSuchBucket)" in bucket["fact"]
    assert "bucket's name" in bucket["advice"]
    assert code


@pytest.mark.parametrize(
    "refused",
    ["sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage"],
)
def test_a_permission_that_a_queue_lacks_is_named(
    aws_api: AwsApi, config: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    queue = Queue(aws_api.url)
    monkeypatch.setitem(aws_api.refusals, refused, "AccessDenied")
    found, _ = checks(config, [{"queue": queue.name}])
    said = found[f"queue {queue.name}"]
    assert said["verdict"] == "failed"
    assert f"queue {queue.name}: {refused.removeprefix('sqs:')} is denied" in said["fact"]
    assert f"grant {refused}" in said["advice"]


@pytest.mark.parametrize("refused", ["s3:ListBucket", "s3:GetObject"])
def test_a_permission_that_a_bucket_lacks_is_named(
    aws_api: AwsApi, config: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    bucket = bucket_with(trail_bytes([record()]))
    monkeypatch.setitem(aws_api.refusals, refused, "AccessDenied")
    found, _ = checks(config, [{"poll": f"s3://{bucket}"}])
    said = found[f"bucket s3://{bucket}"]
    assert said["verdict"] == "failed"
    assert bucket in said["fact"]
    assert "AccessDenied" in said["fact"]
    assert f"grant {refused}" in said["advice"]


def test_without_credentials_each_source_says_so(
    aws_api: AwsApi, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    found, _ = checks(config, [{"queue": "trail"}, {"poll": "s3://trail"}])
    for what in ("queue trail", "bucket s3://trail"):
        assert found[what]["verdict"] == "failed"
        assert "no usable AWS credentials" in found[what]["fact"]
        assert "give AWS credentials" in found[what]["advice"]


def test_a_store_that_does_not_answer_holds_nothing_up(
    aws_api: AwsApi, tmp_path: Path, config: Path
) -> None:
    bucket = bucket_with(trail_bytes([record()]))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = own_settings(
            "http://127.0.0.1:1",
            "org",
            tmp_path,
            aws={"endpoint_url": endpoint},
            run={"sources": [{"poll": f"s3://{bucket}"}, {"watch": str(tmp_path)}]},
        )
        found = dict(source_checks(settings, within=0.5))
    overdue, folder = found[f"bucket s3://{bucket}"], found[f"folder {tmp_path}"]
    assert isinstance(overdue, SourceUnreachableError)
    assert "no answer within 0.5 s" in overdue.message
    assert isinstance(folder, Probed)
