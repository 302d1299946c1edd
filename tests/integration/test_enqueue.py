"""A bucket's past, put on the queue that the daemons follow."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opensearchpy import OpenSearch

from ingest.backfill.enqueue import Enqueue
from ingest.feeds import notifications
from ingest.feeds.sqs import SqsFeed
from ingest.objects import Selection
from tests.helpers.daemons import running
from tests.helpers.processes import printed, run
from tests.helpers.queues import Queue, until
from tests.helpers.trails import (
    backfill,
    documents,
    own_settings,
    record,
    trail_bytes,
)
from trailhound.errors import SourceUnreachableError, UsageError
from trailhound.settings import FeedSettings, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "AWSLogs/{}/CloudTrail/{}/2025/03/{:02}/{}_CloudTrail_{}_202503{:02}T1200Z_{:03}.json.gz"
ONE, TWO = "111122223333", "444455556666"


@pytest.fixture
def queue(s3_endpoint: str) -> Queue:
    """On which a message stays, however slow a test is."""
    return Queue(s3_endpoint, receives=1000)


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path, s3_endpoint: str) -> Settings:
    return own_settings(
        engine,
        namespace,
        tmp_path / "home",
        aws={"endpoint_url": s3_endpoint},
        ingest={"batch_seconds": 0.2},
        run={"visibility_seconds": 10, "stop_seconds": 10},
    )


def put(s3: S3Client, bucket: str, account: str, region: str, day: int, number: int) -> str:
    key = KEY.format(account, region, day, account, region, day, number)
    body = trail_bytes([record(eventTime=f"2025-03-{day:02}T11:58:00Z")])
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return f"s3://{bucket}/{key}"


def announced(queue: Queue) -> list[str]:
    """What the queue's messages announce; they are taken away."""
    uris: list[str] = []
    while messages := queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get(
        "Messages", []
    ):
        for each in messages:
            said = notifications.read(each["Body"])
            assert said is not None
            uris += [one.item.uri for one in said.objects]
            queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=each["ReceiptHandle"])
    return uris


def test_the_fleet_does_what_was_enqueued_and_a_second_run_has_nothing_left(
    s3: S3Client, bucket: str, queue: Queue, client: OpenSearch, settings: Settings
) -> None:
    uris = [put(s3, bucket, ONE, "us-east-1", 1 + n % 3, n) for n in range(37)]
    s3.put_object(Bucket=bucket, Key="AWSLogs/notes.txt", Body=b"no trail")
    job = Enqueue(client, settings, queue.url, selection=Selection())
    report = job.run([f"s3://{bucket}/"])
    assert (report.objects, report.skipped_objects, report.ignored_objects) == (38, 0, 0)
    assert queue.left() == 38  # one object a message: one that fails holds no other back
    with running(settings, SqsFeed(settings, FeedSettings(queue=queue.name))):
        until(lambda: queue.left() == 0, "an empty queue")
    assert len(documents(client, settings)) == 37
    # One object more, as if the first run had been interrupted before it.
    uris.append(put(s3, bucket, ONE, "us-east-1", 4, 99))
    again = Enqueue(client, settings, queue.name, selection=Selection()).run([f"s3://{bucket}/"])
    # Those 37, and the notes, of which the ledger has that they are none.
    assert (again.objects, again.skipped_objects) == (1, 38)
    assert announced(queue) == uris[-1:]
    forced = Enqueue(client, settings, queue.name, selection=Selection(), force=True, limit=5)
    assert forced.run([f"s3://{bucket}/"]).objects == 5


def test_a_queue_that_keeps_an_order_takes_the_objects_of_each_run(
    s3: S3Client, bucket: str, queue: Queue, client: OpenSearch, settings: Settings
) -> None:
    made = queue.client.create_queue(
        QueueName=f"{queue.name[:70]}.fifo", Attributes={"FifoQueue": "true"}
    )
    uris = [put(s3, bucket, ONE, "us-east-1", 1, number) for number in range(3)]
    queue.url = made["QueueUrl"]
    for _ in range(2):
        job = Enqueue(client, settings, queue.url, selection=Selection(), force=True)
        assert job.run([f"s3://{bucket}/"]).objects == 3
        assert sorted(announced(queue)) == uris


def test_a_daemon_reads_what_a_backfill_had_read_in_part(
    s3: S3Client, bucket: str, queue: Queue, client: OpenSearch, settings: Settings
) -> None:
    for number in range(3):
        put(s3, bucket, ONE, "us-east-1", 2, number)
    key = KEY.format(ONE, "us-east-1", 3, ONE, "us-east-1", 3, 9)
    both = [record(eventTime=f"2025-03-{day:02}T12:00:00Z") for day in (2, 3)]
    s3.put_object(Bucket=bucket, Key=key, Body=trail_bytes(both))
    before = backfill(settings, f"s3://{bucket}/", until=date(2025, 3, 2))
    assert (before.counts.indexed, before.counts.filtered) == (4, 1)
    job = Enqueue(client, settings, queue.url, selection=Selection())
    report = job.run([f"s3://{bucket}/"])
    assert (report.objects, report.skipped_objects, report.objects_read_again) == (1, 3, 1)
    with running(settings, SqsFeed(settings, FeedSettings(queue=queue.name))):
        until(lambda: queue.left() == 0, "an empty queue")
    assert len(documents(client, settings)) == 5
    again = Enqueue(client, settings, queue.url, selection=Selection()).run([f"s3://{bucket}/"])
    assert (again.objects, again.skipped_objects) == (0, 4)


@pytest.mark.usefixtures("client")
def test_only_what_was_asked_for_is_sent_and_nothing_with_dry_run(
    s3: S3Client, bucket: str, queue: Queue, settings: Settings, s3_endpoint: str
) -> None:
    wanted = put(s3, bucket, ONE, "eu-west-1", 2, 1)
    for account, region, day in (
        (ONE, "eu-west-1", 9),
        (ONE, "us-east-1", 2),
        (TWO, "eu-west-1", 2),
    ):
        put(s3, bucket, account, region, day, 1)
    env = {"TRAILHOUND_AWS__ENDPOINT_URL": s3_endpoint}
    flags = ["--since", "2025-03-01", "--until", "2025-03-03", "--account", ONE]
    flags += ["--region", "eu-west-1", "--enqueue", queue.name]
    command = ("backfill", f"s3://{bucket}/", *flags)
    dry = printed(run(settings, *command, "--dry-run", "--json", env=env).stdout)
    assert (dry["dry_run"], dry["objects"], queue.left()) == (True, 1, 0)
    full = {"TRAILHOUND_RETENTION__DAYS": "30", "TRAILHOUND_INDEX__SHARDS": "1000000"}
    left = printed(run(settings, *command, "--dry-run", "--json", env=env | full).stdout)
    names = left["by_names"]
    assert (names["past_retention_objects"], names["past_retention_bytes"]) == (1, dry["bytes"])
    assert (names["new_days"], names["no_room"]) == (0, None)
    del full["TRAILHOUND_RETENTION__DAYS"]
    said = run(settings, *command, "--dry-run", env=env | full)
    assert "by name, those to read make 1 new daily index" in said.stdout.decode()
    assert "no room for 1 new day beside the 62" in " ".join(said.stderr.decode().split())
    ended = run(settings, *command, env=env)
    assert ended.returncode == 0, ended.stderr
    assert b"1 object put on the queue" in ended.stdout
    assert announced(queue) == [wanted]
    nobody = ("--account", "12", "--enqueue", queue.name)
    none = run(settings, "backfill", f"s3://{bucket}/", *nobody, env=env)
    assert none.returncode == 1, none.stderr
    assert f"accounts found: {ONE}, {TWO}" in " ".join(none.stderr.decode().split())


def test_what_is_refused_is_a_sentence(
    client: OpenSearch, settings: Settings, bucket: str, queue: Queue, tmp_path: Path
) -> None:
    selection = Selection(since=date(2025, 3, 1))
    with pytest.raises(UsageError, match="a daemon on another machine could not read it"):
        Enqueue(client, settings, queue.url, selection=selection).run([str(tmp_path)])
    with pytest.raises(SourceUnreachableError, match="queue nobodys: it does not exist") as caught:
        Enqueue(client, settings, "nobodys", selection=selection).run([f"s3://{bucket}/"])
    assert "check the name" in caught.value.hint
    with pytest.raises(UsageError, match="not a queue's ARN"):
        Enqueue(client, settings, "arn:aws:sqs:x", selection=selection).run([f"s3://{bucket}/"])


def test_messages_that_sqs_could_not_take_are_sent_again(
    s3: S3Client,
    bucket: str,
    queue: Queue,
    client: OpenSearch,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQS answers 200 and lists those that it could not take for a fault of its own."""
    from moto.sqs.responses import SQSResponse

    uris = {put(s3, bucket, ONE, "us-east-1", 1, n) for n in range(12)}
    real = SQSResponse.send_message_batch
    refused: list[Any] = []

    def sometimes(self: Any) -> Any:
        if len(refused) < 2:
            entries = self._get_param("Entries")
            refused.append(entries)
            failed = [
                {"Id": each["Id"], "SenderFault": False, "Code": "InternalError"}
                for each in entries
            ]
            return json.dumps({"Successful": [], "Failed": failed})
        return real(self)

    monkeypatch.setattr(SQSResponse, "send_message_batch", sometimes)
    report = Enqueue(client, settings, queue.url, selection=Selection()).run([f"s3://{bucket}/"])
    assert (len(refused), report.objects) == (2, 12)
    assert set(announced(queue)) == uris
