"""A queue of S3 notifications (moto in server mode), and daemons that follow it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

if TYPE_CHECKING:
    from moto.sqs.models import Message
    from mypy_boto3_sqs import SQSClient

PATIENCE = 240.0
"""Seconds until what is waited for counts as never coming."""
_COUNTED = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]


class Queue:
    """A queue of a test's own, with a queue for what fails twice."""

    def __init__(self, endpoint: str, receives: int = 2) -> None:
        self.client: SQSClient = boto3.client("sqs", endpoint_url=endpoint)
        self.name = f"trail-{uuid.uuid4().hex[:12]}"
        self.failed = self.client.create_queue(QueueName=f"{self.name}-failed")["QueueUrl"]
        policy = {
            "deadLetterTargetArn": self.arn(self.failed),
            "maxReceiveCount": str(receives),
        }
        self.url = self.client.create_queue(
            QueueName=self.name, Attributes={"RedrivePolicy": json.dumps(policy)}
        )["QueueUrl"]

    def arn(self, url: str) -> str:
        """A queue's ARN."""
        return self._attribute(url, "QueueArn")

    def send(self, body: str, delay: int = 0) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body, DelaySeconds=delay)

    def send_all(self, bodies: Sequence[tuple[str, int]]) -> None:
        """Messages with their delays in seconds, in this order: ten a request."""
        entries = [
            {"Id": str(number), "MessageBody": body, "DelaySeconds": delay}
            for number, (body, delay) in enumerate(bodies)
        ]
        for first in range(0, len(entries), 10):
            few = entries[first : first + 10]
            sent = self.client.send_message_batch(QueueUrl=self.url, Entries=few)  # type: ignore[arg-type]
            assert not sent.get("Failed")

    def left(self) -> int:
        """Messages that are there, hidden or delayed ones included.

        By one request: between two, a message that becomes visible would be counted by neither.
        """
        return sum(map(int, self._attributes(self.url, *_COUNTED).values()))

    def visible(self) -> int:
        return int(self._attribute(self.url, "ApproximateNumberOfMessages"))

    def hidden_until(self, text: str = "") -> float:
        """Until when the message that holds this text is hidden, in seconds since the epoch."""
        return float(self._held(text).visible_at) / 1000

    def show(self, text: str) -> None:
        """As though the time for which the message that holds this text is hidden were over."""
        self._held(text).visible_at = 0.0

    def _held(self, text: str) -> Message:
        backend = sqs_backends[DEFAULT_ACCOUNT_ID][self.client.meta.region_name]
        (found,) = [each for each in backend.get_queue(self.name)._messages if text in each.body]
        return found

    def _attribute(self, url: str, name: str) -> str:
        return self._attributes(url, name)[name]

    def _attributes(self, url: str, *names: str) -> dict[str, str]:
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=names)  # type: ignore[arg-type]
        return found["Attributes"]  # type: ignore[return-value]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it. No more than a third of the time goes into looking, however long a look takes:
    it is often a whole command, and what is waited for needs the processors too."""
    end = time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        if condition():
            return
        looked = time.monotonic()
        assert looked < end, f"it never came to that: {what}"
        time.sleep(max(0.1, 2 * (looked - began)))
