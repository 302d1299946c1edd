"""A daemon as users run it, on a queue that S3 notifies: used by the soak and the delay benchmarks.

S3 and SQS are moto in a process of its own, so that none of its memory is taken for the daemon's.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from ingest.feeds import notifications
from ingest.objects import TrailObject
from trailhound.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_READY_SECONDS = 60.0
BUCKET = "bench-trail"


@dataclass(frozen=True, slots=True)
class Cloud:
    """S3 and SQS on the loopback address, with a bucket and a queue."""

    endpoint: str
    s3: S3Client
    sqs: SQSClient
    queue: str

    def deliver(self, file: Path, root: Path) -> str:
        """Put a sample's file into the bucket and announce it, as CloudTrail and S3 would."""
        key, body = file.relative_to(root).as_posix(), file.read_bytes()
        etag = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)["ETag"].strip('"')
        item = TrailObject(f"s3://{BUCKET}/{key}", etag, len(body))
        message = next(notifications.messages(iter([item]), 1))
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=message)
        return item.uri


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Started, and gone at the end."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command,
        env=os.environ | _CREDENTIALS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(endpoint + "/moto-api/")
        login: Any = {
            "endpoint_url": endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "bench",
            "aws_secret_access_key": "bench",
        }
        s3, sqs = boto3.client("s3", **login), boto3.client("sqs", **login)
        s3.create_bucket(Bucket=BUCKET)
        failed = sqs.create_queue(QueueName="bench-failed")["QueueUrl"]
        wanted: list[Any] = ["QueueArn"]
        arn = sqs.get_queue_attributes(QueueUrl=failed, AttributeNames=wanted)["Attributes"]
        policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": "5"}
        queue = sqs.create_queue(
            QueueName="bench", Attributes={"RedrivePolicy": json.dumps(policy)}
        )["QueueUrl"]
        yield Cloud(endpoint, s3, sqs, queue)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def daemon(
    settings: Settings, where: Cloud, log: Path, config: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`trailhound run` on the queue, ready; stopped cleanly at the end."""
    listen = f"127.0.0.1:{free_port()}"
    environment = os.environ | _CREDENTIALS | _as_environment(settings, where.endpoint)
    with log.open("wb") as out:
        command = [sys.executable, "-m", "trailhound.cli.main", "run"]
        command += ["--queue", where.queue, "--listen", listen]
        command += ["--config", str(config)] if config else []
        process = subprocess.Popen(command, env=environment, stderr=out)
        try:
            _wait_for(f"http://{listen}/readyz", process)
            yield process
            process.terminate()
            if process.wait(60) != 0:
                raise RuntimeError(f"the daemon ended with {process.returncode}: see {log}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _as_environment(settings: Settings, endpoint: str) -> dict[str, str]:
    return {
        "TRAILHOUND_HOME": str(settings.home),
        "TRAILHOUND_NAMESPACE": settings.namespace,
        "TRAILHOUND_CLUSTER__HOSTS": json.dumps(settings.hosts),
        "TRAILHOUND_INDEX__REFRESH_INTERVAL": settings.index.refresh_interval,
        "TRAILHOUND_AWS__ENDPOINT_URL": endpoint,
    }


def free_port() -> int:
    """Of the kernel's own range: those that engines may have are few."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes] | None = None) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the daemon ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} never answered")
