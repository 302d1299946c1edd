"""An SQS queue that announces new trail files.

A message is hidden from other consumers while it is worked on (a heartbeat extends that), and
deleted only when every object in it is done. What fails stays on the queue, for its redrive policy.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ingest.feeds import notifications
from ingest.feeds.error_state import ErrorState
from ingest.feeds.feed import Announce, Delivery, FeedStatus, Outcome
from ingest.feeds.notifications import Announced, Notification
from ingest.feeds.sqs_queue import in_its_region, queue_error, queue_url
from ingest.sources.s3 import S3Source
from ingest.sources.session import sqs_client
from trailhound.errors import SourceError, UsageError
from trailhound.settings import AwsSettings, FeedSettings, Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LOG = logging.getLogger("trailhound.sqs")
_AT_ONCE: Final = 10
"""Messages a request, SQS's own limit."""
_POLL_SECONDS: Final = 4
"""A long poll; no longer, for a stop waits for it: what it brings would stay hidden for minutes."""
_DEPTH_EVERY: Final = 30.0
_RETURN_SECONDS: Final = 15
"""A message whose bucket cannot be reached, say, comes back after so long."""
_TICK: Final = 0.25
_AWS: Final = (BotoCoreError, ClientError)


@dataclass(slots=True)
class _Message:
    """A message in work. `open` counts its objects that are not settled."""

    id: str
    receipt: str
    open: int
    outcomes: set[Outcome] = field(default_factory=set)
    extended: float = 0.0


class SqsFeed:
    """Announces the objects that a queue's messages name."""

    def __init__(self, settings: Settings, feed: FeedSettings) -> None:
        """Makes no request. Raises `SettingsError`, `SourceUnreachableError`."""
        assert feed.queue is not None  # noqa: S101 - a feed of another kind is not made here
        self.name = feed.queue
        aws = aws_of(settings.aws, feed)
        if feed.region is None:
            aws = in_its_region(aws, feed.queue)
        self._settings = settings.model_copy(update={"aws": aws})
        self._visibility = settings.run.visibility_seconds
        self._client: SQSClient = sqs_client(self._settings.aws, connections=4)
        self._url = ""
        self._sources: dict[str, S3Source] = {}
        self._lock = threading.Lock()
        self._work: dict[str, _Message] = {}
        self._ended: list[_Message] = []
        self._counters: Counter[str] = Counter()
        self._depth: int | None = None
        self._last_arrival = 0.0
        self._stopping = threading.Event()
        self._closing = threading.Event()
        self._trouble = ErrorState(f"queue {self.name}", LOG, self._stopping)
        self._announce: Announce = lambda _: False
        self._threads = [
            threading.Thread(target=self._receive, name="sqs-receive", daemon=True),
            threading.Thread(target=self._look_after, name="sqs-messages", daemon=True),
        ]

    def start(self, announce: Announce) -> None:
        self._announce = announce
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def close(self) -> None:
        self._stopping.set()
        receiver, keeper = self._threads
        receiver.join(_POLL_SECONDS + 1)  # whatever it still receives is handed back
        self._closing.set()
        keeper.join(10)
        self._client.close()

    def status(self) -> FeedStatus:
        with self._lock:
            return FeedStatus(
                self.name,
                "sqs",
                self._depth,
                self._last_arrival,
                self._trouble.last_error,
                self._trouble.last_error_at,
                dict(self._counters),
            )

    # The receiver.

    def _receive(self) -> None:
        checked = -_DEPTH_EVERY
        while not self._stopping.is_set():
            try:
                if not self._url:
                    self._url = queue_url(self._client, self.name)
                    self._warn_without_redrive()
                if time.monotonic() - checked > _DEPTH_EVERY:
                    checked = time.monotonic()
                    self._measure()
                reply = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_AT_ONCE,
                    VisibilityTimeout=self._visibility,
                    WaitTimeSeconds=_POLL_SECONDS,
                )
                self._trouble.over()
                # All are known to the heartbeat before the first one waits for room.
                taken = [
                    self._take(each["MessageId"], each["ReceiptHandle"], each["Body"])
                    for each in reply.get("Messages", ())
                ]
                for message, found in filter(None, taken):
                    for announced in found.announced:
                        self._hand_over(message, announced)
                    self._settled(message, None)
            except (*_AWS, SourceError, UsageError) as error:
                self._trouble.met(self._said(error))

    def _take(
        self, identifier: str, receipt: str, body: str
    ) -> tuple[_Message, Notification] | None:
        """A message to work on, and what it says; None for one that is in work already."""
        found = notifications.read(body)
        message = _Message(identifier, receipt, 1, extended=time.monotonic())
        with self._lock:
            self._counters["messages"] += 1
            if again := self._work.get(identifier):
                # Delivered twice: the newest handle is the one that deletes.
                again.receipt = receipt
                return None
            self._work[identifier] = message
            if found is None:
                self._counters["unknown_messages"] += 1
                message.outcomes.add(Outcome.FAILED)
                found = Notification()
                LOG.error("queue %s: message %s is no notification of S3", self.name, identifier)
            self._counters["ignored_records"] += found.ignored
            message.open += len(found.announced)
        return message, found

    def _hand_over(self, message: _Message, announced: Announced) -> None:
        if self._stopping.is_set():
            self._settled(message, Outcome.RETURNED)
            return
        source = self._sources.get(announced.bucket)
        if source is None:
            source = S3Source(f"s3://{announced.bucket}/", self._settings)
            self._sources[announced.bucket] = source
        with self._lock:
            self._last_arrival = time.time()
        self._announce(
            Delivery(
                announced.item,
                source,
                self.name,
                announced.delivered,
                lambda outcome: self._settled(message, outcome),
            )
        )

    def _settled(self, message: _Message, outcome: Outcome | None) -> None:
        """One object of a message is settled; the message with the last of them."""
        with self._lock:
            if outcome is not None:
                message.outcomes.add(outcome)
            message.open -= 1
            if message.open == 0:
                self._work.pop(message.id, None)
                self._ended.append(message)

    # The one who looks after the messages.

    def _look_after(self) -> None:
        while True:
            closing = self._closing.wait(_TICK)
            with self._lock:
                ended, self._ended = self._ended, []
            try:
                self._end(ended)
                self._extend()
            except _AWS as error:
                with self._lock:
                    self._ended = ended + self._ended
                self._trouble.note(self._said(error))
                if closing:
                    return
                self._closing.wait(1.0)
            if closing and not self._ended:
                return

    def _end(self, ended: list[_Message]) -> None:
        """Delete what is done, hand back what is not; what failed is left to run out.

        A request that is repeated does no harm.
        """
        done, returned, failed = [], [], 0
        for message in ended:
            if Outcome.FAILED in message.outcomes:
                failed += 1
            elif Outcome.RETURNED in message.outcomes:
                returned.append(message)
            else:
                done.append(message)
        for group in _tens(done):
            entries: Any = [
                {"Id": str(n), "ReceiptHandle": each.receipt} for n, each in enumerate(group)
            ]
            reply = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            self._again(reply.get("Failed", ()), group)
        delay = 0 if self._stopping.is_set() else _RETURN_SECONDS
        for group in _tens(returned):
            self._hide(group, delay)
        with self._lock:
            self._counters["failed_messages"] += failed
            self._counters["returned_messages"] += len(returned)
            self._counters["done_messages"] += len(done)

    def _again(self, refused: Iterable[Any], group: list[_Message]) -> None:
        """What SQS could not delete for a fault of its own is tried again at the next turn."""
        left = [group[int(each["Id"])] for each in refused if not each["SenderFault"]]
        with self._lock:
            self._ended += left

    def _extend(self) -> None:
        """The heartbeat: what is in work stays hidden."""
        due = time.monotonic() - self._visibility / 3
        with self._lock:
            old = [message for message in self._work.values() if message.extended < due]
        for group in _tens(old):
            self._hide(group, self._visibility)
            for message in group:
                message.extended = time.monotonic()

    def _hide(self, group: list[_Message], seconds: int) -> None:
        entries: Any = [
            {"Id": str(n), "ReceiptHandle": each.receipt, "VisibilityTimeout": seconds}
            for n, each in enumerate(group)
        ]
        self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    # The queue itself.

    def _said(self, error: Exception) -> str:
        met = queue_error(error, self.name)
        said = met.message.removeprefix(f"queue {self.name}: ")  # the log says it already
        return f"{said}; {met.hint}" if met.hint else said

    def _measure(self) -> None:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        reply = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        depth = sum(int(value) for value in reply.get("Attributes", {}).values())
        with self._lock:
            self._depth = depth

    def _warn_without_redrive(self) -> None:
        reply = self._client.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["RedrivePolicy"]
        )
        policy = reply.get("Attributes", {}).get("RedrivePolicy")
        if not policy or not json.loads(policy).get("deadLetterTargetArn"):
            LOG.warning(
                "queue %s has no redrive policy: a message whose object cannot be read comes back "
                "until the queue forgets it",
                self.name,
            )


def aws_of(aws: AwsSettings, feed: FeedSettings) -> AwsSettings:
    """`aws` with what a source has of its own laid over."""
    own = {name: getattr(feed, name) for name in ("role_arn", "external_id", "region")}
    return aws.model_copy(update={name: value for name, value in own.items() if value is not None})


def _tens(group: list[_Message]) -> Iterable[list[_Message]]:
    return (group[start : start + _AT_ONCE] for start in range(0, len(group), _AT_ONCE))
