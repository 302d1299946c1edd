"""A queue that is followed: what is done leaves it, what fails stays for its redrive policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from opensearchpy import OpenSearch

from ingest.feeds import notifications, unread_messages
from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.sqs import SqsFeed
from ingest.objects import TrailObject
from tests.helpers.daemons import running
from tests.helpers.queues import Queue, until
from tests.helpers.trails import documents, own_settings, record, trail_bytes
from trailhound.settings import FeedSettings, Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/01/111122223333_CloudTrail_{}.json.gz"


@pytest.fixture
def queue(s3_endpoint: str) -> Queue:
    """On which what fails stays, however slow a test is."""
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


def put(s3: S3Client, bucket: str, name: str, body: bytes) -> TrailObject:
    key = KEY.format(name)
    etag = s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
    return TrailObject(f"s3://{bucket}/{key}", etag, len(body))


def announce(*items: TrailObject) -> str:
    return next(notifications.messages(iter(items), 100))


@contextmanager
def by_hand(feed: SqsFeed) -> Iterator[list[Delivery]]:
    """A feed whose arrivals a test settles itself."""
    arrivals: list[Delivery] = []

    def take(arrival: Delivery) -> bool:
        arrivals.append(arrival)
        return True

    feed.start(take)
    try:
        yield arrivals
    finally:
        feed.stop()
        feed.close()


def test_a_queue_is_worked_off(
    s3: S3Client, bucket: str, queue: Queue, client: OpenSearch, settings: Settings
) -> None:
    """S3 itself notifies; odd keys, several records a message, deliveries that come twice."""
    wanted: Any = {"QueueConfigurations": [{"QueueArn": queue.arn(queue.url), "Events": EVENTS}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    names = ["plain", "with space+plus", "ünï%41", "a=b&c"]
    items = [put(s3, bucket, name, trail_bytes([record(), record()])) for name in names]
    s3.delete_object(Bucket=bucket, Key=KEY.format("plain"))
    items[0] = put(s3, bucket, "plain", trail_bytes([record(), record()]))
    queue.send(announce(*items, *items))
    queue.send(announce(items[1]))
    queue.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}))
    feed = SqsFeed(settings, FeedSettings(queue=queue.name))
    with running(settings, feed) as daemon:
        until(lambda: queue.left() == 0, "an empty queue")
        counters = feed.status().counters
        assert daemon.status().objects["done"] >= len(items)
    assert counters["failed_messages"] == counters["returned_messages"] == 0
    assert counters["ignored_records"] >= 1
    assert 8 <= len(documents(client, settings)) <= 10


def test_what_cannot_be_read_is_left_to_the_redrive_policy(
    s3: S3Client, bucket: str, queue: Queue, client: OpenSearch, settings: Settings
) -> None:
    good = put(s3, bucket, "good", trail_bytes([record()]))
    bad = put(s3, bucket, "bad", b"\x1f\x8b not gzip")
    gone = TrailObject(f"s3://{bucket}/{KEY.format('gone')}", "x", 5)
    for body in (announce(good, bad), announce(gone), "hello", announce(good)):
        queue.send(body)
    feed = SqsFeed(settings, FeedSettings(queue=queue.url))
    with running(settings, feed):
        until(lambda: feed.status().counters.get("failed_messages", 0) >= 3, "three that failed")
        until(lambda: feed.status().counters.get("done_messages", 0) >= 1, "one that is done")
    assert queue.left() == 3
    assert feed.status().counters["unknown_messages"] >= 1
    assert len(documents(client, settings)) == 1


def test_a_queue_none_of_whose_messages_names_an_object_is_a_fault(
    s3: S3Client,
    bucket: str,
    queue: Queue,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a rule of EventBridge transforms what it passes on."""
    monkeypatch.setattr(unread_messages, "_AFTER", 0.0)
    feed = SqsFeed(settings, FeedSettings(queue=queue.url))
    with by_hand(feed) as arrivals:
        for number in range(9):
            queue.send(f"file number {number}")
        until(lambda: feed.status().counters.get("unknown_messages", 0) >= 9, "nine messages")
        assert not feed.status().failing, "they may be strays"
        queue.send("another one")
        until(lambda: "names an object: " in feed.status().failing, "a queue without objects")
        queue.send(announce(put(s3, bucket, "good", trail_bytes([record()]))))
        until(lambda: len(arrivals) == 1, "an object")
        assert not feed.status().failing


def test_a_message_that_names_a_bucket_that_does_not_exist_is_named_and_no_fault_of_the_queue(
    s3: S3Client, bucket: str, queue: Queue, client: OpenSearch, settings: Settings
) -> None:
    good = put(s3, bucket, "good", trail_bytes([record()]))
    key = KEY.format("x")
    queue.send(announce(TrailObject(f"s3://no-such-{bucket}/{key}", "e", 5)))
    queue.send(json.dumps({"s3Bucket": f"no-such-{bucket}", "s3ObjectKey": [key]}))
    queue.send(announce(good, TrailObject(f"s3://no-such-{bucket}/{key}", "e", 5)))
    feed = SqsFeed(settings, FeedSettings(queue=queue.url))
    with running(settings, feed) as daemon:
        said = f"it names the bucket no-such-{bucket}, which does not exist"
        until(lambda: feed.status().unknown.get(said, 0) >= 3, "three that are named")
        until(lambda: len(documents(client, settings)) == 1, "the good one")
        assert daemon.status().unreachable == {}
        assert daemon.status().last_error == "" or "no such bucket" in daemon.status().last_error
    status = feed.status()
    assert status.failing == ""
    assert status.unknown.keys() == {said}
    assert len(documents(client, settings)) == 1


def test_a_message_stays_hidden_while_it_is_worked_on(
    s3: S3Client, bucket: str, queue: Queue, settings: Settings
) -> None:
    """It is hidden for longer again and again, and deleted when its last object is settled."""
    items = [TrailObject(f"s3://{bucket}/{KEY.format(n)}", "e", 1) for n in range(2)]
    queue.send(announce(*items))
    feed = SqsFeed(settings, FeedSettings(queue=queue.arn(queue.url)))
    with by_hand(feed) as arrivals:
        until(lambda: len(arrivals) == 2, "two arrivals")
        arrivals[0].finish(Outcome.DONE)
        for _ in range(2):
            end = queue.hidden_until()
            until(lambda: queue.hidden_until() > end, "a heartbeat")  # noqa: B023
        assert (len(arrivals), queue.visible(), queue.left()) == (2, 0, 1)
        arrivals[1].finish(Outcome.SKIPPED)
        until(lambda: queue.left() == 0, "an empty queue")
    assert feed.status().counters["messages"] == 1


def test_what_is_not_finished_is_handed_back_at_once(
    s3: S3Client, bucket: str, queue: Queue, settings: Settings
) -> None:
    queue.send(announce(TrailObject(f"s3://{bucket}/{KEY.format(1)}", "e", 1)))
    feed = SqsFeed(settings, FeedSettings(queue=queue.name))
    with by_hand(feed) as arrivals:
        until(lambda: len(arrivals) == 1, "an arrival")
        feed.stop()
        arrivals[0].finish(Outcome.RETURNED)
    assert queue.visible() == 1


def test_a_queue_that_is_not_there_yet_is_waited_for(
    s3_endpoint: str, bucket: str, settings: Settings
) -> None:
    later = Queue(s3_endpoint)
    later.client.delete_queue(QueueUrl=later.url)
    feed = SqsFeed(settings, FeedSettings(queue=later.name))
    with by_hand(feed) as arrivals:
        until(lambda: "NonExistentQueue" in feed.status().last_error, "an error that says so")
        later.client.create_queue(QueueName=later.name)
        later.send(announce(TrailObject(f"s3://{bucket}/{KEY.format(1)}", "e", 1)))
        until(lambda: len(arrivals) == 1, "an arrival")
        arrivals[0].finish(Outcome.DONE)


POISON = [
    "",
    "hello",
    "[" * 5_000,
    "{}",
    '{"Records": [{}]}',
    '{"Records": {"a": 1}}',
    json.dumps({"s3Bucket": "b", "s3ObjectKey": [{}]}),
    json.dumps({"s3Bucket": "trail", "s3ObjectKey": "AWSLogs/\ud800.json.gz"}),
]
NO_NEWS = [
    json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}),
    json.dumps({"Type": "Notification", "Message": "CloudTrail validation message."}),
    json.dumps({"Type": "SubscriptionConfirmation", "SubscribeURL": "https://x", "Token": "t"}),
    json.dumps({"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": {}}),
    json.dumps({"AlarmName": "cpu", "NewStateValue": "ALARM"}),
]


def with_sizes(item: TrailObject, *sizes: str) -> list[str]:
    """Messages that announce an object with a size that no number holds, or that is none."""
    size = f'"size":{item.size}'
    bodies = [announce(item).replace(size, f'"size":{each}') for each in sizes]
    assert all(size not in body for body in bodies)
    return bodies


def test_no_message_stops_the_receiver_or_spoils_another(
    s3: S3Client, bucket: str, queue: Queue, client: OpenSearch, settings: Settings
) -> None:
    odd = put(s3, bucket, "odd", trail_bytes([record()]))
    trail = put(s3, bucket, "by trail", trail_bytes([record(), record()]))
    mixed = put(s3, bucket, "mixed", trail_bytes([record()]))
    notice = {"s3Bucket": bucket, "s3ObjectKey": [trail.uri.removeprefix(f"s3://{bucket}/")]}
    half = json.loads(announce(mixed))
    half["Records"].insert(0, {"eventSource": "aws:s3"})
    for body in (*(each for each in POISON if each), *NO_NEWS):
        queue.send(body)
    for body in with_sizes(odd, "1e999", "-5", "9223372036854775808", '"x"', "NaN"):
        queue.send(body)
    queue.send(json.dumps({"Type": "Notification", "Message": json.dumps(notice)}))
    queue.send(json.dumps(half))
    feed = SqsFeed(settings, FeedSettings(queue=queue.url))
    bad = len(POISON) - 1 + 1  # no message is empty; and one that holds a good record beside a bad
    with running(settings, feed) as daemon:
        until(lambda: len(documents(client, settings)) == 4, "every event")
        until(lambda: feed.status().counters["failed_messages"] >= bad, "every bad message")
        until(lambda: queue.left() == bad, "the bad ones alone")
        status = feed.status()
        assert daemon.status().failing == ""
    assert set(status.ignored) == {
        "S3 test event", "validation message", "SNS SubscriptionConfirmation", "CloudWatch alarm",
        "EventBridge aws.guardduty: GuardDuty Finding",
    }  # fmt: skip
    assert any("lone surrogate" in reason for reason in status.unknown)
    assert any("not JSON: hello" in reason for reason in status.unknown)
    assert status.failing == ""


def test_an_object_without_an_etag_gets_the_one_that_its_bucket_has(
    s3: S3Client, bucket: str, queue: Queue, settings: Settings
) -> None:
    item = put(s3, bucket, "x", b"12345")
    key = item.uri.removeprefix(f"s3://{bucket}/")
    queue.send(json.dumps({"s3Bucket": bucket, "s3ObjectKey": key}))
    queue.send(json.dumps({"s3Bucket": bucket, "s3ObjectKey": f"{key}-gone.json"}))
    feed = SqsFeed(settings, FeedSettings(queue=queue.url))
    with by_hand(feed) as arrivals:
        until(lambda: len(arrivals) == 2, "two arrivals")
        gone = TrailObject(f"{item.uri}-gone.json", "", 0)
        assert {each.item for each in arrivals} == {item, gone}
        for each in arrivals:
            each.finish(Outcome.DONE)


def test_a_queue_that_lets_nothing_be_deleted_is_not_ready_and_keeps_its_heartbeat(
    s3: S3Client, bucket: str, queue: Queue, settings: Settings
) -> None:
    """One message is done and stays, the other one is in work and stays hidden."""
    items = [TrailObject(f"s3://{bucket}/{KEY.format(n)}", "e", 1) for n in range(2)]
    for item in items:
        queue.send(announce(item))
    feed = SqsFeed(settings, FeedSettings(queue=queue.url))

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteMessageBatch")

    events = feed._client.meta.events
    events.register("before-call.sqs.DeleteMessageBatch", refuse)
    with by_hand(feed) as arrivals:
        until(lambda: len(arrivals) == 2, "two arrivals")
        arrivals[0].finish(Outcome.DONE)
        until(lambda: "DeleteMessage is denied" in feed.status().failing, "a reason")
        in_work = arrivals[1].item.uri
        end = queue.hidden_until(Path(in_work).name)
        until(lambda: queue.hidden_until(Path(in_work).name) > end, "a heartbeat")
        queue.show(Path(arrivals[0].item.uri).name)
        until(lambda: len(arrivals) > 2, "the message that could not be deleted again")
        assert [each.item.uri for each in arrivals].count(in_work) == 1
        events.unregister("before-call.sqs.DeleteMessageBatch", refuse)
        for each in arrivals[1:]:
            each.finish(Outcome.DONE)
        until(lambda: feed.status().failing == "", "no reason any more")
        # A queue that cannot be asked may have any number of messages.
        assert feed.status().depth is not None
        events.register("before-call.sqs.ReceiveMessage", refuse)
        until(lambda: feed.status().depth is None, "an unknown number")
    assert queue.left() <= 1  # what came again at the very end


def test_objects_without_an_extension_are_known_by_their_content(
    s3: S3Client, bucket: str, queue: Queue, client: OpenSearch, settings: Settings
) -> None:
    """As Firehose names its files, and S3 those of its own access logs."""
    bodies = {"fh/s-1-2025-03-01-10-00-00-5": trail_bytes([record()]), "access/2025-03": b"x y z\n"}
    for key, body in bodies.items():
        etag = s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
        queue.send(announce(TrailObject(f"s3://{bucket}/{key}", etag, len(body))))
    feed = SqsFeed(settings, FeedSettings(queue=queue.url))
    with running(settings, feed) as daemon:
        until(lambda: queue.left() == 0, "an empty queue")
        assert daemon.status().objects == {"done": 1, "ignored": 1}
        assert daemon.status().ignored.total() == 1
    assert len(documents(client, settings)) == 1
    assert "objects without CloudTrail records, by their content" in feed.status().ignored
