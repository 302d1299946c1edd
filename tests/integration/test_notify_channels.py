"""Channels: topics of SNS, test messages, and what `status` says of each."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from detections.alerts.store import AlertQuery, AlertStore
from detections.notify.channel_status import channel_statuses
from detections.notify.notifier import Notifier
from ingest.sources.session import aws_session
from tests.helpers.commands import command
from tests.helpers.notifications import (
    NOW,
    SECRET,
    House,
    hook,
)
from tests.helpers.processes import run
from tests.helpers.receiver import Receiver
from trailhound.errors import UsageError

pytestmark = pytest.mark.usefixtures("secret_unlogged")


def test_sns_topics_reach_their_queues(house: House, s3_endpoint: str) -> None:
    """Standard and FIFO topics of another region than the settings', with what programs need."""
    names = house.raise_alerts("medium", 1) | house.raise_alerts("critical", 2)
    sns = boto3.client("sns", endpoint_url=s3_endpoint, region_name="eu-west-1")
    sqs = boto3.client("sqs", endpoint_url=s3_endpoint, region_name="eu-west-1")
    channels, queues = [], []
    for suffix, attributes in (("", {}), (".fifo", {"FifoQueue": "true"})):
        name = f"alerts-{uuid.uuid4().hex[:8]}{suffix}"
        fifo = {"FifoTopic": "true"} if suffix else {}
        topic = sns.create_topic(Name=name, Attributes=fifo)["TopicArn"]
        queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
        channels.append({"name": f"sns{suffix.strip('.')}", "kind": "sns", "topic": topic})
        queues.append(queue)
    notifier = house.with_channels(*channels)
    house.settings = house.settings.model_copy(
        update={"aws": house.settings.aws.model_copy(update={"endpoint_url": s3_endpoint})}
    )
    notifier = Notifier(house.client, house.settings, aws_session)
    report = notifier.deliver(NOW)
    assert report.sent == {"sns": 2, "snsfifo": 2}, report
    for queue in queues:
        received: list[Any] = []
        while len(received) < 2:
            reply = sqs.receive_message(
                QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2, AttributeNames=["All"]
            )
            assert reply.get("Messages"), "a message is missing"
            received += reply["Messages"]
        envelopes = [json.loads(each["Body"]) for each in received]
        documents = [json.loads(each["Message"]) for each in envelopes]
        assert {each["id"] for each in documents} == names
        for envelope, document in zip(envelopes, documents, strict=True):
            assert envelope["MessageAttributes"]["alert_id"]["Value"] == document["id"]
            assert envelope["MessageAttributes"]["level"]["Value"] == document["level"]
            assert envelope["Subject"].startswith(f"[{document['level']}]")
        if queue.endswith(".fifo"):
            ids = {each["Attributes"].get("MessageDeduplicationId") for each in received}
            assert ids == names


def test_a_topic_that_is_gone_is_a_failure(house: House, s3_endpoint: str) -> None:
    house.raise_alerts("high", 1)
    topic = "arn:aws:sns:us-east-1:123456789012:no-such-topic"
    house.with_channels({"name": "sns", "kind": "sns", "topic": topic})
    aws = house.settings.aws.model_copy(update={"endpoint_url": s3_endpoint})
    settings = house.settings.model_copy(update={"aws": aws})
    report = Notifier(house.client, settings, aws_session).deliver(NOW)
    assert report.failed == {"sns": 1}
    (alert,) = AlertStore(house.client, settings).find(AlertQuery())
    assert "SNS rejected the message: NotFound" in house.reported(alert["id"])["sns"]["error"]


def test_a_test_that_fails_is_seen_and_one_that_is_delivered_ends_the_wait(house: House) -> None:
    """Of alerts that failed before, and of a channel that is paused after three failures."""
    answers = {"status": 500}

    def doctor(env: dict[str, str]) -> dict[str, Any]:
        checked = command(house.settings, "doctor", "--json", env=env)
        found = {it["what"]: it for it in json.loads(checked.stdout)["findings"]}
        check: dict[str, Any] = found["channel hook"]
        return check

    with Receiver(lambda _: answers["status"]) as receiver:
        env = {"TRAILHOUND_NOTIFY__CHANNELS": json.dumps([hook(receiver)])}
        assert doctor(env)["verdict"] == "ok"
        assert command(house.settings, "notify", "test", env=env).exit_code == 1
        assert doctor(env)["verdict"] == "warning"
        assert "its last message failed" in doctor(env)["fact"]
        assert "a test: " in doctor(env)["fact"]
        house.raise_alerts("high", 1, 2, 3)
        now = datetime.now(UTC)
        notifier = house.with_channels(hook(receiver), one_message_per="alert")
        assert notifier.deliver(now).failed["hook"] == 3
        answers["status"] = 204
        assert not notifier.deliver(now + timedelta(seconds=5)).sent, "each waits"
        assert command(house.settings, "notify", "test", env=env).exit_code == 0
        assert notifier.deliver(now + timedelta(seconds=10)).sent["hook"] == 3
        assert doctor(env)["verdict"] == "ok"


def test_the_test_command(house: House, receiver: Receiver) -> None:
    channels = [
        hook(receiver),
        {"name": "post", "kind": "apprise", "url": f"json://127.0.0.1:{receiver.port}/{SECRET}"},
        {"name": "broken", "kind": "command", "command": ["/nowhere"]},
    ]
    env = {
        "TRAILHOUND_NOTIFY__CHANNELS": json.dumps(channels),
        "TRAILHOUND_NOTIFY__HEARTBEAT__URL": f"http://127.0.0.1:{receiver.port}/beat/{SECRET}",
    }
    done = command(house.settings, "notify", "test", "--json", env=env)
    assert done.exit_code == 1
    rows = {each["channel"]: each for each in json.loads(done.stdout)["channels"]}
    assert (rows["hook"]["delivered"], rows["post"]["delivered"]) == (True, True)
    assert "cannot be run" in rows["broken"]["error"]
    assert rows["heartbeat"]["delivered"]
    beat = command(house.settings, "notify", "test", "heartbeat", env=env)
    assert (beat.exit_code, beat.stdout) == (0, "heartbeat: delivered\n")
    one = command(house.settings, "notify", "test", "hook", env=env)
    assert (one.exit_code, one.stdout) == (0, "hook: delivered\n")
    sent = [each.method for each in receiver.received]
    assert (sent.count("POST"), sent.count("GET")) == (3, 2)
    unknown = command(house.settings, "notify", "test", "nobody", env=env)
    assert isinstance(unknown.exception, UsageError)
    for each in (done, one, unknown):
        assert SECRET not in f"{each.output}{each.exception!r}"


def test_status_says_how_each_channel_stands(house: House, receiver: Receiver) -> None:
    names = house.raise_alerts("high", *range(5))
    broken = {"name": "unusable", "kind": "apprise", "url": f"pigeon://{SECRET}"}
    with Receiver(lambda _: 503) as weak:
        channels = hook(weak, name="weak"), hook(receiver, name="well"), broken
        notifier = house.with_channels(*channels)
        notifier.deliver(NOW)
        status = channel_statuses(house.client, house.settings)
        assert [(each.name, each.waiting) for each in status] == [
            ("weak", 5),
            ("well", 0),
            ("unusable", 5),
        ]
        assert "503" in status[0].last_error
        assert (status[0].last_delivery, status[1].last_error) == ("", "")
        assert datetime.fromisoformat(status[1].last_delivery) == NOW
        assert "apprise" in status[2].last_error
        for name in names:
            AlertStore(house.client, house.settings).close(name, "ada")
        notifier.deliver(NOW + timedelta(minutes=2))
        assert channel_statuses(house.client, house.settings)[0].waiting == 0, (
            "nobody has to be told"
        )
    reported = command(house.settings, "status", "--json")
    shown = {each["name"]: each for each in json.loads(reported.stdout)["channels"]}
    assert "503" in shown["weak"]["last_error"]
    said = run(house.settings, "status", env={"COLUMNS": "200"}).stdout.decode()
    (line,) = [line for line in said.splitlines() if line.startswith("weak ")]
    assert "503" in line
    assert SECRET not in said
